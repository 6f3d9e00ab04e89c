"""dd-render: clips and motion in, a dubbed video out."""

from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.command import console_command
from dd_tools.cli.options import Device, Dtype, Seed, one_of
from dd_tools.cli.output import (
    BatchSize,
    Codec,
    CropOnly,
    Loop,
    Lossless,
    Metadata,
    Output,
    PixelFormat,
    Quality,
    RendererFile,
    Resume,
    Steps,
    Tail,
    parse_tags,
    write_result,
)
from dd_tools.cli.session import Session
from dd_tools.errors import DataError, UsageError
from dd_tools.formats.parts import file_stamp

ClipFiles = Annotated[
    list[Path],
    typer.Argument(metavar="CLIP.h5...", help="Paint the lower face of this clip, or of several of a video."),
]
Latents = Annotated[
    list[str],
    typer.Option(
        metavar="MOTION.npy|-", help="Paint this motion, 25 latents a second; once a clip. - is standard input."
    ),
]
Audio = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Put this sound in the video, at its own rate and channels.")
]
Source = Annotated[
    Path | None, typer.Option(metavar="VIDEO", help="Paste into this video.  [default: the one the clip was cut from]")
]
NoiseFile = Annotated[
    Path | None, typer.Option("--x-t", metavar="FILE.npy", help="Start from this noise (3, S, S), not the seed's.")
]
Frames = Annotated[str | None, typer.Option(metavar="A:B", help="Render frames A to B-1 only, without sound.")]


def render(
    session: Session,
    clip_files: ClipFiles,
    output: Output,
    latents: Latents,
    audio: Audio = None,
    renderer: RendererFile = None,
    source: Source = None,
    steps: Steps = None,
    seed: Seed = 0,
    x_t: NoiseFile = None,
    loop: Loop = "stop",
    tail: Tail = "silence",
    crop_only: CropOnly = False,
    frames: Frames = None,
    codec: Codec = None,
    quality: Quality = None,
    pixel_format: PixelFormat = None,
    lossless: Lossless = False,
    metadata: Metadata = None,
    resume: Resume = False,
    batch_size: BatchSize = 8,
    device: Device = "auto",
    dtype: Dtype = "fp32",
) -> None:
    """Paint motion latents into a clip with DDIM and write the video, sound included.

    Every frame starts from the same noise, drawn from --seed. Frames without a usable face pass through untouched.
    Several clips of one video, each with its own --latents, are pasted into one output. The file's metadata says that
    it was altered by AI.
    """
    from dd_tools.formats.arrays import read_array, read_latents
    from dd_tools.formats.clip import Clip
    from dd_tools.formats.parts import parts_folder
    from dd_tools.media.audio import has_audio
    from dd_tools.nn.device import open_device
    from dd_tools.renderer.autoencoder import load_renderer
    from dd_tools.renderer.rendering import Painter, noise_from, shared_noise
    from dd_tools.renderer.video import Speaker, Wanted, check_target, find_source
    from dd_tools.training.loop import DTYPES
    from dd_tools.weights import default_weights

    part = parse_range(frames)
    if frames and audio:
        raise UsageError("--frames renders a part without sound; add --audio when the parts are joined")
    one_of("dtype", dtype, DTYPES)
    if len(latents) != len(clip_files):
        raise UsageError(f"{len(clip_files)} clips need as many --latents, got {len(latents)}")
    check_target(output)
    motions = [read_latents(file) for file in latents]
    if audio and not has_audio(audio):
        raise DataError(f"cannot use '{audio}': it has no audio track")
    weights = renderer or default_weights("renderer")
    model, place = load_renderer(weights), open_device(device)
    noise = noise_from(read_array(x_t, ("3", "S", "S"))) if x_t else shared_noise(model.config.size, seed)
    with ExitStack() as stack:
        clips = [stack.enter_context(Clip(file)) for file in clip_files]
        speakers = [
            Speaker(
                Painter(model, clip, noise, num_steps=steps, batch_size=batch_size, device=place, dtype=DTYPES[dtype]),
                motion,
            )
            for clip, motion in zip(clips, motions, strict=True)
        ]
        background = None if crop_only else find_source(clips[0], source)
        if output.resolve() in {path.resolve() for path in (*clip_files, audio, background) if path}:
            raise UsageError(f"'{output}' is both input and output")
        wanted = Wanted(
            background, audio, part, loop, tail, codec, quality, pixel_format, lossless, parse_tags(metadata)
        )
        key = {
            "files": [file_stamp(path) for path in (*clip_files, weights, x_t)],
            "motion": [sha256(motion.tobytes()).hexdigest() for motion in motions],
            "settings": repr((wanted, steps, seed, batch_size, place, dtype)),
        }
        folder = stack.enter_context(parts_folder(output, key, resume=resume, report=session))
        write_result(session, speakers, output, wanted, folder)


def parse_range(text: str | None) -> slice:
    """``A:B`` as a slice, either end optional. Raises `UsageError`."""
    if text is None:
        return slice(None)
    first, colon, last = text.partition(":")
    if not colon or not all(end == "" or end.isdigit() for end in (first, last)):
        raise UsageError(f"frames must be A:B with whole numbers, got '{text}'")
    return slice(int(first) if first else None, int(last) if last else None)


run = console_command("dd-render", render)
