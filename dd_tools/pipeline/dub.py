"""Dubbing in one call: a video or portrait and driving audio to a dubbed video."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dd_tools.errors import UsageError
from dd_tools.formats.clip import Clip
from dd_tools.formats.parts import parts_folder
from dd_tools.formats.snapshot import Snapshot
from dd_tools.media.audio import SAMPLE_RATE
from dd_tools.pipeline.dub_settings import DubSettings
from dd_tools.pipeline.framing import framing_of
from dd_tools.pipeline.job_key import job_key
from dd_tools.pipeline.output import OutputSettings, check_target, plan_output, write_video
from dd_tools.pipeline.preparation import CLIP, Preparation
from dd_tools.pipeline.timing import SILENCE, STOP, video_end
from dd_tools.reporting import SILENT, Reporter
from dd_tools.speech.extraction import usable_level
from dd_tools.weights import default_weights

if TYPE_CHECKING:
    from dd_tools.pipeline.dubbing_models import DubbingModels

AUTO = "auto"
SPEECH = "speech.npy"  # file in the folder of a run
MAX_DIFFERENCE = 0.1  # seconds; audio and video that differ less in length count as equally long


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
        self._device = device

    @cached_property
    def _models(self) -> "DubbingModels":
        # torch, which this module imports, takes seconds, while the video can be prepared.
        from dd_tools.pipeline.dubbing_models import DubbingModels

        return DubbingModels(*self._weights, device=self._device, dtype=self._dtype)

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
        arithmetic = (self._batch_size, self._dtype, self._is_compiled)
        key = job_key((video, audio, *self._weights), (settings, arithmetic), self._device)
        preparation = settings.preparation(framing_of(self._weights[0]))
        with parts_folder(output, key, resume=resume, report=report) as folder:
            with Preparation(video, folder, preparation, report) as prepared:
                models = self._models
                models.check_options(settings)
                prepared.wait()
            with Clip(folder / CLIP) as clip:
                samples = _speech_samples(level.samples, clip, audio, settings.output, report)
                models.extract_speech(audio, settings.output.audio_channel, level, samples, folder / SPEECH, report)
                speaker = models.speaker(clip, folder, folder / SPEECH, settings, report)
                if self._is_compiled:
                    models.compile([speaker], self._batch_size, report)
                write_video(
                    [speaker], output, settings.output, folder, source=source, plan=plan, inputs=inputs,
                    batch_size=self._batch_size, report=report,
                )  # fmt: skip


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
