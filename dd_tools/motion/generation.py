"""Voice and references to motion, of any length."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch

from dd_tools.errors import DataError
from dd_tools.motion.config import MotionConfig
from dd_tools.motion.model import MotionModel

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


@torch.inference_mode()
def generate(
    model: MotionModel,
    speech: np.ndarray,
    reference: np.ndarray,
    *,
    expression: float | None = None,
    device: torch.device | str = "cpu",
    progress: Callable[[range], Iterable[int]] = iter,
) -> np.ndarray:
    """Latents float32 (T25, Z) of a face that speaks: T25 = ⌈T50 / 2⌉.

    speech (L, T50, D): all layers of the model's speech features, or their weighted sum as L = 1. reference (N, Z): the
    speaker's latents, any number. expression: how many times as far as the model says the face moves from the mean of
    the whole motion; None for the model's own. A voice longer than the model's window goes in windows that overlap and
    are cross-faded; progress wraps their `window_starts`.
    """
    model = model.to(device).eval()
    if len(reference) == 1 and not model.config.residual:
        reference = np.repeat(reference, ONE_SHOT_REPEATS, axis=0)
    shown = torch.from_numpy(reference).to(device, torch.float32)[None]
    length, window = -(-speech.shape[1] // 2), model.config.window
    motion = np.zeros((length, model.config.z_size), np.float32)
    for start in progress(window_starts(length, window)):
        stop = min(start + window, length)
        heard = torch.from_numpy(np.array(speech[:, 2 * start : 2 * stop], np.float32)).to(device)[None]
        weights = fade(stop - start, overlap_of(window), rises=start > 0, falls=stop < length)
        motion[start:stop] += weights[:, None] * model(heard, shown)[0].cpu().numpy()
    expression = model.config.expression if expression is None else expression
    # Not about the references' mean: there the mouth is half open, and shut lips would be pushed through each other.
    mean = motion.mean(0)
    return (mean + expression * (motion - mean)).astype(np.float32) if expression != 1 else motion


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
