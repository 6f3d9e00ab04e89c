"""The linear part of the motion model: a Wiener filter of the speech features, solved and not trained.

Learnt from a few dozen speakers, it follows unseen ones as well as a conformer does, and errs elsewhere.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FILTER_RADIUS = 6  # latents before and after a moment, 0.24 s, whose speech the filter takes
# Standard deviation of the noise on standardised speech features with which the filter still has the least squared
# error. It is ridge regression; without it, the voices of the training speakers are memorised.
FILTER_NOISE = 1.5


class LinearFilter(nn.Module):
    """Speech features to movement. weight (Z, D, 2 R + 1): a buffer, 0 until `solve` is called."""

    def __init__(self, speech_width: int, z_size: int):
        super().__init__()
        self.register_buffer("weight", torch.zeros(z_size, speech_width, 2 * FILTER_RADIUS + 1))

    def forward(self, audio: Tensor) -> Tensor:
        """Audio (B, T₅₀, D), whose mean is 0, to the movement (B, T₂₅, Z)."""
        return F.conv1d(_in_pairs(audio).mT, self.weight, padding=FILTER_RADIUS).mT

    def solve(self, recordings: Iterable[tuple[float, Tensor, Tensor]]) -> None:
        """Set the weight to the one of least squared error on recordings: weight, audio (T₅₀, D), movement (T₂₅, Z).

        Both tracks count as 0 beyond their ends. Then the normal equations consist of one correlation of the audio with
        itself for each lag (Wiener 1949), which cost a taps-th of the products of all pairs of taps.
        """
        width, taps, frames = self.weight.shape[1], self.weight.shape[2], 0.0
        auto = torch.zeros(taps, width, width, dtype=torch.float64)
        cross = torch.zeros(taps, width, len(self.weight), dtype=torch.float64)
        for weight, audio, movement in recordings:
            audio = _in_pairs(audio[None])[0].cpu()
            wider = F.pad(movement.cpu(), (0, 0, FILTER_RADIUS, FILTER_RADIUS))
            for lag in range(min(taps, len(audio))):
                auto[lag] += weight * (audio[: len(audio) - lag].T @ audio[lag:])
            for tap in range(taps):
                cross[tap] += weight * (audio.T @ wider[taps - 1 - tap :][: len(audio)])
            frames += weight * len(audio)
        normal = torch.cat([torch.cat([_lagged(auto, tap - row) for tap in range(taps)], 1) for row in range(taps)])
        normal.diagonal().add_(FILTER_NOISE**2 * frames)
        solved = torch.linalg.solve(normal, cross.flatten(0, 1))
        self.weight.copy_(solved.reshape(taps, width, -1).permute(2, 1, 0))


def _in_pairs(audio: Tensor) -> Tensor:
    """Audio (B, T₅₀, D) at the rate of latents (B, T₂₅, D): the means of two features, or of the last alone."""
    return F.avg_pool1d(audio.mT, 2, ceil_mode=True).mT


def _lagged(auto: Tensor, lag: int) -> Tensor:
    return auto[lag] if lag >= 0 else auto[-lag].T
