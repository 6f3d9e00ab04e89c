"""Options that several commands share, declared once."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from dd_tools import __version__


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{Path(sys.argv[0]).name} (dd_tools) {__version__}")
        raise typer.Exit


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
]
NoHistory = Annotated[
    bool, typer.Option("--no-history", help="Leave the history out of the output, for byte-stable files.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Skip outputs that are newer than their inputs.")]
Device = Annotated[
    str, typer.Option(metavar="auto|cpu|cuda|cuda:N|mps", help="Device to compute on; auto uses a GPU if there is one.")
]
Dtype = Annotated[
    str,
    typer.Option(
        metavar="auto|fp32|bf16|fp16", help="Floating-point format to compute in; auto is fp32, on a GPU bf16 to paint."
    ),
]
AudioChannel = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="The only channel of the audio to use.  [default: a mix of all]")
]
MAX_SEED = 2**63 - 1  # seeds are signed 64-bit integers for torch, and not negative for NumPy
Seed = Annotated[int, typer.Option(min=0, max=MAX_SEED, help="Random seed.")]
Expression = Annotated[
    float | None, typer.Option(min=0, max=5, help="Scale of the lip motion.  [default: the motion model's]")
]
