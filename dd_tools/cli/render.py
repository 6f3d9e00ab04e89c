"""dd-render: a clip and motion in, a dubbed video out."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.common import Device, Dtype, Seed, Session, console_command, one_of, torch_device
from dd_tools.errors import DataError, UsageError

ClipFile = Annotated[Path, typer.Argument(metavar="CLIP.h5", help="Paint the lower face of this clip.")]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="VIDEO", help="Write the video here; the suffix names the container.")
]
Latents = Annotated[
    str, typer.Option(metavar="MOTION.npy|-", help="Paint this motion, 25 latents a second; - is standard input.")
]
Audio = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Put this sound in the video, at its own rate and channels.")
]
RendererFile = Annotated[
    Path | None,
    typer.Option("--renderer", metavar="RENDERER.safetensors", help="Paint with this.  [default: the shipped one]"),
]
Source = Annotated[
    Path | None, typer.Option(metavar="VIDEO", help="Paste into this video.  [default: the one the clip was cut from]")
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, max=1000, help="Take so many DDIM steps.  [default: the renderer's own]"),
]
NoiseFile = Annotated[
    Path | None, typer.Option("--x-t", metavar="FILE.npy", help="Start from this noise (3, S, S), not the seed's.")
]
CropOnly = Annotated[bool, typer.Option("--crop-only", help="Write the square crop, not the full frame.")]
Frames = Annotated[str | None, typer.Option(metavar="A:B", help="Render frames A to B-1 only, without sound.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Paint so many frames at once.")]


def render(
    session: Session,
    clip_file: ClipFile,
    output: Output,
    latents: Latents,
    audio: Audio = None,
    renderer: RendererFile = None,
    source: Source = None,
    steps: Steps = None,
    seed: Seed = 0,
    x_t: NoiseFile = None,
    crop_only: CropOnly = False,
    frames: Frames = None,
    batch_size: BatchSize = 8,
    device: Device = "auto",
    dtype: Dtype = "fp32",
) -> None:
    """Paint motion latents into a clip with DDIM and write the video, sound included.

    Every frame starts from the same noise, drawn from --seed. Frames without a usable face pass through untouched.
    """
    from dd_tools.formats.arrays import read_array, read_latents
    from dd_tools.formats.atomic import check_output_path
    from dd_tools.formats.clip import Clip
    from dd_tools.media.audio import has_audio
    from dd_tools.media.encode import check_container
    from dd_tools.renderer.autoencoder import load_renderer
    from dd_tools.renderer.rendering import Painter, noise_from, shared_noise
    from dd_tools.renderer.video import find_source, write_dubbed
    from dd_tools.training.loop import DTYPES
    from dd_tools.weights import default_weights

    part = parse_range(frames)
    if frames and audio:
        raise UsageError("--frames renders a part without sound; add --audio when the parts are joined")
    one_of("dtype", dtype, DTYPES)
    check_output_path(output)
    check_container(output)
    motion = read_latents(latents)
    if audio and not has_audio(audio):
        raise DataError(f"cannot use '{audio}': it has no audio track")
    with Clip(clip_file) as clip:
        model = load_renderer(renderer or default_weights("renderer"))
        noise = noise_from(read_array(x_t, ("3", "S", "S"))) if x_t else shared_noise(clip.size, seed)
        painter = Painter(
            model, clip, noise, num_steps=steps, batch_size=batch_size, device=torch_device(device), dtype=DTYPES[dtype]
        )
        background = None if crop_only else find_source(clip, source)
        if output.resolve() in {path.resolve() for path in (clip_file, audio, background) if path}:
            raise UsageError(f"'{output}' is both input and output")
        write_dubbed(
            painter,
            motion,
            output,
            audio=audio,
            source=background,
            frames=part,
            progress=lambda steps, total: session.progress(steps, total, "rendering"),
        )


def parse_range(text: str | None) -> slice:
    """``A:B`` as a slice, either end optional. Raises `UsageError`."""
    if text is None:
        return slice(None)
    first, colon, last = text.partition(":")
    if not colon or not all(end == "" or end.isdigit() for end in (first, last)):
        raise UsageError(f"frames must be A:B with whole numbers, got '{text}'")
    return slice(int(first) if first else None, int(last) if last else None)


run = console_command("dd-render", render)
