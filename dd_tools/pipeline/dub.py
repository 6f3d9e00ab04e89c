"""Dubbing in one call: a video or portrait and driving audio to a dubbed video."""

from pathlib import Path

import numpy as np
import torch

from dd_tools.errors import UsageError
from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.preparation import prepare_clip, report_lines
from dd_tools.face.recorded_detector import RecordedDetector
from dd_tools.face.settings import ALL, PROMINENT, PrepSettings
from dd_tools.formats.arrays import read_speech
from dd_tools.formats.clip import Clip
from dd_tools.formats.parts import is_finished, mark_finished, parts_folder
from dd_tools.formats.snapshot import Snapshot
from dd_tools.media.audio import SAMPLE_RATE
from dd_tools.nn.device import AUTO, computing, open_device
from dd_tools.pipeline.encode import encode_references
from dd_tools.pipeline.generate import generate_from
from dd_tools.pipeline.interfaces import MotionModel, Renderer
from dd_tools.pipeline.job_key import job_key
from dd_tools.pipeline.models import check_options, load_motion_model, load_renderer
from dd_tools.pipeline.output import OutputSettings, check_target, plan_output, write_video
from dd_tools.pipeline.painting import Speaker, compile_renderer
from dd_tools.pipeline.timing import SILENCE, STOP, video_end
from dd_tools.reporting import SILENT, Reporter
from dd_tools.speech.extraction import usable_level, write_features
from dd_tools.speech.features import Level
from dd_tools.speech.registry import open_speech_model
from dd_tools.weights import default_weights

CLIP, SPEECH, ADAPTED = "clip.h5", "speech.npy", "adapted.safetensors"  # files in the folder of a run
MAX_DIFFERENCE = 0.1  # seconds; audio and video that differ less in length count as equally long


def dub(
    video: str | Path,
    audio: str | Path,
    output: str | Path,
    *,
    renderer: Path | None = None,
    motion: Path | None = None,
    references: int = 75,
    expression: float | None = None,
    adapt_minutes: float = 0.0,
    face: str = PROMINENT,
    at: tuple[float, float] | None = None,
    deinterlace: bool = False,
    steps: int | None = None,
    solver: str | None = None,
    seed: int | None = None,
    settings: OutputSettings | None = None,
    resume: bool = False,
    batch_size: int = 8,
    device: str = AUTO,
    dtype: str = AUTO,
    compiled: bool = False,
    report: Reporter = SILENT,
) -> None:
    """Make the speaker of `video` (a video or a portrait) say what is said in `audio`, and write it to `output`.

    The frames are those of dd-prep, dd-audio, dd-encode, dd-generate and dd-render one after another, where dd-audio
    gets the video's ``--duration`` if the audio differs from it by more than `MAX_DIFFERENCE`.

    renderer, motion: weights files; None for those that ship. references: largest number of reference latents.
    expression: scale of the lip motion, of a warp motion model; None is its default. adapt_minutes: how long to train
    the renderer on this speaker first. face, at, deinterlace: see `PrepSettings`. steps, solver, seed: options of a
    diffdub renderer; None is its default. settings: timing and encoding of the output. resume: continue a killed run.
    batch_size: frames painted at once, fewer if the memory is too small. device, dtype: see `open_device` and
    `choose_dtype`. compiled: whether to compile the renderer. Raises `DataError` for files that cannot be used,
    `UsageError` for options that do not fit each other.
    """
    video, audio, output = Path(video), Path(audio), Path(output)
    settings = settings or OutputSettings()
    if face == ALL:
        raise UsageError("dd-dub dubs one face; for all, use dd-prep --face all and dd-render")
    if output.resolve() in (video.resolve(), audio.resolve()):
        raise UsageError(f"'{output}' is both input and output")
    check_target(output)
    inputs = Snapshot(video, audio)
    source = None if settings.crop_only else video
    level = usable_level(audio, settings.audio_channel, report)
    plan = plan_output(output, settings, source=source, audio=audio, report=report)
    torch_device = open_device(device)
    renderer, motion = renderer or default_weights("renderer"), motion or default_weights("motion")
    model, motion_model = load_renderer(renderer, torch_device, dtype), load_motion_model(motion, torch_device, dtype)
    if model.z_size != motion_model.z_size:
        raise UsageError(f"renderer has latents of {model.z_size} values, motion model of {motion_model.z_size}")
    generation = {"expression": expression}
    check_options("this motion model", motion_model.generation_options, generation)
    painting = {"steps": steps, "solver": solver, "seed": seed}
    check_options("this renderer", model.painting_options, painting)
    framing = model.framing
    prep = PrepSettings(framing.size, framing.crop, framing.mask, face=face, at=at, deinterlace=deinterlace)
    arithmetic = (batch_size, torch_device, dtype, compiled)
    options = (references, generation, adapt_minutes, prep, painting, arithmetic)
    key = job_key((video, audio, renderer, motion), (settings, options), torch_device)
    with parts_folder(output, key, resume=resume, report=report) as folder:
        _prepare(video, folder, prep, report)
        if adapt_minutes:
            model = _adapted(renderer, folder, adapt_minutes, seed or 0, torch_device, dtype, report)
        with Clip(folder / CLIP) as clip:
            samples = _speech_samples(level.samples, clip, audio, settings, report)
            _extract_speech(audio, settings.audio_channel, level, samples, folder, motion_model, torch_device, report)
            latents = _generate(clip, folder, model, motion_model, references, **generation)
            speaker = Speaker(clip, latents, model, loop=settings.loop, tail=settings.tail, report=report, **painting)
            if compiled:
                compile_renderer(model, [speaker], batch_size, report)
            write_video(
                [speaker], output, settings, folder, source=source, plan=plan, inputs=inputs, batch_size=batch_size,
                report=report,
            )  # fmt: skip


def _prepare(video: Path, folder: Path, settings: PrepSettings, report: Reporter) -> None:
    """Write the speaker's clip to `CLIP` in the folder, unless an earlier run did."""
    if is_finished(folder / CLIP):
        return
    detector = open_detector(report=report)
    with RecordedDetector(detector, folder / f"detections-{detector.name}-{detector.version}") as recorded:
        result = prepare_clip(video, folder / CLIP, settings, detector=recorded, report=report)
    mark_finished(folder / CLIP)
    for line in report_lines(result, video):
        report.say(line)


def _adapted(weights: Path, folder: Path, minutes: float, seed: int, device, dtype: str, report: Reporter) -> Renderer:
    """The renderer, trained on the clip unless an earlier run did so."""
    from dd_tools.pipeline.adapt import adapt  # training imports torchvision, a second and 150 MB

    output = folder / ADAPTED
    if not is_finished(output):
        if not adapt(weights, folder / CLIP, output, minutes, device=device, seed=seed, resume=True, report=report):
            raise KeyboardInterrupt
        mark_finished(output)
    return load_renderer(output, device, dtype)


def _speech_samples(samples: int, clip: Clip, audio: Path, settings: OutputSettings, report: Reporter) -> int:
    """Number of audio samples from which to extract features, as loop and tail require.

    If it is larger than `samples`, the length of the audio, silence is appended.
    """
    if clip.source.is_still:
        return samples
    length = round(video_end(clip) * SAMPLE_RATE)
    excess = (samples - length) / SAMPLE_RATE
    if abs(excess) <= MAX_DIFFERENCE:
        return samples
    if excess > 0 and settings.loop == STOP:
        report.say(f"'{audio}' is {excess:.1f} s longer than the video and is cut; use --loop hold or bounce")
        return length
    return max(samples, length) if settings.tail == SILENCE else samples


def _extract_speech(
    audio: Path,
    channel: int | None,
    level: Level,
    samples: int,
    folder: Path,
    model: MotionModel,
    device: torch.device,
    report: Reporter,
) -> None:
    """Write speech features for the motion model to `SPEECH` in the folder, unless an earlier run did."""
    if is_finished(folder / SPEECH):
        return
    with computing(device, torch.float32):
        speech_model = open_speech_model(model.speech_model, device=str(device), report=report)
        write_features(
            speech_model, audio, folder / SPEECH, layer_weights=model.layer_weights, level=level, samples=samples,
            channel=channel,
        )  # fmt: skip
    mark_finished(folder / SPEECH)


def _generate(
    clip: Clip, folder: Path, renderer: Renderer, model: MotionModel, references: int, **options: object
) -> np.ndarray:
    """Motion (T, Z) for the speech features in the folder."""
    speech = read_speech(folder / SPEECH)
    reference = encode_references(renderer, model, clip, references)
    if not model.accepts(reference):
        raise UsageError("the motion model takes latents that end in the landmarks of a face, the renderer's do not")
    names = model.speech_model, clip.source.name, "the motion model"
    return generate_from(model, speech, reference, names=names, **options)
