"""Matches a generated motion to the speaker: mean lip aperture, its amplitude, and its correlation with syllables.

A model trained on the squared error moves lips less than people do, the less the surer it is not. How far the mouth
opens must not depend on that, so it is matched to the references. The paper has nothing of this.
"""

import numpy as np
import torch

from dd_tools.speech.loudness import rhythm
from dd_tools.warp.latents import lip_aperture

DEFAULT_SCALE = 1.75  # of the motion, where little speech is known: models trained on the squared error move too little
MAX_CHANGE = 3.0  # largest factor by which a scale may differ from the default, either way
MIN_APERTURE = -0.02  # of lips that are pressed together, as the detector measures them
MIN_SPEECH = 25  # latents: statistics of less speech than this count for less than half


class SpeakerMotion:
    """A generated motion whose spoken part can be changed: first `follow_syllables`, then `match_aperture`.

    base (T, Z): the face at rest. movement (T, Z): what the speech adds. speech (T, 1): probability of speech, 0 to 1.
    aperture_direction (Z,): how latents change as the lip aperture grows by 1.
    """

    def __init__(self, base: np.ndarray, movement: np.ndarray, speech: np.ndarray, aperture_direction: np.ndarray):
        self.direction, self.speech = aperture_direction, speech
        self.weights = speech[:, 0] + 1e-6
        self.motion, self.scale = base + movement, 1.0
        # About the mean while speaking: about the references' mean, closed lips would be pushed through each other.
        self.mean_movement = np.average(movement, axis=0, weights=self.weights)
        self.spoken = speech * (movement - self.mean_movement)
        self.confidence = float(speech.sum() / (speech.sum() + MIN_SPEECH))

    def follow_syllables(self, amplitude: np.ndarray, correlation: float) -> None:
        """Open the mouth with the `amplitude` (T,) of the speech until their `rhythm` correlates by `correlation`.

        correlation: 0 < r < 1, reached only if there is enough speech. Between 2 and 7 Hz mouths follow the amplitude
        in any language (Chandrasekaran et al. 2009), which a recogniser trained on one language does not know.
        """
        loud, aperture = (self._centred(rhythm(track)) for track in (amplitude, _aperture(self.motion)))
        loud /= max(np.sqrt(self._mean(loud**2)), 1e-6)
        common, variance = self._mean(aperture * loud), self._mean(aperture**2)
        # Find k with (common + k) / √(variance + 2 k common + k²) = correlation. `independent` is the standard
        # deviation of that part of the aperture that does not follow the amplitude.
        independent = np.sqrt(max(variance - common**2, 0))
        k = max(correlation / np.sqrt(1 - correlation**2) * independent - common, 0)
        added = (self.confidence * k * self.speech * loud[:, None] * self.direction).astype(np.float32)
        self.motion, self.spoken = self.motion + added, self.spoken + added

    def match_aperture(self, mean: float, std: float, confidence: float) -> None:
        """Give the lip aperture this mean and standard deviation while the face speaks.

        confidence: 0 to 1, of statistics that come from this face; with it, all latents are moved about their mean.
        """
        self.motion = self.motion - self.confidence * confidence * self.speech * self.mean_movement
        wider = mean - self._mean(_aperture(self.motion))
        self.motion = self.motion + self.confidence * wider * self.speech * self.direction
        self.scale = self._scale_for(std) ** self.confidence * DEFAULT_SCALE ** (1 - self.confidence)

    def _scale_for(self, std: float) -> float:
        """The scale of the spoken part that gives the aperture this standard deviation, within `MAX_CHANGE`."""
        whole, part = _aperture(self.motion), _aperture(self.spoken)
        (variance, common), (_, own) = np.cov(whole, part, bias=True, aweights=self.weights)
        # whole + k part has the variance `variance` + 2 k `common` + k² `own`, which is to be std².
        root = np.sqrt(max(common**2 - own * (variance - std**2), 0))
        scale = 1 + (root - common) / max(own, 1e-12)
        return float(np.clip(scale, DEFAULT_SCALE / MAX_CHANGE, DEFAULT_SCALE * MAX_CHANGE))

    def latents(self, expression: float) -> np.ndarray:
        """Latents (T, Z) whose spoken part is scaled by `expression`, with lips that do not pass through each other."""
        moved = self.motion + (expression * self.scale - 1) * self.spoken
        return moved + np.maximum(MIN_APERTURE - _aperture(moved), 0)[:, None] * self.direction

    def _mean(self, track: np.ndarray) -> np.ndarray:
        """Mean while the face speaks."""
        return np.average(track, weights=self.weights)

    def _centred(self, track: np.ndarray) -> np.ndarray:
        return track - self._mean(track)


def _aperture(latents: np.ndarray) -> np.ndarray:
    return lip_aperture(torch.from_numpy(latents)).numpy()
