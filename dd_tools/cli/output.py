"""What the two commands that write videos share: how the result shall be, and the writing."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.session import Session
from dd_tools.errors import UsageError

Output = Annotated[
    Path,
    typer.Option(
        "-o", "--output", metavar="VIDEO|%06d.png",
        help="Write the video here, its suffix names the container; or every frame as a PNG.",
    ),
]  # fmt: skip
CropOnly = Annotated[bool, typer.Option("--crop-only", help="Write the square crop, not the full frame.")]
Loop = Annotated[
    str,
    typer.Option(
        metavar="stop|hold|bounce",
        help="When the voice is longer: end with the video, hold its last frame, or play it back and forth.",
    ),
]
Tail = Annotated[
    str,
    typer.Option(
        metavar="silence|source|cut",
        help="When the voice is shorter: keep a silent mouth, leave the frames as they are, or end with the voice.",
    ),
]
Codec = Annotated[str | None, typer.Option(metavar="h264|hevc|vp9|av1", help="Encode so.  [default: as the source]")]
Quality = Annotated[
    int | None, typer.Option(metavar="0..63", help="Constant rate factor, smaller is better.  [default: the codec's]")
]
PixelFormat = Annotated[
    str | None, typer.Option(metavar="yuv420p|...", help="Store pixels so.  [default: as the source]")
]
Lossless = Annotated[bool, typer.Option("--lossless", help="Keep every pixel exactly, in RGB.")]
Metadata = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="Add to the file's metadata; may be repeated.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where a killed run was.")]
RendererFile = Annotated[
    Path | None,
    typer.Option("--renderer", metavar="RENDERER.safetensors", help="Paint with this.  [default: the shipped one]"),
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, max=1000, help="Take so many DDIM steps.  [default: the renderer's own]"),
]
BatchSize = Annotated[int, typer.Option(min=1, help="Paint so many frames at once.")]


def parse_tags(pairs: list[str] | None) -> dict[str, str]:
    """``KEY=VALUE`` texts as a dictionary. Raises `UsageError`."""
    tags = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise UsageError(f"metadata must be KEY=VALUE, got '{pair}'")
        tags[key] = value
    return tags


def write_result(session: Session, speakers, output: Path, wanted, folder: Path) -> None:
    """`write_dubbed` with progress on the screen."""
    from dd_tools.renderer.video import write_dubbed

    def progress(pictures, total: int):
        return session.progress(pictures, total, "rendering")

    write_dubbed(speakers, output, wanted, folder=folder, progress=progress)
