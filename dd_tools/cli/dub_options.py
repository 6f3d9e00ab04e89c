"""The options of dd-dub for one video, which are also the columns of its lists."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from dd_tools.cli.options import Expression
from dd_tools.cli.output import OutputOptions
from dd_tools.cli.prep import At, Deinterlace, Face, parse_point

if TYPE_CHECKING:
    from dd_tools.pipeline.dub_settings import DubSettings

References = Annotated[int, typer.Option(min=1, help="Largest number of reference latents.")]
Adapt = Annotated[
    float, typer.Option(min=0, metavar="MINUTES", help="Train the renderer on this speaker first, for this long.")
]


@dataclass(frozen=True)
class DubOptions(OutputOptions):
    """How to dub one video."""

    references: References = 75
    expression: Expression = None
    adapt: Adapt = 0
    face: Face = "prominent"
    at: At = None
    deinterlace: Deinterlace = False

    def dub_settings(self) -> "DubSettings":
        """All of them. Raises `UsageError` for unknown values and for options that do not fit each other."""
        from dd_tools.pipeline.dub_settings import DubSettings

        return DubSettings(
            references=self.references,
            expression=self.expression,
            adapt_minutes=self.adapt,
            face=self.face,
            at=parse_point(self.at),
            deinterlace=self.deinterlace,
            steps=self.steps,
            solver=self.solver,
            seed=self.seed,
            output=self.output_settings(),
        )
