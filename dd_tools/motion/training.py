"""Training data of stage 2, and its presets for the training loop."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.arrays import LATENT_RATE, SPEECH_RATE, read_latents, read_speech
from dd_tools.motion.augmentation import as_another_face, with_silence
from dd_tools.motion.config import MotionConfig
from dd_tools.motion.lips import at_rest, end_in_lips, lip_opening
from dd_tools.motion.model import MotionModel
from dd_tools.motion.padding import padded
from dd_tools.training.clips import SpeakerBalance
from dd_tools.training.settings import TrainingSettings

LONGEST_TARGET = 10 * LATENT_RATE  # latents
REFERENCE = 3 * LATENT_RATE
FAVOUR = 0.5  # power of a speaker's number of clips: of those who speak much there is more to learn
MOST_LATENTS_APART = 5  # 0.2 s: how much picture and sound of one clip may differ in length

TRAINING_PRESETS = {
    # The authors': Adam at a constant rate.
    "paper": TrainingSettings(steps=100_000, batch_size=16, learning_rate=1e-4),
    "default": TrainingSettings(steps=600, batch_size=16, learning_rate=1e-3, warmup=100, decay=0.5, ema=0.998),
    "tiny": TrainingSettings(steps=20, batch_size=2, learning_rate=1e-3, ema=0.9),
}


@dataclass(frozen=True)
class Pair:
    """One clip's latents float32 (T25, Z) and speech features (L, 2 T25, D) of equal duration, 25 latents a second."""

    name: str
    latents: np.ndarray
    speech: np.ndarray

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Speech layers, speech features, z."""
        return self.speech.shape[0], self.speech.shape[2], self.latents.shape[1]


def read_pair(latents: Path, speech: Path, delay: int = 0) -> Pair:
    """The two files of one clip, cut to the shorter. Raises `DataError` if they do not belong together.

    delay: how many latents the picture is late against the sound, which is undone.
    """
    motion, voice = read_latents(latents), read_speech(speech)
    if abs(len(motion) - voice.shape[1] / 2) > MOST_LATENTS_APART:
        raise DataError(
            f"'{latents}' lasts {len(motion) / LATENT_RATE:.2f} s and '{speech}' {voice.shape[1] / SPEECH_RATE:.2f} s: "
            "not the same clip"
        )
    motion, voice = motion[max(delay, 0) :], voice[:, 2 * max(-delay, 0) :]
    length = min(len(motion), voice.shape[1] // 2)
    if length < 2:
        raise DataError(f"'{latents}' is too short to train on: {length} latents, expected 2 or more")
    return Pair(latents.stem, motion[:length], voice[:, : 2 * length])


def read_pairs(latents: Sequence[Path], speech: Path, delays: dict[str, int] | None = None) -> list[Pair]:
    """Each latents file with the file of the same name in the folder `speech`; delays: `read_pair`'s, by clip name.

    Raises `DataError`, naming all that are missing.
    """
    missing = [path.stem for path in latents if not (speech / path.name).is_file()]
    if missing:
        raise DataError(
            f"no speech features in '{speech}' for {len(missing)} of {len(latents)} latents: {', '.join(missing)}"
        )
    return [read_pair(path, speech / path.name, (delays or {}).get(path.stem, 0)) for path in latents]


def fitted(config: MotionConfig, pair: Pair, speech_model: str | None) -> MotionConfig:
    """The configuration with the sizes of a clip at its ends, and without z_points for latents that have none;
    `speech_model` names what made the features.

    Without a name it is the configuration's, which must then be of the features' size. Raises `UsageError`.
    """
    layers, width, z_size = pair.sizes
    if speech_model is None and (layers, width) != (config.speech_layers, config.speech_width):
        raise UsageError(
            f"speech has {layers} layers of {width} features, {config.speech_model} makes {config.speech_layers} "
            f"of {config.speech_width}: name what made it with --speech-model"
        )
    name, points = speech_model or config.speech_model, config.z_points and end_in_lips(pair.latents)
    return replace(config, speech_model=name, speech_layers=layers, speech_width=width, z_size=z_size, z_points=points)


class MotionData:
    """Samples for `LatentError`: up to 10 s of a clip as target, the next 3 s as reference, as in the released code.

    Clips that are too short for that are divided in the same proportion, and padded. For a model with residuals the
    reference is up to as many latents from anywhere in the clip outside the target, half of the time a single one, so
    that it learns to do with any number.
    speakers: clip name to speaker, drawn the more often the more clips they have (`FAVOUR`). augment: see
    `as_another_face`. silence (L, T, D): what the speech model hears when nobody speaks, to teach a model with z_points
    to shut the mouth then (`with_silence`). Raises `DataError` for a clip that does not fit the model.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        config: MotionConfig,
        speakers: dict[str, str],
        *,
        augment: bool = False,
        silence: np.ndarray | None = None,
    ):
        self.pairs, self.any_reference, self.augment = list(pairs), config.residual, augment
        self.silence = None if silence is None else torch.from_numpy(silence)
        self.target = min(config.window, LONGEST_TARGET)
        names = [pair.name for pair in pairs]
        self.balance = SpeakerBalance(names, speakers, FAVOUR)
        self.even = SpeakerBalance(names, speakers).shares  # of each clip where all speakers count alike
        expected = config.speech_layers, config.speech_width, config.z_size
        for pair in self.pairs:
            if pair.sizes != expected:
                raise DataError(f"clip '{pair.name}' has {_words(pair.sizes)}, the model takes {_words(expected)}")

    @cached_property
    def means(self) -> np.ndarray:
        """The mean latent of every clip (clips, Z)."""
        return np.stack([pair.latents.mean(0) for pair in self.pairs])

    @cached_property
    def rests(self) -> Tensor:
        """Every clip's face with its mouth shut (clips, Z)."""
        return torch.stack([at_rest(torch.from_numpy(pair.latents)[None])[0] for pair in self.pairs])

    def fit(self, model: MotionModel) -> None:
        """Tell a new model with residuals the mean and deviation of the latents and how lips open and shut.

        Of lips every speaker counts alike, as it is about people. Of latents every clip does: among few speakers, the
        unit would else be how much these differ, which is more than they move.
        """
        mean = self.means.mean(0)
        square = np.mean([np.square(pair.latents).mean(0) for pair in self.pairs], axis=0)
        model.latent_mean.copy_(torch.from_numpy(mean))
        model.latent_deviation.copy_(torch.from_numpy(np.sqrt(np.maximum(square - mean**2, 1e-6))))
        if model.config.z_points:
            openings = [lip_opening(torch.from_numpy(pair.latents)).numpy() for pair in self.pairs]
            along = self._average(map(_covariance, openings, (pair.latents for pair in self.pairs)))
            variance = max(self._average(opening.var() for opening in openings), 1e-6)
            model.opening_mean.fill_(self._average(opening.mean() for opening in openings))
            model.opening_deviation.fill_(variance**0.5)
            model.opening_way.copy_(torch.from_numpy(along / variance))

    def _average(self, values: Iterable) -> np.ndarray:
        """Over one value a clip, every speaker counted alike."""
        return np.average(list(values), axis=0, weights=self.even)

    def batch(self, generator: torch.Generator, size: int) -> dict[str, Tensor]:
        """`size` samples: speech float16 (B, L, T50, D), reference (B, N, Z), target (B, T25, Z) and, where silence is
        taught, how silent it is (B, T25), 0 to 1; zero-padded to the longest; speech_valid (B, T50) and reference_valid
        (B, N).
        """
        speech, reference, target, silent = zip(*(self._sample(generator) for _ in range(size)), strict=True)
        voices, speech_valid = padded([voice.transpose(0, 1) for voice in speech])
        references, reference_valid = padded(reference)
        batch = {
            "speech": voices.transpose(1, 2),
            "speech_valid": speech_valid,
            "reference": references,
            "reference_valid": reference_valid,
            "target": padded(target)[0],
        }
        return batch if self.silence is None else batch | {"silent": padded(silent)[0]}

    def _sample(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Speech (L, 2 T, D), reference (N, Z), target (T, Z) and where it is silent (T,) of one clip."""
        drawn = self.balance.draw(generator)
        pair = self.pairs[drawn]
        total = min(len(pair.latents), self.target + REFERENCE)
        target = max(1, total * self.target // (self.target + REFERENCE))
        start = _below(len(pair.latents) - total + 1, generator)
        middle = start + target
        shown = slice(middle, start + total)
        if self.any_reference:
            others = torch.tensor([*range(start), *range(middle, len(pair.latents))])
            count = 1 if _below(2, generator) else 1 + _below(min(len(others), REFERENCE), generator)
            shown = others[torch.randperm(len(others), generator=generator)[:count].sort().values].numpy()
        speech = torch.from_numpy(np.array(pair.speech[:, 2 * start : 2 * middle]))
        reference, target = map(torch.from_numpy, (pair.latents[shown], pair.latents[start:middle]))
        rest, silent = target.mean(0) if self.silence is None else self.rests[drawn], torch.zeros(len(target))
        if self.augment:
            difference = torch.from_numpy(self.means[self.balance.draw(generator)] - self.means[drawn])
            reference, target, rest = as_another_face(reference, target, rest, difference, generator)
        if self.silence is not None:
            speech, target, silent = with_silence(speech, target, self.silence, rest, generator)
        return speech, reference, target, silent


def _covariance(track: np.ndarray, latents: np.ndarray) -> np.ndarray:
    """(Z,) of a track (T,) with latents (T, Z)."""
    return (track - track.mean()) @ (latents - latents.mean(0)) / len(track)


def _words(sizes: tuple[int, int, int]) -> str:
    return "{} layers of {} speech features and latents of {}".format(*sizes)


def _below(limit: int, generator: torch.Generator) -> int:
    return int(torch.randint(limit, (), generator=generator))
