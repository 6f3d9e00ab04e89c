"""Sizes of a U-Net. Configurations have them, and are read without torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Levels:
    """Sizes of a U-Net, or of a semantic encoder.

    size: side of the first feature map.
    channels: width of the first level.
    multipliers: width of every level in units of `channels`; the side halves from level to level.
    blocks: residual blocks per level; the up path has one more.
    attention_at: sides of the feature maps that get self-attention.
    """

    size: int
    channels: int
    multipliers: tuple[int, ...]
    blocks: int
    attention_at: tuple[int, ...]
