"""dd-dub: the whole chain in one process, a video or portrait and a voice in, a dubbed video out."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from dd_tools.cli.common import Device, Seed, Session, console_command, torch_device
from dd_tools.cli.prep import describe
from dd_tools.errors import UsageError

Video = Annotated[Path, typer.Argument(metavar="VIDEO|IMAGE", help="Dub the speaker of this video or portrait.")]
Audio = Annotated[Path, typer.Argument(metavar="AUDIO", help="Make them speak this: a sound file, or a video's sound.")]
Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="VIDEO", help="Write the video here; the suffix names the container.")
]
RendererFile = Annotated[
    Path | None,
    typer.Option("--renderer", metavar="RENDERER.safetensors", help="Paint with this.  [default: the shipped one]"),
]
MotionFile = Annotated[
    Path | None,
    typer.Option("--motion", metavar="MOTION.safetensors", help="Move with this.  [default: the shipped one]"),
]
References = Annotated[int, typer.Option(min=1, help="Show the motion model so many frames of the speaker.")]
Steps = Annotated[
    int | None,
    typer.Option(min=1, max=1000, help="Take so many DDIM steps.  [default: the renderer's own]"),
]
CropOnly = Annotated[bool, typer.Option("--crop-only", help="Write the square crop, not the full frame.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Paint so many frames at once.")]


def dub(
    session: Session,
    video: Video,
    audio: Audio,
    output: Output,
    renderer: RendererFile = None,
    motion: MotionFile = None,
    references: References = 75,
    steps: Steps = None,
    seed: Seed = 0,
    crop_only: CropOnly = False,
    batch_size: BatchSize = 8,
    device: Device = "auto",
) -> None:
    """Dub a video: prepare it, listen to the voice, generate motion, paint it, and write the result with the voice.

    The same as dd-prep, dd-audio, dd-encode, dd-generate and dd-render one after another. A video keeps its own length
    and the voice is cut or followed by silence; a portrait lasts as long as the voice.
    """
    from dd_tools.formats.atomic import check_output_path
    from dd_tools.formats.clip import Clip
    from dd_tools.media.audio import read_audio
    from dd_tools.media.encode import check_container
    from dd_tools.motion.model import load_motion_model
    from dd_tools.renderer.autoencoder import load_renderer
    from dd_tools.renderer.rendering import Painter, shared_noise
    from dd_tools.renderer.video import write_dubbed
    from dd_tools.speech.features import measure
    from dd_tools.speech.listening import check_level
    from dd_tools.weights import default_weights

    if output.resolve() in (video.resolve(), audio.resolve()):
        raise UsageError(f"'{output}' is both input and output")
    check_output_path(output)
    check_container(output)
    voice = read_audio(audio)
    check_level(measure([voice]), audio)
    place = torch_device(device)
    painting = load_renderer(renderer or default_weights("renderer"))
    moving = load_motion_model(motion or default_weights("motion"))
    if painting.config.z_size != moving.config.z_size:
        raise UsageError(
            f"renderer has latents of {painting.config.z_size} values, motion model of {moving.config.z_size}"
        )

    with tempfile.TemporaryDirectory(prefix="dd-dub-") as folder:
        clip_path = Path(folder) / "clip.h5"
        _prepare(session, video, clip_path, painting.config)
        with Clip(clip_path) as clip:
            latents = _motion(session, clip, voice, painting, moving, references, place)
            painter = Painter(
                painting, clip, shared_noise(clip.size, seed), num_steps=steps, batch_size=batch_size, device=place
            )
            write_dubbed(
                painter,
                latents,
                output,
                audio=audio,
                source=None if crop_only else video,
                progress=lambda painted, total: session.progress(painted, total, "rendering"),
            )


def _prepare(session: Session, video: Path, clip_path: Path, config) -> None:
    """Cut the speaker out as the renderer knows faces."""
    from dd_tools.face.landmarks import open_detector
    from dd_tools.face.preparation import PrepSettings, prepare_clip

    settings = PrepSettings(size=config.size, crop=config.crop, mask=config.mask)
    detector = open_detector("auto", say=session.say)
    report = prepare_clip(video, clip_path, settings, detector=detector, progress=session.progress)
    for line in describe(report, video):
        session.say(line)


def _motion(session: Session, clip, voice, painting, moving, references: int, device):
    """The latents (T, Z) of the voice on this face: as long as the video, with silence after the voice, or as the
    voice.
    """
    import numpy as np

    from dd_tools.media.audio import SAMPLE_RATE
    from dd_tools.motion.generation import check_fit, generate
    from dd_tools.renderer.encoding import encode_clip
    from dd_tools.speech.features import collapse, measure, open_speech_model

    if not clip.source.is_still:
        length = round((float(clip.pts[-1]) + 1 / clip.source.frame_rate) * SAMPLE_RATE)
        voice = np.pad(voice[:length], (0, max(0, length - len(voice))))
    speech_model = open_speech_model(moving.config.speech_model, device=str(device), message=session.say)
    layer_weights = moving.layer_weights.detach().cpu().numpy()
    pieces = [collapse(piece, layer_weights) for piece in speech_model.stream([voice], measure([voice]))]
    speech = np.concatenate(pieces, axis=1)
    reference = encode_clip(painting, clip, device=device)[:references]
    check_fit(
        moving.config,
        speech=speech,
        reference=reference,
        names=(speech_model.name, clip.source.name, "the motion model"),
    )
    return generate(moving, speech, reference, device=device)


run = console_command("dd-dub", dub)
