"""Speech features and reference latents to motion."""

from collections.abc import Sequence

import numpy as np

from dd_tools.errors import DataError
from dd_tools.pipeline.interfaces import MotionModel
from dd_tools.pipeline.models import check_options
from dd_tools.reporting import Progress


def generate_motion(
    model: MotionModel,
    speech: np.ndarray,
    latents: np.ndarray,
    *,
    references: int = 75,
    names: Sequence[object] = ("the speech", "the latents", "the motion model"),
    progress: Progress = iter,
    **options: object,
) -> np.ndarray:
    """Motion for speech: latents float32 (⌈T / 2⌉, Z), 25 per second.

    speech (L or 1, T, D): features, 50 per second. latents (N, Z): those of the speaker, 25 per second, of which up to
    `references` are used. names: of speech, latents and model, for error messages. progress: wraps the starts of
    windows. options: of the model, such as expression; None is the model's default. Raises `DataError` if speech,
    latents and model do not fit each other, `UsageError` for an option that the model does not have.
    """
    reference = latents[model.choose_references(len(latents), references)]
    return generate_from(model, speech, reference, names=names, progress=progress, **options)


def generate_from(
    model: MotionModel,
    speech: np.ndarray,
    reference: np.ndarray,
    *,
    names: Sequence[object],
    progress: Progress = iter,
    **options: object,
) -> np.ndarray:
    """`generate_motion` with reference latents (N, Z) that are already chosen."""
    given = check_options("this motion model", model.generation_options, options)
    check_fit(model, speech, reference, names)
    return model.generate(speech, reference, progress=progress, **given)


def check_fit(model: MotionModel, speech: np.ndarray, reference: np.ndarray, names: Sequence[object]) -> None:
    """Raise `DataError` unless speech (L, T, D) and reference (N, Z) are what the model takes; L may also be 1."""
    (layers, _, width), z_size = speech.shape, reference.shape[1]
    speech_name, reference_name, model_name = names
    if width != model.speech_width or layers not in (1, model.speech_layers):
        raise DataError(
            f"'{speech_name}' holds {layers} layers of {width} features, '{model_name}' takes {model.speech_layers} of "
            f"{model.speech_width}: make it with dd-audio --model {model.speech_model}"
        )
    if z_size != model.z_size:
        raise DataError(
            f"'{reference_name}' holds latents of {z_size} values, '{model_name}' takes {model.z_size}: "
            "the renderer is not the one that the motion model was trained with"
        )
    if not model.accepts(reference):
        raise DataError(
            f"'{reference_name}' does not end in the landmarks of a frontal face, which '{model_name}' needs: "
            "make it anew with dd-encode"
        )
