"""Matches the lip aperture of a generated motion to the speaker: its mean and amplitude.

A model learns how far speakers move their lips on average, but some move them twice as far as others. So the amplitude
is taken from the references. The paper does nothing of this kind.
"""

import numpy as np
import torch

from dd_tools.warp.latents import latent_aperture

DEFAULT_SCALE = 1.4  # of the motion, if there is too little speech to measure its amplitude
MAX_CHANGE = 3.0  # largest factor between the scale and the default, either way
MIN_APERTURE = -0.02  # interocular distances, as the detector measures lips that are pressed together
PRIOR_SPEECH = 25  # latents of speech whose statistics have a confidence of 1/2


class SpeakerMotion:
    """A generated motion, to be changed where the face speaks: call `match_aperture`, then `latents`.

    base (T, Z): the face at rest. movement (T, Z): what the speech adds. speech (T, 1): probability of speech, 0 to 1.
    aperture_direction (Z,): the change of a latent as the lip aperture grows by 1.
    """

    def __init__(self, base: np.ndarray, movement: np.ndarray, speech: np.ndarray, aperture_direction: np.ndarray):
        self.direction, self.speech = aperture_direction, speech
        self.weights = speech[:, 0] + 1e-6
        self.motion, self.scale = base + speech * movement, 1.0
        # The spoken part is relative to the mean while speaking. Scaled about the references' mean instead, closed lips
        # would be pushed through each other.
        self.mean_movement = np.average(movement, axis=0, weights=self.weights)
        self.spoken = speech * (movement - self.mean_movement)
        self.confidence = float(speech.sum() / (speech.sum() + PRIOR_SPEECH))

    def match_aperture(self, mean: float, std: float, confidence: float) -> None:
        """Give the lip aperture this mean and standard deviation while the face speaks.

        confidence: how much of both was measured on this face, 0 to 1; the rest comes from the training data. By this
        fraction, the mean movement of all latents is removed.
        """
        self.motion = self.motion - self.confidence * confidence * self.speech * self.mean_movement
        wider = mean - self._mean(_aperture(self.motion))
        self.motion = self.motion + self.confidence * wider * self.speech * self.direction
        self.scale = self._scale_for(std) ** self.confidence * DEFAULT_SCALE ** (1 - self.confidence)

    def _scale_for(self, std: float) -> float:
        """The scale of the spoken part with which the aperture has this standard deviation, within `MAX_CHANGE`."""
        whole, part = _aperture(self.motion), _aperture(self.spoken)
        (variance, common), (_, own) = np.cov(whole, part, bias=True, aweights=self.weights)
        # Find k such that the variance of whole + k part, `variance` + 2 k `common` + k² `own`, is std².
        root = np.sqrt(max(common**2 - own * (variance - std**2), 0))
        scale = 1 + (root - common) / max(own, 1e-12)
        return float(np.clip(scale, DEFAULT_SCALE / MAX_CHANGE, DEFAULT_SCALE * MAX_CHANGE))

    def latents(self, expression: float) -> np.ndarray:
        """The latents (T, Z), with the spoken part scaled by `expression`. The aperture is at least `MIN_APERTURE`."""
        moved = self.motion + (expression * self.scale - 1) * self.spoken
        return moved + np.maximum(MIN_APERTURE - _aperture(moved), 0)[:, None] * self.direction

    def _mean(self, track: np.ndarray) -> np.ndarray:
        """Mean while the face speaks."""
        return np.average(track, weights=self.weights)


def _aperture(latents: np.ndarray) -> np.ndarray:
    return latent_aperture(torch.from_numpy(latents)).numpy()
