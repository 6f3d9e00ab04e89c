"""The weighted sum over the layers of a speech model (section 2.2 of the DiffDub paper, after SUPERB)."""

import torch
from torch import Tensor
from torch.nn import functional as F


def weighted_sum(speech: Tensor, weights: Tensor) -> Tensor:
    """Sum of speech features (B, L, T, D) over layers, weighted by the softmax of `weights` (L,): (B, T, D).

    A single layer (L = 1) is returned unchanged, since dd-audio can take the sum beforehand.
    """
    if speech.shape[1] == 1:
        return speech[:, 0]
    return torch.einsum("l,bltd->btd", F.softmax(weights, 0), speech)
