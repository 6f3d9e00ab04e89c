"""Training of stage 1: presets, and the task for the training loop."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from dd_tools.formats.checkpoint import RENDERER, Checkpoint
from dd_tools.training.settings import TrainingSettings
from dd_tools.training.task import Preset, TrainingTask
from dd_tools.warp import KIND
from dd_tools.warp.network import RendererConfig, WarpNetwork
from dd_tools.warp.renderer import network_from
from dd_tools.warp.renderer_data import RendererData
from dd_tools.warp.renderer_loss import Distance, PaintingLoss

PRESETS = {
    # The model that ships.
    "warp": Preset(
        RendererConfig(),
        TrainingSettings(steps=12_000, batch_size=16, learning_rate=5e-4, warmup=100, decay=0.4, ema=0.999),
    ),
    # For tests.
    "tiny-warp": Preset(
        RendererConfig(
            size=32,
            detail=1,
            patch=2,
            channels=8,
            multipliers=(1, 2),
            encoder_channels=8,
            encoder_multipliers=(1, 2),
            attention_at=(8,),
            references=2,
            z_size=66,
            refinement_channels=4,
        ),
        TrainingSettings(steps=20, batch_size=2, learning_rate=1e-3, ema=0.9),
    ),
}

# Settings for adapting trained weights to one speaker. The moving average is short, as one face is soon learnt.
# `dd_tools.pipeline.adapt` sets the number of steps.
ADAPTATION = TrainingSettings(
    steps=1, batch_size=8, learning_rate=2e-4, warmup=20, decay=0.5, ema=0.99, save_every=10**9, log_every=20
)

TRAINING_OPTIONS = ("perceptual",)


def new_network(config: RendererConfig) -> WarpNetwork:
    """An untrained network."""
    return WarpNetwork(config)


def renderer_task(
    network: WarpNetwork,
    clips: Sequence[Path],
    *,
    speakers: Mapping[str, str],
    augment: bool = True,
    keep_encoder: bool = False,
    perceptual: Path | None = None,
) -> TrainingTask:
    """Train `network` on clip files.

    speakers, augment: see `RendererData`. keep_encoder: see `PaintingLoss`. perceptual: weights file of the AlexNet
    trunk with which LPIPS is added to the loss; None to leave it out.
    """
    return TrainingTask(
        PaintingLoss(network, keep_encoder=keep_encoder, perceptual=_lpips(perceptual)),
        RendererData(clips, network.config, speakers=speakers, augment=augment),
        Checkpoint(RENDERER, KIND, network.config.to_json()),
    )


def _lpips(trunk: Path | None) -> Distance | None:
    if trunk is None:
        return None
    from dd_tools.nn.lpips import Lpips  # slow to import
    from dd_tools.nn.lpips_trunk import ALEX

    return Lpips(ALEX, trunk).between


__all__ = [
    "ADAPTATION",
    "KIND",
    "PRESETS",
    "TRAINING_OPTIONS",
    "network_from",
    "new_network",
    "renderer_task",
]
