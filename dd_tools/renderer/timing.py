"""Latents live 25 a second; frames live at their own times. Linear interpolation goes from one to the other."""

import numpy as np

from dd_tools.formats.arrays import LATENT_RATE


def latents_at(latents: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Latents (T, Z), the k-th at k / 25 s, at `times` (N,) in seconds: (N, Z). The first and last hold beyond the
    ends.
    """
    return _interpolate(times * LATENT_RATE, np.arange(len(latents)), latents)


def latents_on_grid(latents: np.ndarray, times: np.ndarray) -> np.ndarray:
    """The inverse: from (N, Z) seen at rising `times` (N,), resampled to k / 25 s from 0 to the last time: (T, Z)."""
    count = round(float(times[-1]) * LATENT_RATE) + 1
    return _interpolate(np.arange(count) / LATENT_RATE, times, latents)


def _interpolate(at: np.ndarray, knots: np.ndarray, values: np.ndarray) -> np.ndarray:
    position = np.interp(at, knots, np.arange(len(knots)))
    left = np.floor(position).astype(int)
    right = np.minimum(left + 1, len(knots) - 1)
    share = (position - left)[:, None].astype(values.dtype)
    return values[left] * (1 - share) + values[right] * share
