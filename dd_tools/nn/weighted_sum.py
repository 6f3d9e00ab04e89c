"""The weighted sum over the layers of a speech model (section 2.2 of the DiffDub paper, after SUPERB)."""

import torch
from torch import Tensor
from torch.nn import functional as F


def weighted_sum(speech: Tensor, weights: Tensor) -> Tensor:
    """Speech features (B, L, T, D) summed over layers with the softmax of `weights` (L,): (B, T, D).

    One layer (L = 1) passes through: it is a sum that was taken before.
    """
    if speech.shape[1] == 1:
        return speech[:, 0]
    return torch.einsum("l,bltd->btd", F.softmax(weights, 0), speech)
