"""How a face delivers what the voice makes of it: how wide its mouth is open on the whole, how far it opens and shuts,
and how much of that goes with the voice's syllables.

A model trained on the squared error says less of all that than people do, and how sure it is of a voice must not decide
it. The paper has nothing of this; it needs latents with z_points, but for the expression.
"""

import numpy as np
import torch

from dd_tools.motion.lips import lip_opening
from dd_tools.speech.loudness import rhythm

USUAL = 1.75  # times as far as models say: trained on the squared error, they move less than people
MOST = 3.0  # times more or less than usual
PRESSED = -0.02  # opening of lips that are pressed together, as the detector sees it; less is not seen
FEW = 25  # latents: a voice of fewer tells little about how far and how wide it opens a mouth


class Delivery:
    """A motion, and the part of it that is speech: `follow`, `open_like` and `latents`, in this order, move that alone,
    but that the lips never go through each other.

    base (T, Z): the face when it says nothing. movement (T, Z): what the voice adds. voiced (T, 1): how much of each
    moment is speech, 0 to 1. way (Z,): how latents with z_points change as the lips open by one unit; None for others.
    """

    def __init__(self, base: np.ndarray, movement: np.ndarray, voiced: np.ndarray, way: np.ndarray | None = None):
        self.way = way
        self.voiced, self.weights = voiced, voiced[:, 0] + 1e-6
        self.motion, self.factor = base + movement, 1.0
        # Not about the references' mean: there the mouth is half open, and shut lips would be pushed past each other.
        self.mean_movement = np.average(movement, axis=0, weights=self.weights)
        self.spoken = voiced * (movement - self.mean_movement)
        self.told = float(voiced.sum() / (voiced.sum() + FEW))  # how far so much speech tells how this voice moves it

    def follow(self, amplitude: np.ndarray, least: float) -> None:
        """Open the mouth with the voice's `amplitude` (T,), until the `rhythm` of both correlates by `least` (above 0,
        below 1) while it speaks; by less where it speaks for a few seconds only (`told`).

        A recogniser that knows one language makes of another's syllables what it may; that mouths open with them is not
        a matter of one language.
        """
        loud, opening = (self._centred(rhythm(track)) for track in (amplitude, _opening(self.motion)))
        loud /= max(np.sqrt(np.average(loud**2, weights=self.weights)), 1e-6)
        common, variance = (np.average(opening * other, weights=self.weights) for other in (loud, opening))
        # (common + k) / √(variance + 2 k common + k²) is to be `least`; what of the opening is not loudness stays.
        remaining = np.sqrt(max(variance - common**2, 0))
        share = max(least / np.sqrt(1 - least**2) * remaining - common, 0)
        heard = (self.told * share * self.voiced * loud[:, None] * self.way).astype(np.float32)
        self.motion, self.spoken = self.motion + heard, self.spoken + heard

    def _centred(self, track: np.ndarray) -> np.ndarray:
        """Beside its mean while the voice speaks."""
        return track - np.average(track, weights=self.weights)

    def open_like(self, opening: float, reach: float, trust: float) -> None:
        """Have the lips apart by `opening` on the whole, and that deviate by `reach`; trust: how far these are known
        from this very face, 0 to 1.
        """
        # Where the face is known, all of it goes about its own mean, not only the lips.
        self.motion = self.motion - self.told * trust * self.voiced * self.mean_movement
        wider = opening - np.average(_opening(self.motion), weights=self.weights)
        self.motion = self.motion + self.told * wider * self.voiced * self.way
        self.factor = self._times(reach) ** self.told * USUAL ** (1 - self.told)

    def _times(self, reach: float) -> float:
        """How many times as far the speech must move the face for the lips' opening to deviate by `reach`, between
        `MOST` times less and more than the `USUAL`."""
        whole, part = _opening(self.motion), _opening(self.spoken)
        (varying, common), (_, own) = np.cov(whole, part, bias=True, aweights=self.weights)
        # whole + k part has the variance varying + 2 k common + k² own, which is to be reach².
        root = np.sqrt(max(common**2 - own * (varying - reach**2), 0))
        return float(np.clip(1 + (root - common) / max(own, 1e-12), USUAL / MOST, USUAL * MOST))

    def latents(self, expression: float) -> np.ndarray:
        """The latents (T, Z) of the face, moved by `expression` times as much from its mean while it speaks, but that
        shut lips do not go through each other."""
        moved = self.motion + (expression * self.factor - 1) * self.spoken
        if self.way is None:
            return moved
        return moved + np.maximum(PRESSED - _opening(moved), 0)[:, None] * self.way


def _opening(latents: np.ndarray) -> np.ndarray:
    return lip_opening(torch.from_numpy(latents)).numpy()
