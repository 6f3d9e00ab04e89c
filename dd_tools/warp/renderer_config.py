"""Configuration of stage 1. It is read without torch."""

from dataclasses import dataclass

from dd_tools.errors import UsageError
from dd_tools.face.landmarks import REGION_VALUES as LANDMARK_VALUES
from dd_tools.formats.clip import Framing
from dd_tools.nn.config import Config
from dd_tools.nn.levels import Levels


@dataclass(frozen=True)
class RendererConfig(Config):
    """Sizes of the renderer; the defaults are those of the model that ships.

    size: side of the images that the network sees, in pixels.
    detail: side of the crops that it paints by default, as a multiple of `size`; any other multiple will do.
    patch: side of the pixel blocks that are folded into channels at the input (space to depth).
    channels, multipliers: width of the U-Net's levels, see `Levels`.
    encoder_channels, encoder_multipliers: the same for the semantic encoder.
    blocks: residual blocks per level; the up path has one more.
    attention_at: sides of the feature maps with self-attention.
    references: number of reference images.
    z_size: width of the latent, landmarks included.
    refinement_channels: width of the refinement convolutions.
    eyes: whether the face image holds the eyes' band.
    crop, mask: framing and mask of the clips, values of dd-prep's --crop and --mask.
    """

    size: int = 96
    detail: int = 2
    patch: int = 4
    channels: int = 64
    multipliers: tuple[int, ...] = (1, 2)
    encoder_channels: int = 48
    encoder_multipliers: tuple[int, ...] = (1, 2, 3)
    blocks: int = 1
    attention_at: tuple[int, ...] = (12,)
    references: int = 4
    z_size: int = 128
    refinement_channels: int = 32
    eyes: bool = True
    crop: str = "face"
    mask: str = "steady"

    def __post_init__(self):
        super().__post_init__()
        for name in ("multipliers", "encoder_multipliers"):
            divisor = self.patch * 2 ** (len(getattr(self, name)) - 1)
            if self.size % divisor:
                raise UsageError(
                    f"renderer size {self.size} is not a multiple of {divisor}, which {name} {getattr(self, name)} need"
                )
        if self.patch % 2:
            raise UsageError(f"renderer patch must be even, got {self.patch}")
        if self.z_size <= LANDMARK_VALUES:
            raise UsageError(f"z_size {self.z_size} leaves no room beside the {LANDMARK_VALUES} landmark values")

    @property
    def framing(self) -> Framing:
        """The framing of the clips that the renderer takes."""
        return Framing(self.size * self.detail, self.crop, self.mask, unit=self.size)

    @property
    def unet_levels(self) -> Levels:
        """Sizes of the U-Net."""
        return Levels(self.size // self.patch, self.channels, self.multipliers, self.blocks, self.attention_at)

    @property
    def encoder_levels(self) -> Levels:
        """Sizes of the semantic encoder."""
        return Levels(
            self.size // self.patch, self.encoder_channels, self.encoder_multipliers, self.blocks, self.attention_at
        )
