"""Sizes and choices of the renderer, and the presets."""

from dataclasses import asdict, dataclass, fields

from dd_tools.errors import DataError, UsageError
from dd_tools.face.landmarks import REGION_VALUES
from dd_tools.formats.clip import Clip

PREDICTIONS = ("epsilon", "v", "x0")
SCHEDULES = ("linear", "cosine")
POOLS = ("mean", "flatten")


@dataclass(frozen=True)
class RendererConfig:
    """Everything needed to rebuild a renderer.

    size: pixels of the square crop and of the face image. patch: space-to-depth factor before the first and after
    the last convolution (1 = none). channels, multipliers: U-Net width of every level. encoder_channels,
    encoder_multipliers: the same for the semantic encoder. blocks: residual blocks a level (the decoder has one
    more). attention_at: feature-map sizes with self-attention. pool: how the encoder's last map becomes a vector;
    the ``mean`` over positions is the paper's, ``flatten`` keeps them apart, so a small encoder tells mouth shapes
    sooner. z_map: not in the paper; the latent is normalised over the training data where the U-Net is told it, and
    also enters the middle of the U-Net as a map of its own, so that a small budget of training suffices to make the
    mouth obey it. z_relative: nor this; the U-Net is told how the latent differs from those of its reference images, so
    that what a latent says about who it is cancels out, which few training speakers cannot teach to ignore. z_points:
    nor this; the last `REGION_VALUES` of the latent are the landmarks of chin and lips, whose detector has seen more
    faces than a small encoder will; in latents they are those of a face that looks straight ahead
    (`dd_tools.face.turning`), and the U-Net is told where they lie in its crop. references: images of the speaker that
    the U-Net sees (`dd_tools.renderer.references`); the authors use one. steps: of DDIM, where the user does not say.
    z_size: width of the semantic latent. embedding_size: of the time embedding.
    prediction: what the network predicts; the loss is measured on it. ``epsilon`` is the paper's. ``x0`` suits
    small networks, which need not carry noise through to their output. from_reference: the network bends the
    reference images along flows it predicts and blends them, and its output is the difference from that (with ``x0``);
    training starts from repeating the references. detail_channels: width of convolutions at half the picture's size
    that go over the result, 0 for none. schedule: of the noise; ``linear`` is Ho et al.'s, ``cosine`` ends at zero
    signal. eyes: whether the face image holds the eyes' band (the paper's eye guidance). crop, mask: the framing
    and painted region of the clips it knows, as dd-prep names them.
    """

    size: int = 256
    patch: int = 1
    channels: int = 128
    multipliers: tuple[int, ...] = (1, 1, 2, 2, 4, 4)
    encoder_channels: int = 128
    encoder_multipliers: tuple[int, ...] = (1, 1, 2, 2, 4, 4, 4)
    blocks: int = 2
    attention_at: tuple[int, ...] = (16,)
    pool: str = "mean"
    z_map: bool = False
    z_relative: bool = False
    z_points: bool = False
    references: int = 1
    z_size: int = 512
    steps: int = 20
    embedding_size: int = 512
    dropout: float = 0.1
    prediction: str = "epsilon"
    from_reference: bool = False
    detail_channels: int = 0
    schedule: str = "linear"
    eyes: bool = True
    crop: str = "face"
    mask: str = "steady"

    def __post_init__(self):
        for name in ("multipliers", "encoder_multipliers", "attention_at"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, multipliers in (("multipliers", self.multipliers), ("encoder_multipliers", self.encoder_multipliers)):
            divisor = self.patch * 2 ** (len(multipliers) - 1)
            if self.size % divisor:
                raise UsageError(
                    f"renderer size {self.size} is not a multiple of {divisor}, which {name} {multipliers} needs"
                )
        if self.prediction not in PREDICTIONS:
            raise UsageError(f"unknown prediction '{self.prediction}', expected one of {', '.join(PREDICTIONS)}")
        if self.pool not in POOLS:
            raise UsageError(f"unknown pool '{self.pool}', expected one of {', '.join(POOLS)}")
        if self.from_reference and self.prediction != "x0":
            raise UsageError(f"from_reference needs prediction 'x0', got '{self.prediction}'")
        if self.detail_channels and not (self.from_reference and self.patch > 1):
            raise UsageError("detail_channels need from_reference and a patch of 2 or more")
        if self.z_points and self.z_size <= REGION_VALUES:
            raise UsageError(f"z_size {self.z_size} leaves no room beside the {REGION_VALUES} values of z_points")
        if self.references < 1:
            raise UsageError(f"references must be at least 1, got {self.references}")
        if self.schedule not in SCHEDULES:
            raise UsageError(f"unknown schedule '{self.schedule}', expected one of {', '.join(SCHEDULES)}")

    @property
    def seen_size(self) -> int:
        """How many values of the latent the semantic encoder makes: all but the points."""
        return self.z_size - REGION_VALUES if self.z_points else self.z_size

    @property
    def compared(self) -> int:
        """How many latents, those of the references, a latent is compared with."""
        return self.references if self.z_relative else 0

    @property
    def condition_size(self) -> int:
        """How many values the U-Net is told: the latent, or its differences from those of all references."""
        return self.z_size * max(self.compared, 1)

    def check_fits(self, clip: Clip) -> None:
        """Raise `DataError` unless `clip` is framed as this renderer knows faces and has a usable frame."""
        wanted = {"size": self.size, "crop": self.crop, "mask": self.mask}
        found = {"size": clip.size, "crop": clip.settings.get("crop"), "mask": clip.settings.get("mask")}
        if wanted != found:
            options = " ".join(f"--{name} {value}" for name, value in wanted.items())
            seen = " ".join(f"--{name} {value}" for name, value in found.items())
            raise DataError(f"cannot use '{clip.path}': prepared with {seen}, the renderer takes {options}")
        if not len(clip.usable):
            raise DataError(f"cannot use '{clip.path}': no frame has a usable face")

    def to_json(self) -> dict:
        """Plain values for a checkpoint's metadata."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: dict) -> "RendererConfig":
        """The inverse of `to_json`. Raises `DataError` for settings this version does not know."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise DataError(f"renderer configuration has unknown settings: {', '.join(sorted(unknown))}")
        return cls(**values)


PRESETS = {
    # The authors' network: 168.5 M parameters.
    "paper": RendererConfig(crop="head", mask="paper"),
    # What ships: small enough to train and to run on two CPU cores.
    "default": RendererConfig(
        size=96,
        patch=4,
        channels=64,
        multipliers=(1, 2),
        encoder_channels=48,
        encoder_multipliers=(1, 2, 3),
        blocks=1,
        attention_at=(12,),
        pool="flatten",
        z_map=True,
        z_relative=True,
        z_points=True,
        references=4,
        z_size=128,
        steps=2,
        embedding_size=192,
        dropout=0.0,
        prediction="x0",
        from_reference=True,
        detail_channels=32,
        schedule="cosine",
    ),
    # For tests.
    "tiny": RendererConfig(
        size=32,
        patch=2,
        channels=8,
        multipliers=(1, 2),
        encoder_channels=8,
        encoder_multipliers=(1, 2),
        blocks=1,
        attention_at=(8,),
        pool="flatten",
        z_map=True,
        z_relative=True,
        z_size=16,
        embedding_size=32,
        dropout=0.0,
        prediction="v",
        schedule="cosine",
    ),
}
