"""Released renderers: the configuration that their tensors' shapes tell, and the model. Names are ours."""

import re
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from dd_tools.formats.checkpoint import module_with
from dd_tools.formats.reference_checkpoint import ReferenceCheckpoint, blocks_in
from dd_tools.renderer.autoencoder import Renderer
from dd_tools.renderer.config import PRESETS, RendererConfig
from dd_tools.renderer.networks import IMAGE_CHANNELS

ATTENTION_SIZE = 16  # the smallest feature map with attention, in all released networks
FIRST = "unet.input_blocks.0.0.weight"
# A residual block that is not the first layer of its block ends a level of the decoder.
UPSAMPLING = re.compile(r"unet\.output_blocks\.\d+\.[1-9]\.in_layers\.0\.weight")


def released_model(released: ReferenceCheckpoint, path: str | Path) -> Renderer:
    """The renderer that a checkpoint holds; `path` is for the error message.

    Raises `DataError` if its tensors do not fit each other, `LookupError` or `ArithmeticError` if too many are missing.
    """
    config = released_config(released.tensors, None if released.x_T is None else released.x_T.shape[-1])
    return module_with(with_reference_channels(released.tensors), lambda: Renderer(config), path)


def known_and_assumed(config: RendererConfig) -> tuple[str, str]:
    """In words, what the shapes told and what they cannot tell, so that it is as in the paper."""
    assumed = f"crop {config.crop}, mask {config.mask}, the eyes' band in the face image, {config.schedule} schedule"
    return f"{config.size} px, z of {config.z_size}", f"{assumed}, predicts {config.prediction}"


def released_config(tensors: dict[str, Tensor], size: int | None = None) -> RendererConfig:
    """The configuration of a released renderer.

    size: pixels, where they are known from elsewhere; otherwise they follow from the levels that have attention.
    """
    levels = 1 + sum(UPSAMPLING.fullmatch(name) is not None for name in tensors)
    rows = blocks_in(tensors, "unet.output_blocks.") // levels  # blocks of a level: its residual ones and one more
    attentive = [level for level in range(levels) if f"unet.input_blocks.{1 + level * rows}.1.qkv.weight" in tensors]
    if size is None:
        size = ATTENTION_SIZE * 2 ** attentive[-1]
    encoder_levels = blocks_in(tensors, "encoder.input_blocks.") // rows
    return replace(
        PRESETS["paper"],
        size=size,
        channels=len(tensors[FIRST]),
        multipliers=_multipliers(tensors, "unet", levels, rows),
        encoder_channels=len(tensors["encoder.input_blocks.0.0.weight"]),
        encoder_multipliers=_multipliers(tensors, "encoder", encoder_levels, rows),
        blocks=rows - 1,
        attention_at=tuple(size >> level for level in attentive),
        z_size=len(tensors["encoder.out.3.weight"]),
        embedding_size=len(tensors["unet.time_embed.2.weight"]),
    )


def with_reference_channels(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A Diff-AE's tensors, its first convolution widened by zeros to take a reference image and not see it.

    So its output stays what it was before training, where the authors leave the new channels at random.
    """
    first = tensors[FIRST]
    if first.shape[1] != IMAGE_CHANNELS:
        return tensors
    unseen = torch.zeros(len(first), IMAGE_CHANNELS, *first.shape[2:], dtype=first.dtype)
    return tensors | {FIRST: torch.cat([first, unseen], dim=1)}


def _multipliers(tensors: dict[str, Tensor], network: str, levels: int, rows: int) -> tuple[int, ...]:
    """Channels of every level in units of the first convolution's."""
    widths = [
        len(tensors[f"{network}.input_blocks.{1 + level * rows}.0.in_layers.2.weight"]) for level in range(levels)
    ]
    return tuple(width // len(tensors[f"{network}.input_blocks.0.0.weight"]) for width in widths)
