"""Released motion models: the configuration that their tensors' shapes tell, and the model. Names are ours."""

from dataclasses import replace
from pathlib import Path

from torch import Tensor

from dd_tools.formats.checkpoint import module_with
from dd_tools.formats.reference_checkpoint import ReferenceCheckpoint, blocks_in
from dd_tools.motion.config import PRESETS, MotionConfig
from dd_tools.motion.model import MotionModel


def released_model(released: ReferenceCheckpoint, path: str | Path) -> MotionModel:
    """The motion model that a checkpoint holds; `path` is for the error message.

    Raises `DataError` if its tensors do not fit each other, `LookupError` or `ValueError` if too many are missing.
    """
    config = released_config(released.tensors)
    return module_with(released.tensors, lambda: MotionModel(config), path)


def known_and_assumed(config: MotionConfig) -> tuple[str, str]:
    """In words, what the shapes told and what they cannot tell, so that it is as in the paper."""
    known = f"{config.speech_layers} layers of {config.speech_width} speech features, z of {config.z_size}"
    return known, f"speech model {config.speech_model}, {config.cross_heads} heads of cross-attention"


def released_config(tensors: dict[str, Tensor]) -> MotionConfig:
    """The configuration of a released motion model."""
    width, speech_width, _ = tensors["downsample.weight"].shape
    block = "decoder.blocks.0"
    return replace(
        PRESETS["paper"],
        speech_layers=len(tensors["layer_weights"]),
        speech_width=speech_width,
        z_size=len(tensors["out_proj.weight"]),
        width=width,
        heads=len(tensors[f"{block}.self_attn.pos_bias_u"]),
        hidden=len(tensors[f"{block}.feed_forward.w_1.weight"]),
        kernel=tensors[f"{block}.conv_module.depthwise_conv.weight"].shape[2],
        reference_blocks=blocks_in(tensors, "reference_encoder.blocks."),
        speech_blocks=blocks_in(tensors, "speech_encoder.blocks."),
        decoder_blocks=blocks_in(tensors, "decoder.blocks."),
    )
