"""Dubbing in one call: a video or portrait and driving audio to a dubbed video."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from dd_tools.errors import UsageError
from dd_tools.face.detectors.registry import open_detector
from dd_tools.face.preparation import prepare_clip, report_lines
from dd_tools.face.recorded_detector import RecordedDetector
from dd_tools.face.settings import ALL, PROMINENT, PrepSettings
from dd_tools.formats.arrays import read_speech
from dd_tools.formats.clip import Clip, Framing
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
from dd_tools.speech.features import Level, SpeechModel
from dd_tools.speech.registry import open_speech_model
from dd_tools.weights import default_weights

CLIP, SPEECH, ADAPTED = "clip.h5", "speech.npy", "adapted.safetensors"  # files in the folder of a run
MAX_DIFFERENCE = 0.1  # seconds; audio and video that differ less in length count as equally long


@dataclass(frozen=True)
class DubSettings:
    """How to dub one video.

    references: largest number of reference latents. expression: scale of the lip motion, of a warp motion model; None
    is its default. adapt_minutes: how long to train the renderer on this speaker first. face, at, deinterlace: see
    `PrepSettings`. steps, solver, seed: options of a diffdub renderer; None is its default. output: timing and
    encoding. Raises `UsageError` for unknown values, and for options that do not fit each other.
    """

    references: int = 75
    expression: float | None = None
    adapt_minutes: float = 0.0
    face: str = PROMINENT
    at: tuple[float, float] | None = None
    deinterlace: bool = False
    steps: int | None = None
    solver: str | None = None
    seed: int | None = None
    output: OutputSettings = field(default_factory=OutputSettings)

    def __post_init__(self) -> None:
        if self.face == ALL:
            raise UsageError("dd-dub dubs one face; for all, use dd-prep --face all and dd-render")
        for name, value in (("expression", self.expression or 0), ("adapt", self.adapt_minutes)):
            if not 0 <= value < math.inf:
                raise UsageError(f"{name} {value:g} is out of range, expected 0 or more")
        PrepSettings(face=self.face, at=self.at)  # which refuses what `preparation` would

    def preparation(self, framing: Framing) -> PrepSettings:
        """How to prepare the clip for a renderer of this framing."""
        return PrepSettings(
            framing.size, framing.crop, framing.mask, face=self.face, at=self.at, deinterlace=self.deinterlace
        )


class Dubber:
    """Dubs videos one after another. Its models are loaded when the first video needs them, and kept.

    renderer, motion: weights files; None for those that ship. batch_size: frames painted at once, fewer if the memory
    is too small. device, dtype: see `open_device` and `choose_dtype`. compiled: whether to compile the renderer.
    """

    def __init__(
        self,
        renderer: Path | None = None,
        motion: Path | None = None,
        *,
        batch_size: int = 8,
        device: str = AUTO,
        dtype: str = AUTO,
        compiled: bool = False,
    ):
        self._weights = renderer or default_weights("renderer"), motion or default_weights("motion")
        self._batch_size, self._dtype, self._is_compiled = batch_size, dtype, compiled
        self._device_name = device
        self._speech_model: SpeechModel | None = None
        self._compiled: Renderer | None = None

    @cached_property
    def _device(self) -> torch.device:
        return open_device(self._device_name)

    @cached_property
    def _renderer(self) -> Renderer:
        return load_renderer(self._weights[0], self._device, self._dtype)

    @cached_property
    def _motion_model(self) -> MotionModel:
        model = load_motion_model(self._weights[1], self._device, self._dtype)
        if model.z_size != self._renderer.z_size:
            sizes = f"renderer has latents of {self._renderer.z_size} values, motion model of {model.z_size}"
            raise UsageError(sizes)
        return model

    def dub(
        self,
        video: Path,
        audio: Path,
        output: Path,
        settings: DubSettings,
        *,
        resume: bool = False,
        report: Reporter = SILENT,
    ) -> None:
        """Dub one video; see `dub`."""
        if output.resolve() in (video.resolve(), audio.resolve()):
            raise UsageError(f"'{output}' is both input and output")
        check_target(output)
        inputs, source = Snapshot(video, audio), None if settings.output.crop_only else video
        level = usable_level(audio, settings.output.audio_channel, report)
        plan = plan_output(output, settings.output, source=source, audio=audio, report=report)
        self._check_options(settings)
        arithmetic = (self._batch_size, self._device, self._dtype, self._is_compiled)
        key = job_key((video, audio, *self._weights), (settings, arithmetic), self._device)
        with parts_folder(output, key, resume=resume, report=report) as folder:
            _prepare(video, folder, settings.preparation(self._renderer.framing), report)
            model = self._adapted(folder, settings, report) if settings.adapt_minutes else self._renderer
            with Clip(folder / CLIP) as clip:
                samples = _speech_samples(level.samples, clip, audio, settings.output, report)
                self._extract_speech(audio, settings.output.audio_channel, level, samples, folder, report)
                latents = self._generate(clip, folder, model, settings)
                speaker = Speaker(
                    clip, latents, model, loop=settings.output.loop, tail=settings.output.tail, report=report,
                    **self._painting(settings),
                )  # fmt: skip
                if self._is_compiled and model is not self._compiled:
                    compile_renderer(model, [speaker], self._batch_size, report)
                    self._compiled = model
                write_video(
                    [speaker], output, settings.output, folder, source=source, plan=plan, inputs=inputs,
                    batch_size=self._batch_size, report=report,
                )  # fmt: skip

    def _check_options(self, settings: DubSettings) -> None:
        """Raise `UsageError` for options that the models do not have."""
        check_options("this motion model", self._motion_model.generation_options, {"expression": settings.expression})
        check_options("this renderer", self._renderer.painting_options, self._painting(settings))

    @staticmethod
    def _painting(settings: DubSettings) -> dict[str, object]:
        return {"steps": settings.steps, "solver": settings.solver, "seed": settings.seed}

    def _adapted(self, folder: Path, settings: DubSettings, report: Reporter) -> Renderer:
        """The renderer, trained on the clip unless an earlier run did so."""
        from dd_tools.pipeline.adapt import adapt  # training imports torchvision, a second and 150 MB

        output, minutes, seed = folder / ADAPTED, settings.adapt_minutes, settings.seed or 0
        if not is_finished(output):
            if not adapt(
                self._weights[0], folder / CLIP, output, minutes, device=self._device, seed=seed, resume=True,
                report=report,
            ):  # fmt: skip
                raise KeyboardInterrupt
            mark_finished(output)
        return load_renderer(output, self._device, self._dtype)

    def _extract_speech(
        self, audio: Path, channel: int | None, level: Level, samples: int, folder: Path, report: Reporter
    ) -> None:
        """Write speech features for the motion model to `SPEECH` in the folder, unless an earlier run did."""
        if is_finished(folder / SPEECH):
            return
        with computing(self._device, torch.float32):
            if self._speech_model is None:
                name = self._motion_model.speech_model
                self._speech_model = open_speech_model(name, device=str(self._device), report=report)
            write_features(
                self._speech_model, audio, folder / SPEECH, layer_weights=self._motion_model.layer_weights,
                level=level, samples=samples, channel=channel,
            )  # fmt: skip
        mark_finished(folder / SPEECH)

    def _generate(self, clip: Clip, folder: Path, renderer: Renderer, settings: DubSettings) -> np.ndarray:
        """Motion (T, Z) for the speech features in the folder."""
        model = self._motion_model
        speech = read_speech(folder / SPEECH)
        reference = encode_references(renderer, model, clip, settings.references)
        if not model.accepts(reference):
            ending = "the landmarks of a face"
            raise UsageError(f"the motion model takes latents that end in {ending}, the renderer's do not")
        names = model.speech_model, clip.source.name, "the motion model"
        return generate_from(model, speech, reference, names=names, expression=settings.expression)


def dub(
    video: str | Path,
    audio: str | Path,
    output: str | Path,
    *,
    renderer: Path | None = None,
    motion: Path | None = None,
    settings: OutputSettings | None = None,
    resume: bool = False,
    batch_size: int = 8,
    device: str = AUTO,
    dtype: str = AUTO,
    compiled: bool = False,
    report: Reporter = SILENT,
    **options: object,
) -> None:
    """Make the speaker of `video` (a video or a portrait) say what is said in `audio`, and write it to `output`.

    The frames are those of dd-prep, dd-audio, dd-encode, dd-generate and dd-render one after another, where dd-audio
    gets the video's ``--duration`` if the audio differs from it by more than `MAX_DIFFERENCE`.

    renderer, motion, batch_size, device, dtype, compiled: see `Dubber`, which dubs several videos faster. settings:
    timing and encoding of the output. options: the other fields of `DubSettings`. resume: continue a killed run. Raises
    `DataError` for files that cannot be used, `UsageError` for options that do not fit each other.
    """
    dubber = Dubber(renderer, motion, batch_size=batch_size, device=device, dtype=dtype, compiled=compiled)
    options = DubSettings(**options, output=settings or OutputSettings())
    dubber.dub(Path(video), Path(audio), Path(output), options, resume=resume, report=report)


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
