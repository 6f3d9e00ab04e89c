"""dd-dub: the whole chain in one process, a video or portrait and a voice in, a dubbed video out."""

from pathlib import Path
from typing import Annotated

import typer

from dd_tools import __version__
from dd_tools.cli.command import console_command
from dd_tools.cli.options import Device, Expression, FollowSyllables, Seed
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
from dd_tools.cli.prep import At, Face, parse_point
from dd_tools.cli.session import Session
from dd_tools.errors import UsageError
from dd_tools.formats.parts import file_stamp

Video = Annotated[Path, typer.Argument(metavar="VIDEO|IMAGE", help="Dub the speaker of this video or portrait.")]
Audio = Annotated[Path, typer.Argument(metavar="AUDIO", help="Make them speak this: a sound file, or a video's sound.")]
MotionFile = Annotated[
    Path | None,
    typer.Option("--motion", metavar="MOTION.safetensors", help="Move with this.  [default: the shipped one]"),
]
Adapt = Annotated[
    float, typer.Option(min=0, metavar="MINUTES", help="First train the renderer on this speaker for so long.")
]
References = Annotated[int, typer.Option(min=1, help="Show the motion model so many frames of the speaker.")]


def dub(
    session: Session,
    video: Video,
    audio: Audio,
    output: Output,
    renderer: RendererFile = None,
    motion: MotionFile = None,
    references: References = 75,
    expression: Expression = None,
    follow_syllables: FollowSyllables = None,
    adapt: Adapt = 0,
    face: Face = "prominent",
    at: At = None,
    steps: Steps = None,
    seed: Seed = 0,
    loop: Loop = "stop",
    tail: Tail = "silence",
    crop_only: CropOnly = False,
    codec: Codec = None,
    quality: Quality = None,
    pixel_format: PixelFormat = None,
    lossless: Lossless = False,
    metadata: Metadata = None,
    resume: Resume = False,
    batch_size: BatchSize = 8,
    device: Device = "auto",
) -> None:
    """Dub a video: prepare it, listen to the voice, generate motion, paint it, and write the result with the voice.

    The same as dd-prep, dd-audio, dd-encode, dd-generate and dd-render one after another. A video keeps its own length
    unless --loop or --tail say otherwise; a portrait lasts as long as the voice. The file's metadata says that it was
    altered by AI.
    """
    from dd_tools.formats.clip import Clip
    from dd_tools.formats.parts import parts_folder
    from dd_tools.motion.model import load_motion_model
    from dd_tools.nn.device import open_device
    from dd_tools.renderer.autoencoder import load_renderer
    from dd_tools.renderer.rendering import Painter, shared_noise
    from dd_tools.renderer.video import Speaker, Wanted, check_target
    from dd_tools.speech.extraction import usable_level
    from dd_tools.weights import default_weights

    if face == "all":
        raise UsageError("dd-dub gives a voice to one face; for all, use dd-prep --face all and dd-render")
    if output.resolve() in (video.resolve(), audio.resolve()):
        raise UsageError(f"'{output}' is both input and output")
    check_target(output)
    voice = usable_level(audio)
    place = open_device(device)
    weights = renderer or default_weights("renderer"), motion or default_weights("motion")
    painting, moving = load_renderer(weights[0]), load_motion_model(weights[1])
    _check_pair(painting.config, moving.config)
    wanted = Wanted(
        None if crop_only else video, audio, slice(None), loop, tail, codec, quality, pixel_format, lossless,
        parse_tags(metadata),
    )  # fmt: skip
    key = {
        "program": __version__,
        "files": [file_stamp(path) for path in (video, audio, *weights)],
        "settings": repr(
            (wanted, face, at, references, expression, follow_syllables, adapt, steps, seed, batch_size, place)
        ),
    }
    with parts_folder(output, key, resume=resume) as folder:
        if not (folder / "clip.h5").exists():
            _prepare(session, video, folder, painting.config, face, parse_point(at))
        if adapt:
            painting = _adapted(session, weights[0], folder, adapt, seed, place)
        with Clip(folder / "clip.h5") as clip:
            samples = _samples_heard(session, voice.samples, clip, audio, loop, tail)
            speech = folder / "speech.npy"
            if not speech.exists():
                _listen(session, audio, voice, samples, speech, moving, place)
            manner = {"expression": expression, "following": follow_syllables}
            latents = _motion(clip, speech, painting, moving, references, place, manner)
            painter = Painter(
                painting, clip, shared_noise(clip.size, seed), num_steps=steps, batch_size=batch_size, device=place
            )
            write_result(session, [Speaker(painter, latents)], output, wanted, folder)


def _check_pair(painting, moving) -> None:
    """Raise `UsageError` unless a renderer and a motion model of these configurations speak of the same latents."""
    if painting.z_size != moving.z_size:
        raise UsageError(f"renderer has latents of {painting.z_size} values, motion model of {moving.z_size}")
    if moving.z_points and not painting.z_points:
        raise UsageError("motion model wants latents that end in landmarks (z_points), the renderer's do not")


def _prepare(session: Session, video: Path, folder: Path, config, face: str, at) -> None:
    """Cut the speaker out as the renderer knows faces, to ``clip.h5`` in the `folder`."""
    from dd_tools.face.detectors.registry import open_detector
    from dd_tools.face.preparation import prepare_clip, report_lines
    from dd_tools.face.settings import PrepSettings
    from dd_tools.face.sightings import Sightings

    settings = PrepSettings(size=config.size, crop=config.crop, mask=config.mask, face=face, at=at)
    detector = open_detector("auto", report=session)
    with Sightings(detector, folder / f"sightings-{detector.name}-{detector.version}") as detector:
        report = prepare_clip(video, folder / "clip.h5", settings, detector=detector, report=session)
    for line in report_lines(report, video):
        session.say(line)


def _adapted(session: Session, weights: Path, folder: Path, minutes: float, seed: int, device):
    """The renderer after some training on the clip."""
    from dd_tools.renderer.adaptation import adapt
    from dd_tools.renderer.autoencoder import load_renderer

    output = folder / "adapted.safetensors"
    if not output.exists():
        if not adapt(weights, folder / "clip.h5", output, minutes, device=device, seed=seed, progress=session.training):
            raise KeyboardInterrupt
    return load_renderer(output)


def _samples_heard(session: Session, samples: int, clip, audio: Path, loop: str, tail: str) -> int:
    """How many of a voice's `samples` are heard, or more where silence follows, as `loop` and `tail` want it."""
    from dd_tools.media.audio import SAMPLE_RATE
    from dd_tools.renderer.timing import SILENCE, STOP

    if clip.source.is_still:
        return samples
    length = round((float(clip.pts[-1]) + 1 / clip.source.frame_rate) * SAMPLE_RATE)
    excess = (samples - length) / SAMPLE_RATE
    if excess > 0 and loop == STOP:
        if excess > 0.1:
            session.say(f"'{audio}' is {excess:.1f} s longer than the video and is cut; --loop hold or bounce goes on")
        return length
    return max(samples, length) if tail == SILENCE else samples


def _motion(clip, speech: Path, painting, moving, references: int, device, manner: dict[str, float | None]):
    """The latents (T, Z) of the voice whose features are in the file `speech`; manner: options of `generate`."""
    from dd_tools.formats.arrays import read_speech
    from dd_tools.motion.generation import check_fit, generate
    from dd_tools.renderer.encoding import encode_references

    features = read_speech(speech)
    reference = encode_references(painting, clip, references, anywhere=moving.config.residual, device=device)
    check_fit(
        moving.config,
        speech=features,
        reference=reference,
        names=(moving.config.speech_model, clip.source.name, "the motion model"),
    )
    return generate(moving, features, reference, device=device, **manner)


def _listen(session: Session, audio: Path, level, samples: int, target: Path, moving, device) -> None:
    """Write the speech features that the motion model hears in so many samples of a voice of `level` to `target`."""
    from dd_tools.speech.extraction import write_features
    from dd_tools.speech.registry import open_speech_model

    model = open_speech_model(moving.config.speech_model, device=str(device), report=session)
    weights = moving.layer_weights.detach().cpu().numpy()
    write_features(model, audio, target, layer_weights=weights, level=level, samples=samples)


run = console_command("dd-dub", dub)
