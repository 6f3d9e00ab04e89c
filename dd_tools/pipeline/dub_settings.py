"""How to dub one video."""

import math
from dataclasses import dataclass, field

from dd_tools.errors import UsageError
from dd_tools.face.settings import ALL, PROMINENT, PrepSettings
from dd_tools.formats.clip import Framing
from dd_tools.pipeline.output import OutputSettings


@dataclass(frozen=True)
class DubSettings:
    """How to dub one video.

    references: largest number of reference latents. expression: scale of the lip motion, of a warp motion model; None
    is its default. adapt_minutes: how long to train the renderer on this speaker first. face, at, deinterlace: see
    `PrepSettings`. steps, solver, seed: options of a diffdub renderer; None is its default. output: timing and
    encoding. Raises `UsageError` for unknown values, and for options that do not fit each other.
    """

    references: int = 75
    expression: float | None = None
    adapt_minutes: float = 0.0
    face: str = PROMINENT
    at: tuple[float, float] | None = None
    deinterlace: bool = False
    steps: int | None = None
    solver: str | None = None
    seed: int | None = None
    output: OutputSettings = field(default_factory=OutputSettings)

    def __post_init__(self) -> None:
        if self.face == ALL:
            raise UsageError("dd-dub dubs one face; for all, use dd-prep --face all and dd-render")
        for name, value in (("expression", self.expression or 0), ("adapt", self.adapt_minutes)):
            if not 0 <= value < math.inf:
                raise UsageError(f"{name} {value:g} is out of range, expected 0 or more")
        PrepSettings(face=self.face, at=self.at)  # which refuses what `preparation` would

    def preparation(self, framing: Framing) -> PrepSettings:
        """How to prepare the clip for a renderer of this framing."""
        return PrepSettings(
            framing.size, framing.crop, framing.mask, face=self.face, at=self.at, deinterlace=self.deinterlace
        )
