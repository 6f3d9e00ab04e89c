"""Sequences of different lengths in one batch: padding, and means over the positions that hold data.

`valid` (B, N) is True where a padded batch holds data; None means everywhere.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def pad_sequences(sequences: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Zero-pad sequences (T_i, ...) to the longest. Returns (B, T, ...) and the mask `valid` (B, T)."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    valid = torch.arange(int(lengths.max())) < lengths[:, None]
    return torch.nn.utils.rnn.pad_sequence(list(sequences), batch_first=True), valid


def valid_count(sequence: Tensor, valid: Tensor | None) -> Tensor:
    """Number of valid positions of a sequence (B, N, C): (B, 1)."""
    if valid is None:
        return sequence.new_full((len(sequence), 1), sequence.shape[1])
    return valid.sum(1, keepdim=True)


def masked_mean(sequence: Tensor, valid: Tensor | None) -> Tensor:
    """Mean of a sequence (B, N, C) over its valid positions: (B, C)."""
    if valid is None:
        return sequence.mean(1)
    return (sequence * valid[..., None]).sum(1) / valid.sum(1, keepdim=True)


def masked_mean_square(error: Tensor, valid: Tensor) -> Tensor:
    """Mean of error² (B, T, Z) over the valid positions and all Z values: a scalar."""
    return torch.where(valid[..., None], error, 0).square().sum() / (valid.sum() * error.shape[-1])
