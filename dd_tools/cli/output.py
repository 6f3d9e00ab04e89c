"""Options of the two commands that write videos, dd-render and dd-dub."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.errors import UsageError

Output = Annotated[
    Path,
    typer.Option(
        "-o", "--output", metavar="VIDEO|%06d.png",
        help="Output video; the suffix selects the container. A pattern writes one PNG per frame.",
    ),
]  # fmt: skip
CropOnly = Annotated[bool, typer.Option("--crop-only", help="Write the square crop instead of the full frame.")]
Loop = Annotated[
    str,
    typer.Option(
        metavar="stop|hold|bounce",
        help="If the audio is longer: end with the video, hold its last frame, or play it back and forth.",
    ),
]
Tail = Annotated[
    str,
    typer.Option(
        metavar="silence|source|cut",
        help="If the audio is shorter: keep the mouth silent, leave the frames unchanged, or end with the audio.",
    ),
]
Codec = Annotated[
    str | None, typer.Option(metavar="h264|hevc|vp9|av1", help="Video codec of the output.  [default: the source's]")
]
Quality = Annotated[
    int | None, typer.Option(metavar="0..63", help="Constant rate factor, smaller is better.  [default: the codec's]")
]
PixelFormat = Annotated[
    str | None, typer.Option(metavar="yuv420p|...", help="Pixel format of the output.  [default: the source's]")
]
Lossless = Annotated[bool, typer.Option("--lossless", help="Encode without loss, in RGB.")]
Metadata = Annotated[
    list[str] | None, typer.Option(metavar="KEY=VALUE", help="Container metadata to add; may be repeated.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue a killed run.")]
RendererFile = Annotated[
    Path | None,
    typer.Option("--renderer", metavar="RENDERER.safetensors", help="Renderer weights.  [default: the shipped ones]"),
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, max=1000, help="DDIM steps, for diffdub renderers.  [default: 20]"),
]
NoiseSeed = Annotated[
    int | None, typer.Option("--seed", help="Seed of the noise x_T, for diffdub renderers.  [default: 0]")
]
BatchSize = Annotated[int, typer.Option(min=1, help="Frames per batch.")]


def parse_tags(pairs: list[str] | None) -> dict[str, str]:
    """``KEY=VALUE`` texts as a dictionary. Raises `UsageError`."""
    tags = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise UsageError(f"metadata must be KEY=VALUE, got '{pair}'")
        tags[key] = value
    return tags
