"""Sequences of unequal length in one batch: padding, and means over what is not padding."""

from collections.abc import Sequence

import torch
from torch import Tensor


def padded(sequences: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Sequences (T_i, ...) zero-padded to the longest, (B, T, ...), and which of it is data, (B, T)."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    valid = torch.arange(int(lengths.max())) < lengths[:, None]
    return torch.nn.utils.rnn.pad_sequence(list(sequences), batch_first=True), valid


def counts(sequence: Tensor, valid: Tensor | None) -> Tensor:
    """How many of a sequence's positions (B, N, C) are valid (B, N), all without a mask: (B, 1)."""
    if valid is None:
        return sequence.new_full((len(sequence), 1), sequence.shape[1])
    return valid.sum(1, keepdim=True)


def mean_over(sequence: Tensor, valid: Tensor | None) -> Tensor:
    """The mean (B, C) of a sequence (B, N, C) over its valid positions (B, N)."""
    if valid is None:
        return sequence.mean(1)
    return (sequence * valid[..., None]).sum(1) / valid.sum(1, keepdim=True)


def masked_mean_square(error: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid positions (B, T) of error² (B, T, Z)."""
    return torch.where(valid[..., None], error, 0).square().sum() / (valid.sum() * error.shape[-1])
