"""Training samples of stage 2: up to 10 s of a clip as target, reference latents from the rest of the clip."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from dd_tools.formats.arrays import LATENT_RATE
from dd_tools.nn.padding import pad_sequences
from dd_tools.training.clips import SpeakerBalance
from dd_tools.training.sequences import ClipSequences, check_sizes
from dd_tools.warp.latents import closed_mouth, latent_aperture
from dd_tools.warp.motion_augmentation import as_other_face, with_silence
from dd_tools.warp.motion_network import MotionConfig, MotionNetwork

MAX_TARGET = 10 * LATENT_RATE  # latents
MAX_REFERENCE = 3 * LATENT_RATE  # latents
SHRINKAGE = 0.5  # of the covariances of faces
SPEAKER_POWER = 0.5  # of `SpeakerBalance`: speakers with more clips, which teach more, are drawn more often


class MotionData:
    """Samples for `MotionLoss`. Half of them have a single reference, so that the model learns to use any number.

    speakers: clip name to speaker. augment: whether to apply `as_other_face`. silence (L, T, D): features of silence
    for `with_silence`, which teaches that the mouth closes; None to leave it out. Raises `DataError` for a clip that
    does not fit the model.
    """

    def __init__(
        self,
        clips: Sequence[ClipSequences],
        config: MotionConfig,
        speakers: Mapping[str, str],
        *,
        augment: bool = True,
        silence: np.ndarray | None = None,
    ):
        check_sizes(clips, (config.speech_layers, config.speech_width, config.z_size))
        self.clips, self.augment = list(clips), augment
        self.silence = None if silence is None else torch.from_numpy(silence)
        self.target = min(config.window, MAX_TARGET)
        names = [clip.name for clip in clips]
        self.balance = SpeakerBalance(names, speakers, SPEAKER_POWER)
        self.clip_weights = SpeakerBalance(names, speakers).probabilities  # with which all speakers count equally

    @cached_property
    def means(self) -> np.ndarray:
        """Mean latent of every clip (clips, Z)."""
        return np.stack([clip.latents.mean(0) for clip in self.clips])

    @cached_property
    def closed_mouths(self) -> Tensor:
        """Latent of the closed mouth of every clip (clips, Z)."""
        return torch.stack([closed_mouth(torch.from_numpy(clip.latents)[None])[0] for clip in self.clips])

    def fit_statistics(self, model: MotionNetwork) -> None:
        """Set the buffers of a new model to the statistics of the clips.

        In the statistics of speech, faces and aperture, all speakers count equally. In those of the latents, all clips
        do: with few speakers, the standard deviation would otherwise be mostly that between speakers, which is larger
        than that of motion. The filter is solved for clips that count as often as they are drawn.
        """
        self._fit_speech_statistics(model)
        mean = self.means.mean(0)
        square = np.mean([np.square(clip.latents).mean(0) for clip in self.clips], axis=0)
        model.latent_mean.copy_(torch.from_numpy(mean))
        model.latent_std.copy_(torch.from_numpy(np.sqrt(np.maximum(square - mean**2, 1e-6))))
        self._fit_face_statistics(model)
        apertures = [latent_aperture(torch.from_numpy(clip.latents)).numpy() for clip in self.clips]
        covariance = self._over_speakers(map(_covariance, apertures, (clip.latents for clip in self.clips)))
        variance = max(self._over_speakers(aperture.var() for aperture in apertures), 1e-6)
        model.aperture_mean.fill_(self._over_speakers(aperture.mean() for aperture in apertures))
        model.aperture_std.fill_(variance**0.5)
        model.aperture_direction.copy_(torch.from_numpy(covariance / variance))
        model.filter.solve(
            (weight * len(self.clips), *_spoken(model, clip))
            for weight, clip in zip(self.balance.probabilities.tolist(), self.clips, strict=True)
        )

    def _fit_face_statistics(self, model: MotionNetwork) -> None:
        """Mean and covariances of `MotionNetwork.face_at_rest`, all speakers counted equally.

        A single clip says nothing of other faces: a new model's statistics, which keep the references' mean, remain.
        """
        if len(self.clips) == 1:
            return
        std = model.latent_std.numpy()
        mean = self._over_speakers(self.means)
        between = self._over_speakers(np.outer(each, each) for each in (self.means - mean) / std)
        within = self._over_speakers(_moments(clip.latents / std) for clip in self.clips)
        model.face_mean.copy_(torch.from_numpy(mean))
        model.face_between.copy_(torch.from_numpy(_diagonally(between)))
        model.face_within.copy_(torch.from_numpy(_diagonally(within)))

    def _fit_speech_statistics(self, model: MotionNetwork) -> None:
        mean, square = (
            self._over_speakers((clip.speech.astype(np.float32) ** power).mean(1) for clip in self.clips)
            for power in (1, 2)
        )
        model.speech_mean.copy_(torch.from_numpy(mean))
        model.speech_std.copy_(torch.from_numpy(np.sqrt(np.maximum(square - mean**2, 1e-6))))

    def _over_speakers(self, values: Iterable) -> np.ndarray:
        """The mean of one value per clip, all speakers counted equally."""
        return np.average(list(values), axis=0, weights=self.clip_weights)

    def batch(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        """speech float16 (B, L, T₅₀, D), reference (B, N, Z) and target (B, T₂₅, Z), zero-padded to the longest.

        speech_valid (B, T₅₀) and reference_valid (B, N) are False in the padding. silence (B, T₂₅), only if there are
        features of silence: degree of silence, 0 to 1.
        """
        speech, reference, target, silence = zip(*(self._sample(generator) for _ in range(size)), strict=True)
        padded, speech_valid = pad_sequences([features.transpose(0, 1) for features in speech])
        references, reference_valid = pad_sequences(reference)
        batch = {
            "speech": padded.transpose(1, 2),
            "speech_valid": speech_valid,
            "reference": references,
            "reference_valid": reference_valid,
            "target": pad_sequences(target)[0],
        }
        return batch if self.silence is None else batch | {"silence": pad_sequences(silence)[0]}

    def prepare(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The batch as it is."""
        return batch

    def _sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Speech (L, 2 T, D), reference (N, Z), target (T, Z) and degree of silence (T,) of one clip."""
        index = self.balance.draw(generator)
        clip = self.clips[index]
        total = min(len(clip.latents), self.target + MAX_REFERENCE)
        start = _below(len(clip.latents) - total + 1, generator)
        stop = start + max(1, total * self.target // (self.target + MAX_REFERENCE))
        speech = torch.from_numpy(np.array(clip.speech[:, 2 * start : 2 * stop]))
        target = torch.from_numpy(clip.latents[start:stop])
        reference = torch.from_numpy(clip.latents[_draw_references(len(clip.latents), start, stop, generator)])
        closed, degree = self.closed_mouths[index], torch.zeros(len(target))
        if self.augment:
            difference = torch.from_numpy(self.means[self.balance.draw(generator)] - self.means[index])
            reference, target, closed = as_other_face(reference, target, closed, difference, generator)
        if self.silence is not None:
            speech, target, degree = with_silence(speech, target, self.silence, closed, generator)
        return speech, reference, target, degree


@torch.inference_mode()
def _spoken(model: MotionNetwork, clip: ClipSequences) -> tuple[Tensor, Tensor]:
    """Audio (T₅₀, D) and movement (T₂₅, Z) of a clip, as they are in `MotionNetwork.filtered`."""
    audio = model.centred(model.standardised_sum(torch.from_numpy(clip.speech.astype(np.float32))[None]))
    latents = torch.from_numpy(clip.latents)[None]
    movement = (latents - model.face_at_rest(latents)[:, None]) / model.movement_scale(latents)
    return audio[0], movement[0]


def _draw_references(length: int, start: int, stop: int, generator: torch.Generator) -> np.ndarray:
    """Rising indices (N,) of latents outside the target from `start` to `stop`; half of the time only one."""
    others = torch.tensor([*range(start), *range(stop, length)])
    count = 1 if _below(2, generator) else 1 + _below(min(len(others), MAX_REFERENCE), generator)
    return others[torch.randperm(len(others), generator=generator)[:count].sort().values].numpy()


def _covariance(track: np.ndarray, latents: np.ndarray) -> np.ndarray:
    """Covariance (Z,) of a signal `track` (T,) with latents (T, Z)."""
    return (track - track.mean()) @ (latents - latents.mean(0)) / len(track)


def _moments(latents: np.ndarray) -> np.ndarray:
    """Covariance (Z, Z) of latents (T, Z)."""
    return np.cov(latents.T, bias=True)


def _diagonally(covariance: np.ndarray) -> np.ndarray:
    """A covariance (Z, Z) shrunk towards its diagonal, because it is estimated from a few dozen speakers."""
    return (1 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(np.diag(covariance) + 1e-6)


def _below(limit: int, generator: torch.Generator) -> int:
    return int(torch.randint(limit, (), generator=generator))
