"""Sizes of the motion model, and the presets."""

from dataclasses import asdict, dataclass, fields

from dd_tools.errors import DataError, UsageError
from dd_tools.face.landmarks import REGION_VALUES
from dd_tools.speech.features import MODELS_WITH_LOUDNESS


@dataclass(frozen=True)
class MotionConfig:
    """Everything needed to rebuild a motion model.

    speech_model: name of the model whose features it hears; speech_layers, speech_width: their (L, T, D). z_size: of
    the latents. width: of all sequences inside. heads: of the conformers' attention. cross_heads: of the attention
    from voice to references. hidden: width of the feed-forwards. kernel: of the conformers' depthwise convolution
    (odd). reference_blocks, speech_blocks, decoder_blocks: conformer blocks. dropout: everywhere. residual: not in
    the paper; the voice is added to what the references answer, and the output is the difference from the mean
    reference, in units of how far this face moves (`MotionModel.reach`). Without it a single reference leaves the voice
    no say (attention to one key is constant), and identity must be learnt from hundreds of speakers rather than copied.
    z_points: latents end in the landmarks of chin and lips (see `RendererConfig`), so that the model knows how far this
    mouth opens and when it is shut; needs residual, and is not in the paper either.
    window: latents it makes at once; a longer voice goes in overlapping windows. expression: where the user does not
    say, see `generate`; without z_points above 1 makes up for the mean squared error, which has models move less than
    people do. following: also where the user does not say, 0 to below 1, see `generate`.
    """

    speech_model: str = "TencentGameMate/chinese-hubert-large"
    speech_layers: int = 25
    speech_width: int = 1024
    z_size: int = 512
    width: int = 512
    heads: int = 2
    cross_heads: int = 8
    hidden: int = 512
    kernel: int = 13
    reference_blocks: int = 2
    speech_blocks: int = 4
    decoder_blocks: int = 4
    dropout: float = 0.2
    residual: bool = False
    z_points: bool = False
    window: int = 1500
    expression: float = 1.0
    following: float = 0.0

    def __post_init__(self):
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is int and value < 1:
                raise UsageError(f"motion model {field.name.replace('_', ' ')} must be at least 1, got {value}")
        for name, heads in (("heads", self.heads), ("cross-attention heads", self.cross_heads)):
            if self.width % heads:
                raise UsageError(f"motion model width {self.width} is not a multiple of its {heads} {name}")
        if self.width % 2 or not self.kernel % 2:
            raise UsageError(f"motion model width must be even and kernel odd, got {self.width} and {self.kernel}")
        if self.z_points and not self.residual:
            raise UsageError("motion model z_points need residual")
        if self.z_points and self.z_size <= REGION_VALUES:
            raise UsageError(
                f"motion model z_points need latents of more than {REGION_VALUES} values, got {self.z_size}: "
                "the renderer that made them has none"
            )
        if not self.expression >= 0:
            raise UsageError(f"motion model expression must be 0 or more, got {self.expression}")
        if not 0 <= self.following < 1:
            raise UsageError(f"motion model following must be from 0 to below 1, got {self.following}")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"motion model dropout must be from 0 to below 1, got {self.dropout}")

    @property
    def hears_loudness(self) -> bool:
        """Whether the last of the speech features is the voice's loudness."""
        return self.speech_model in MODELS_WITH_LOUDNESS

    def to_json(self) -> dict:
        """Plain values for a checkpoint's metadata."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict) -> "MotionConfig":
        """The inverse of `to_json`. Raises `DataError` for settings this version does not know."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise DataError(f"motion model configuration has unknown settings: {', '.join(sorted(unknown))}")
        return cls(**values)


# The sizes at a preset's ends (speech, latents) are starting values: training takes them from its data.
PRESETS = {
    # The authors' network: 35.1 M parameters.
    "paper": MotionConfig(),
    # What ships: trains in minutes on a CPU. A larger one would memorise two dozen speakers.
    "default": MotionConfig(
        speech_model="moonshine",
        speech_layers=1,
        speech_width=289,
        z_size=128,
        width=64,
        heads=2,
        cross_heads=4,
        hidden=128,
        kernel=13,
        reference_blocks=1,
        speech_blocks=1,
        decoder_blocks=1,
        dropout=0.2,
        residual=True,
        z_points=True,
        window=125,
        following=0.6,
    ),
    # For tests.
    "tiny": MotionConfig(
        speech_model="mel",
        speech_layers=1,
        speech_width=80,
        z_size=16,
        width=16,
        heads=2,
        cross_heads=2,
        hidden=16,
        kernel=5,
        reference_blocks=1,
        speech_blocks=1,
        decoder_blocks=1,
        dropout=0.0,
        residual=True,
        window=50,
    ),
}
