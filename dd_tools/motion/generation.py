"""Voice and references to motion, of any length."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from dd_tools.errors import DataError
from dd_tools.motion.config import MotionConfig
from dd_tools.motion.delivery import Delivery
from dd_tools.motion.lips import end_in_lips
from dd_tools.motion.model import MotionModel
from dd_tools.speech.loudness import amplitude

ONE_SHOT_REPEATS = 75  # how often the authors show a single reference


def check_fit(config: MotionConfig, *, speech: np.ndarray, reference: np.ndarray, names: Sequence) -> None:
    """Raise `DataError` unless speech (L, T50, D) and reference (N, Z) are what the model takes.

    L may also be 1: layers that were collapsed. names: of the files of speech, reference and model, for the message.
    """
    (layers, _, width), (_, z_size) = speech.shape, reference.shape
    of_speech, of_reference, of_model = names
    if width != config.speech_width or layers not in (1, config.speech_layers):
        raise DataError(
            f"'{of_speech}' holds {layers} layers of {width} features, '{of_model}' takes {config.speech_layers} of "
            f"{config.speech_width}: make it with dd-audio --model {config.speech_model}"
        )
    if z_size != config.z_size:
        raise DataError(
            f"'{of_reference}' holds latents of {z_size} values, '{of_model}' takes {config.z_size}: "
            "the renderer is not the one the motion model was trained with"
        )
    if config.z_points and not end_in_lips(reference):
        raise DataError(
            f"'{of_reference}' does not end in the landmarks of a frontal face, as '{of_model}' wants: "
            "make it anew with dd-encode"
        )


@torch.inference_mode()
def generate(
    model: MotionModel,
    speech: np.ndarray,
    reference: np.ndarray,
    *,
    expression: float | None = None,
    following: float | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[range], Iterable[int]] = iter,
) -> np.ndarray:
    """Latents float32 (T25, Z) of a face that speaks: T25 = ⌈T50 / 2⌉.

    speech (L, T50, D): all layers of the model's speech features, or their weighted sum as L = 1. reference (N, Z): the
    speaker's latents, any number. expression: how many times as far as the model says the face moves from its mean
    while it speaks; with z_points it says as far as in the references. following: the correlation, 0 to below 1, by
    which the mouth is at least to open with the syllables; 0 does nothing, and it needs z_points and features that tell
    loudness. None is the model's own. A voice longer than the model's window goes in windows that overlap and are
    cross-faded; progress wraps their `window_starts`.
    """
    model, config = model.to(device).eval(), model.config
    if len(reference) == 1 and not config.residual:
        reference = np.repeat(reference, ONE_SHOT_REPEATS, axis=0)
    shown = torch.from_numpy(reference).to(device, torch.float32)[None]
    way = model.opening_way.cpu().numpy() if config.z_points else None
    delivery = Delivery(*_in_windows(model, speech, shown, progress), way)
    if config.z_points:
        least = config.following if following is None else following
        if least and config.hears_loudness:
            delivery.follow(amplitude(speech[0, :, -1], len(delivery.voiced)), least)
        opening, reach = (float(value) for value in (model.usual_opening(shown), model.opening_reach(shown)))
        delivery.open_like(opening, reach, model.trust(len(reference)))
    return delivery.latents(config.expression if expression is None else expression)


def _in_windows(
    model: MotionModel, speech: np.ndarray, reference: Tensor, progress: Callable[[range], Iterable[int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Base (T, Z), movement (T, Z) and voiced (T, 1) of a `Motion` of any length."""
    length, window = -(-speech.shape[1] // 2), model.config.window
    base, movement, voiced = (np.zeros((length, size), np.float32) for size in (model.config.z_size,) * 2 + (1,))
    for start in progress(window_starts(length, window)):
        stop = min(start + window, length)
        heard = torch.from_numpy(np.array(speech[:, 2 * start : 2 * stop], np.float32)).to(reference.device)[None]
        weights = fade(stop - start, overlap_of(window), rises=start > 0, falls=stop < length)
        made = model.speak(heard, reference)
        for whole, part in ((base, made.base), (movement, made.movement), (voiced, made.voiced)):
            whole[start:stop] += weights[:, None] * part[0].cpu().numpy()
    return base, movement, voiced


def overlap_of(window: int) -> int:
    """How many latents neighbouring windows share: a fifth."""
    return window // 5


def window_starts(length: int, window: int) -> range:
    """Where windows begin, each but the first inside the one before; the last is longer than the overlap."""
    overlap = overlap_of(window)
    return range(0, max(length - overlap, 1), window - overlap)


def fade(length: int, overlap: int, *, rises: bool, falls: bool) -> np.ndarray:
    """Weights (length,) of one window: linear in the overlap with a neighbour, where those of both add up to 1."""
    weights = np.ones(length, np.float32)
    ramp = ((np.arange(overlap) + 0.5) / overlap).astype(np.float32)
    if rises:
        weights[:overlap] = ramp
    if falls:
        weights[length - overlap :] = 1 - ramp
    return weights
