"""Training of stage 2: presets, and the task for the training loop."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from dd_tools.diffdub import KIND
from dd_tools.diffdub.motion import network_from
from dd_tools.diffdub.motion_data import MotionData
from dd_tools.diffdub.motion_loss import LatentLoss
from dd_tools.diffdub.motion_network import MotionConfig, MotionNetwork
from dd_tools.formats.checkpoint import MOTION, Checkpoint
from dd_tools.reporting import SILENT, Reporter
from dd_tools.training.sequences import ClipSequences
from dd_tools.training.settings import TrainingSettings
from dd_tools.training.task import Preset, TrainingTask

PRESETS = {
    # The authors' sizes, and Adam at their constant rate. The paper states 100 epochs, but no steps or batch size.
    "paper": Preset(MotionConfig(), TrainingSettings(steps=100_000, batch_size=16, learning_rate=1e-4)),
    # For latents of a renderer of preset "small".
    "small": Preset(
        MotionConfig(
            speech_model="whisper",
            speech_layers=5,
            speech_width=385,
            z_size=128,
            width=128,
            cross_heads=4,
            hidden=256,
            reference_blocks=1,
            speech_blocks=2,
            decoder_blocks=2,
        ),
        TrainingSettings(steps=3000, batch_size=16, learning_rate=5e-4, warmup=100, decay=0.5, ema=0.998),
    ),
    # For tests.
    "tiny": Preset(
        MotionConfig(
            speech_model="mel",
            speech_layers=1,
            speech_width=80,
            z_size=16,
            width=16,
            cross_heads=2,
            hidden=16,
            kernel=5,
            reference_blocks=1,
            speech_blocks=1,
            decoder_blocks=1,
            dropout=0.0,
        ),
        TrainingSettings(steps=20, batch_size=2, learning_rate=1e-3, ema=0.9),
    ),
}


def configure(preset: MotionConfig, clip: ClipSequences, speech_model: str) -> MotionConfig:
    """The preset's configuration for the speech features and latents of `clip`, made with `speech_model`."""
    layers, width, z_size = clip.sizes
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

    speakers: clip name to speaker; speakers are drawn evenly. augment, is_new and report have no effect: the paper
    augments nothing in stage 2, and the network holds no statistics of the clips.
    """
    data = MotionData(clips, network.config, speakers)
    return TrainingTask(LatentLoss(network), data, Checkpoint(MOTION, KIND, network.config.to_json()))


__all__ = ["KIND", "PRESETS", "configure", "motion_task", "network_from", "new_network"]
