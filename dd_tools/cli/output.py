"""Options that dd-render and dd-dub share, which both write videos."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dd_tools.cli.options import MAX_SEED, AudioChannel, Device, Dtype
from dd_tools.errors import UsageError

if TYPE_CHECKING:
    from dd_tools.pipeline.output import OutputSettings

OUTPUT = typer.Option(
    "-o", "--output", metavar="VIDEO|%06d.png",
    help="Output video; the suffix selects the container. A pattern writes one PNG per frame.",
)  # fmt: skip
Output = Annotated[Path, OUTPUT]


@dataclass(frozen=True)
class OutputOptions:
    """How to paint one video, and how to time and encode it."""

    steps: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Sampling steps, for diffdub renderers.  [default: 20, distilled: its own]"),
    ] = None
    solver: Annotated[
        str | None,
        typer.Option(metavar="ddim|dpm-solver++|unipc", help="Sampler, for diffdub renderers.  [default: ddim]"),
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=MAX_SEED, help="Seed of the noise x_T, for diffdub renderers.  [default: 0]"),
    ] = None
    loop: Annotated[
        str,
        typer.Option(
            metavar="stop|hold|bounce",
            help="If the audio is longer: end with the video, hold its last frame, or play it back and forth.",
        ),
    ] = "stop"
    tail: Annotated[
        str,
        typer.Option(
            metavar="silence|source|cut",
            help="If the audio is shorter: let the mouth rest, leave the frames unchanged, or end with the audio.",
        ),
    ] = "silence"
    crop_only: Annotated[bool, typer.Option("--crop-only", help="Write the square crop instead of the full frame.")] = (
        False
    )
    codec: Annotated[
        str | None,
        typer.Option(metavar="h264|hevc|vp9|av1", help="Video codec of the output.  [default: the source's]"),
    ] = None
    quality: Annotated[
        int | None,
        typer.Option(metavar="0..63", help="Constant rate factor, smaller is better.  [default: the codec's]"),
    ] = None
    pixel_format: Annotated[
        str | None, typer.Option(metavar="yuv420p|...", help="Pixel format of the output.  [default: the source's]")
    ] = None
    lossless: Annotated[bool, typer.Option("--lossless", help="Encode without loss, in RGB.")] = False
    audio_channel: AudioChannel = None
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Container metadata to add; may be repeated.")
    ] = None

    def output_settings(self, frames: slice = slice(None)) -> "OutputSettings":
        """The options on timing and encoding. frames: range of the output frames to render."""
        from dd_tools.pipeline.output import OutputSettings

        return OutputSettings(
            frames,
            self.loop,
            self.tail,
            self.crop_only,
            self.codec,
            self.quality,
            self.pixel_format,
            self.lossless,
            parse_tags(self.metadata or ()),
            self.audio_channel,
        )


@dataclass(frozen=True)
class RunOptions:
    """What holds for a whole run: the renderer, how it computes, and whether an earlier run continues."""

    renderer: Annotated[
        Path | None,
        typer.Option(metavar="RENDERER.safetensors", help="Renderer weights.  [default: the shipped ones]"),
    ] = None
    resume: Annotated[bool, typer.Option("--resume", help="Continue a killed run.")] = False
    batch_size: Annotated[int, typer.Option(min=1, help="Frames per batch.")] = 8
    device: Device = "auto"
    dtype: Dtype = "auto"
    compile: Annotated[
        bool, typer.Option("--compile", help="Compile the renderer, which takes a minute, to paint faster.")
    ] = False


def parse_tags(pairs: Iterable[str]) -> dict[str, str]:
    """Parse texts ``KEY=VALUE``. Raises `UsageError` for any other text."""
    tags = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise UsageError(f"metadata must be KEY=VALUE, got '{pair}'")
        tags[key] = value
    return tags
