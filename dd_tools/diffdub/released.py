"""The authors' released networks as checkpoints, with the configuration that the shapes of their tensors imply."""

import re
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from dd_tools.diffdub import KIND
from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.motion_network import MotionConfig, MotionNetwork
from dd_tools.diffdub.renderer_config import RendererConfig
from dd_tools.diffdub.unet import IMAGE_CHANNELS
from dd_tools.formats.checkpoint import MOTION, Checkpoint, module_with
from dd_tools.formats.released import ReleasedCheckpoint, count_blocks

ATTENTION_SIZE = 16  # side of the smallest feature map with attention, in all released networks
FIRST_CONVOLUTION = "input_blocks.0.0.weight"
# A residual block that is not the first layer of its block ends a level of the up path.
_UPSAMPLING = re.compile(r"output_blocks\.\d+\.[1-9]\.in_layers\.0\.weight")


def convert(released: ReleasedCheckpoint, path: str | Path) -> tuple[Checkpoint, str, str]:
    """Convert a released network to a checkpoint.

    path: its file, for error messages. Returns the checkpoint and two descriptions: what follows from the shapes of
    the tensors, and what is assumed as in the authors' code. Raises `DataError` if the tensors do not fit each other;
    `LookupError`, `ArithmeticError`, `ValueError` or `UsageError` if too many are missing.
    """
    if released.stage == MOTION:
        config = motion_config(released.tensors)
        network = module_with(released.tensors, lambda: MotionNetwork(config), path)
        known = f"{config.speech_layers} layers of {config.speech_width} speech features, z of {config.z_size}"
        assumed = f"speech model {config.speech_model}, {config.cross_heads} heads of cross-attention"
    else:
        size = None if released.x_T is None else released.x_T.shape[-1]
        config = renderer_config(released.tensors, size)
        tensors = with_reference_channels(released.tensors)
        network = module_with(tensors, lambda: DiffusionAutoencoder(config), path)
        known = f"{config.size} px, z of {config.z_size}"
        assumed = f"crop {config.crop}, mask {config.mask}, the eyes' band in the face image"
    checkpoint = Checkpoint(released.stage, KIND, config.to_json(), network.state_dict())
    return checkpoint, known, assumed


def renderer_config(tensors: dict[str, Tensor], size: int | None = None) -> RendererConfig:
    """The configuration of a released renderer.

    size: side of the crop in pixels; None to derive it from the deepest level with attention.
    """
    levels = 1 + sum(_UPSAMPLING.fullmatch(name) is not None for name in tensors)
    level_blocks = count_blocks(tensors, "output_blocks.") // levels  # one more than `RendererConfig.blocks`
    with_attention = [
        level for level in range(levels) if f"input_blocks.{1 + level * level_blocks}.1.qkv.weight" in tensors
    ]
    if size is None:
        size = ATTENTION_SIZE * 2 ** with_attention[-1]
    encoder_levels = count_blocks(tensors, "encoder.input_blocks.") // level_blocks
    return replace(
        RendererConfig(),
        size=size,
        channels=len(tensors[FIRST_CONVOLUTION]),
        multipliers=_multipliers(tensors, "", levels, level_blocks),
        encoder_channels=len(tensors["encoder.input_blocks.0.0.weight"]),
        encoder_multipliers=_multipliers(tensors, "encoder.", encoder_levels, level_blocks),
        blocks=level_blocks - 1,
        attention_at=tuple(size >> level for level in with_attention),
        z_size=len(tensors["encoder.out.3.weight"]),
        embedding_size=len(tensors["time_embed.time_embed.2.weight"]),
    )


def with_reference_channels(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a renderer; a Diff-AE's first convolution gets zero weights for the channels of a reference image.

    The output of a Diff-AE then does not change until it is trained. The authors initialise these weights at random.
    """
    first = tensors[FIRST_CONVOLUTION]
    if first.shape[1] != IMAGE_CHANNELS:
        return tensors
    zeros = torch.zeros(len(first), IMAGE_CHANNELS, *first.shape[2:], dtype=first.dtype)
    return tensors | {FIRST_CONVOLUTION: torch.cat([first, zeros], dim=1)}


def motion_config(tensors: dict[str, Tensor]) -> MotionConfig:
    """The configuration of a released motion model."""
    width, speech_width, _ = tensors["down_sample_audio_nar.weight"].shape
    block = "coarse_decoder.encoders.0"
    return replace(
        MotionConfig(),
        speech_layers=len(tensors["weights"]),
        speech_width=speech_width,
        z_size=len(tensors["out_proj.weight"]),
        width=width,
        heads=len(tensors[f"{block}.self_attn.pos_bias_u"]),
        hidden=len(tensors[f"{block}.feed_forward.w_1.weight"]),
        kernel=tensors[f"{block}.conv_module.depthwise_conv.weight"].shape[2],
        reference_blocks=count_blocks(tensors, "reference_encoder.encoders."),
        speech_blocks=count_blocks(tensors, "speech_encoder.encoders."),
        decoder_blocks=count_blocks(tensors, "coarse_decoder.encoders."),
    )


def _multipliers(tensors: dict[str, Tensor], prefix: str, levels: int, level_blocks: int) -> tuple[int, ...]:
    """Channels of every level in units of the first convolution's."""
    first = len(tensors[f"{prefix}input_blocks.0.0.weight"])
    firsts = (f"{prefix}input_blocks.{1 + level * level_blocks}.0.in_layers.2.weight" for level in range(levels))
    widths = [len(tensors[name]) for name in firsts]
    return tuple(width // first for width in widths)
