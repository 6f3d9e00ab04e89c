"""Training of stage 1: presets, and the tasks for the training loop."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from dd_tools.diffdub import KIND
from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.distillation import DistillationLoss, spans_of
from dd_tools.diffdub.objective import MaskedDenoisingLoss
from dd_tools.diffdub.renderer import network_from
from dd_tools.diffdub.renderer_config import RendererConfig
from dd_tools.diffdub.renderer_data import RendererData
from dd_tools.diffdub.sampling import DDIM
from dd_tools.errors import UsageError
from dd_tools.formats.checkpoint import RENDERER, Checkpoint
from dd_tools.training.settings import TrainingSettings
from dd_tools.training.task import Preset, TrainingTask

PRESETS = {
    # The authors' sizes, and Adam at their constant rate. They start from the public Diff-AE FFHQ-256 weights (--init).
    # The paper states 4 epochs, but no steps or batch size.
    "paper": Preset(RendererConfig(), TrainingSettings(steps=400_000, batch_size=16, learning_rate=1e-4)),
    # A size that two CPU cores can train. It predicts v, not the noise as in the paper: after 4,000 samples, that was
    # worth 5.6 dB inside the mask.
    "small": Preset(
        RendererConfig(
            size=96,
            channels=40,
            multipliers=(1, 1, 2, 3),
            encoder_channels=32,
            encoder_multipliers=(1, 1, 2, 2, 4),
            attention_at=(12,),
            blocks=1,
            z_size=128,
            embedding_size=192,
            dropout=0.0,
            prediction="v",
            crop="face",
            mask="steady",
        ),
        TrainingSettings(steps=100_000, batch_size=16, learning_rate=2e-4, warmup=500, decay=0.3, ema=0.999),
    ),
    # For tests.
    "tiny": Preset(
        RendererConfig(
            size=32,
            channels=8,
            multipliers=(1, 2),
            encoder_channels=8,
            encoder_multipliers=(1, 2, 2),
            attention_at=(8,),
            blocks=1,
            z_size=16,
            embedding_size=32,
            dropout=0.0,
            crop="face",
            mask="steady",
        ),
        TrainingSettings(steps=20, batch_size=2, learning_rate=1e-3, ema=0.9),
    ),
}

# Settings for adapting trained weights to one speaker. `dd_tools.pipeline.adapt` sets the number of steps.
ADAPTATION = TrainingSettings(
    steps=1, batch_size=8, learning_rate=2e-5, warmup=50, decay=0.5, ema=0.999, save_every=10**9, log_every=20
)

# Settings for distillation. A student of all sizes starts close to its teacher.
DISTILLATION = TrainingSettings(
    steps=10_000, batch_size=16, learning_rate=1e-4, warmup=100, decay=0.5, ema=0.999, save_every=250
)

TRAINING_OPTIONS = ()


def new_network(config: RendererConfig) -> DiffusionAutoencoder:
    """An untrained network."""
    return DiffusionAutoencoder(config)


def renderer_task(
    network: DiffusionAutoencoder,
    clips: Sequence[Path],
    *,
    speakers: Mapping[str, str],
    augment: bool = True,
    keep_encoder: bool = False,
) -> TrainingTask:
    """Train `network` on clip files.

    speakers, augment: see `RendererData`. keep_encoder: see `MaskedDenoisingLoss`. Raises `UsageError` for a distilled
    network: this would not keep what it was distilled for.
    """
    if network.config.timesteps:
        raise UsageError("a distilled renderer cannot be trained further; train its teacher, and distill that")
    return TrainingTask(
        MaskedDenoisingLoss(network, keep_encoder=keep_encoder),
        RendererData(clips, network.config, speakers=speakers, augment=augment),
        Checkpoint(RENDERER, KIND, network.config.to_json()),
    )


def distillation_task(
    teacher: DiffusionAutoencoder,
    clips: Sequence[Path],
    *,
    num_steps: int,
    speakers: Mapping[str, str],
    augment: bool = True,
) -> TrainingTask:
    """Distill `teacher` into a renderer that paints in `num_steps`, on clip files.

    num_steps: see `spans_of`. speakers, augment: see `RendererData`.
    """
    spans = spans_of(teacher.config, num_steps)
    student = copy.deepcopy(teacher)
    student.config = replace(teacher.config, timesteps=tuple(span[0] for span in spans))
    return TrainingTask(
        DistillationLoss(student, teacher, spans),
        RendererData(clips, student.config, speakers=speakers, augment=augment),
        Checkpoint(RENDERER, KIND, student.config.to_json(), training={"solver": DDIM}),
    )


__all__ = [
    "ADAPTATION",
    "DISTILLATION",
    "KIND",
    "PRESETS",
    "TRAINING_OPTIONS",
    "distillation_task",
    "network_from",
    "new_network",
    "renderer_task",
]
