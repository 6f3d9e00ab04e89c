"""dd-import: the authors' released weights in, weights of these tools out."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.common import Session, console_command
from dd_tools.errors import DataError

Weights = Annotated[Path, typer.Argument(metavar="AUTHORS.ckpt", help="The released checkpoint.")]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="OUT.safetensors", help="Write the converted weights here.")
]


def import_(session: Session, weights: Weights, output: Output) -> None:
    """Convert released weights of the paper's authors. This version cannot do it yet: it says so and writes nothing."""
    raise DataError(f"cannot import '{weights}': importing released weights is not implemented in this version")


run = console_command("dd-import", import_)
