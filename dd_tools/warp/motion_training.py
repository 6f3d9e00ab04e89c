"""Training of stage 2: presets, and the task for the training loop."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.checkpoint import MOTION, Checkpoint
from dd_tools.reporting import SILENT, Reporter
from dd_tools.speech.registry import open_speech_model
from dd_tools.speech.silence import silence as silence_features
from dd_tools.training.sequences import ClipSequences
from dd_tools.training.settings import TrainingSettings
from dd_tools.training.task import Preset, TrainingTask
from dd_tools.warp import KIND
from dd_tools.warp.latents import end_in_landmarks
from dd_tools.warp.motion import network_from
from dd_tools.warp.motion_data import MotionData
from dd_tools.warp.motion_loss import MotionLoss
from dd_tools.warp.motion_network import MotionConfig, MotionNetwork

PRESETS = {
    # The model that ships. Wider conformers and longer trainings follow unseen speakers no better.
    "warp": Preset(
        MotionConfig(),
        TrainingSettings(steps=600, batch_size=16, learning_rate=1e-3, warmup=100, decay=0.5, ema=0.998),
    ),
    # For tests.
    "tiny-warp": Preset(
        MotionConfig(
            speech_model="mel",
            speech_layers=1,
            speech_width=80,
            z_size=66,
            width=16,
            cross_heads=2,
            hidden=16,
            kernel=5,
            dropout=0.0,
            window=50,
            members=1,
        ),
        TrainingSettings(steps=20, batch_size=2, learning_rate=1e-3, ema=0.9),
    ),
}


def configure(preset: MotionConfig, clip: ClipSequences, speech_model: str) -> MotionConfig:
    """The preset's configuration for the speech features and latents of `clip`, made with `speech_model`.

    Raises `UsageError` for latents without landmarks.
    """
    layers, width, z_size = clip.sizes
    if not end_in_landmarks(clip.latents):
        raise UsageError(
            f"latents of '{clip.name}' do not end in the landmarks of a frontal face: "
            "make them with a warp renderer, or choose another --preset"
        )
    return replace(preset, speech_model=speech_model, speech_layers=layers, speech_width=width, z_size=z_size)


def new_network(config: MotionConfig) -> MotionNetwork:
    """An untrained network."""
    return MotionNetwork(config)


def motion_task(
    network: MotionNetwork,
    clips: Sequence[ClipSequences],
    *,
    speakers: Mapping[str, str],
    augment: bool = True,
    is_new: bool = True,
    report: Reporter = SILENT,
) -> TrainingTask:
    """Train `network` on clips.

    speakers: see `MotionData`. augment: with other faces and with silence, see `motion_augmentation`. is_new: set the
    network's statistics to those of the clips. report: gets a message if there are no features of silence.
    """
    silence = _silence(network.config, report) if augment else None
    data = MotionData(clips, network.config, speakers, augment=augment, silence=silence)
    if is_new:
        data.fit_statistics(network)
    notes = {"silence": silence is not None}
    return TrainingTask(MotionLoss(network), data, Checkpoint(MOTION, KIND, network.config.to_json(), training=notes))


def _silence(config: MotionConfig, report: Reporter) -> np.ndarray | None:
    """Features (L, T, D) of silence. None, with a message, if the speech model cannot make them."""
    try:
        features = silence_features(open_speech_model(config.speech_model, report=report))
    except DataError as error:
        report.say(f"training without silence: {error}")
        return None
    if (len(features), features.shape[-1]) != (config.speech_layers, config.speech_width):
        report.say(f"training without silence: the speech features are not those of '{config.speech_model}'")
        return None
    return features


__all__ = ["KIND", "PRESETS", "configure", "motion_task", "network_from", "new_network"]
