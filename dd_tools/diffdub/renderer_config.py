"""Configuration of stage 1. It is read without torch."""

from dataclasses import dataclass
from itertools import pairwise

from dd_tools.errors import UsageError
from dd_tools.formats.clip import Framing
from dd_tools.nn.config import Config
from dd_tools.nn.levels import Levels

NUM_TIMESTEPS = 1000

# What the network predicts: the noise eps, as in the paper, or v = sqrt(alpha_bar) eps − sqrt(1 − alpha_bar) x0
# (Salimans & Ho 2022). Where noise is strong, the error of eps is amplified up to 157 times in the estimate of the
# image, and that of v is not.
PREDICTIONS = EPSILON, V = ("epsilon", "v")


@dataclass(frozen=True)
class RendererConfig(Config):
    """Sizes of the diffusion auto-encoder; the defaults are the authors' (168.5 M parameters).

    size: pixels of the square crop and of the face image.
    channels, multipliers: width of the U-Net's levels, see `Levels`.
    encoder_channels, encoder_multipliers: the same for the semantic encoder.
    blocks: residual blocks per level; the up path has one more.
    attention_at: sides of the feature maps with self-attention.
    z_size: width of the semantic latent.
    embedding_size: width of the time embedding.
    dropout: in the U-Net's residual blocks.
    prediction: what the U-Net predicts, see `PREDICTIONS`; the paper predicts epsilon.
    eyes: whether the face image holds the eyes' band (eye guidance; False is the ablation "w/o eye").
    crop, mask: framing and mask of the clips, values of dd-prep's --crop and --mask.
    timesteps: those of the DDIM steps that a distilled renderer paints in, descending; none if it was not distilled.
    """

    size: int = 256
    channels: int = 128
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4, 4)
    encoder_channels: int = 128
    encoder_multipliers: tuple[int, ...] = (1, 1, 2, 2, 4, 4, 4)
    blocks: int = 2
    attention_at: tuple[int, ...] = (16,)
    z_size: int = 512
    embedding_size: int = 512
    dropout: float = 0.1
    prediction: str = EPSILON
    eyes: bool = True
    crop: str = "head"
    mask: str = "paper"
    timesteps: tuple[int, ...] = ()

    def __post_init__(self):
        super().__post_init__()
        if self.prediction not in PREDICTIONS:
            raise UsageError(f"unknown prediction '{self.prediction}', expected {', '.join(PREDICTIONS)}")
        if any(t <= later for t, later in pairwise((NUM_TIMESTEPS, *self.timesteps))):
            raise UsageError(f"timesteps must descend from below {NUM_TIMESTEPS}, got {self.timesteps}")
        for name in ("multipliers", "encoder_multipliers"):
            divisor = 2 ** (len(getattr(self, name)) - 1)
            if self.size % divisor:
                raise UsageError(
                    f"renderer size {self.size} is not a multiple of {divisor}, which {name} {getattr(self, name)} need"
                )

    def to_json(self) -> dict:
        """See `Config.to_json`. Without timesteps, nothing is said of them, as by versions that could not distill."""
        values = super().to_json()
        return values if self.timesteps else {name: value for name, value in values.items() if name != "timesteps"}

    @classmethod
    def from_json(cls, values: dict) -> "RendererConfig":
        """See `Config.from_json`."""
        return super().from_json({"timesteps": []} | values)

    @property
    def framing(self) -> Framing:
        """The framing of the clips that the renderer takes."""
        return Framing(self.size, self.crop, self.mask)

    @property
    def unet_levels(self) -> Levels:
        """Sizes of the U-Net."""
        return Levels(self.size, self.channels, self.multipliers, self.blocks, self.attention_at)

    @property
    def encoder_levels(self) -> Levels:
        """Sizes of the semantic encoder."""
        return Levels(self.size, self.encoder_channels, self.encoder_multipliers, self.blocks, self.attention_at)
