"""The models of a dubbing run, and what it computes with them."""

from pathlib import Path

import torch

from dd_tools.errors import UsageError
from dd_tools.formats.arrays import read_speech
from dd_tools.formats.clip import Clip
from dd_tools.formats.parts import is_finished, mark_finished
from dd_tools.nn.device import computing, open_device
from dd_tools.pipeline.dub_settings import DubSettings
from dd_tools.pipeline.encode import encode_references
from dd_tools.pipeline.generate import generate_from
from dd_tools.pipeline.interfaces import MotionModel, Renderer
from dd_tools.pipeline.models import check_options, load_motion_model, load_renderer
from dd_tools.pipeline.painting import Speaker, compile_renderer
from dd_tools.pipeline.preparation import CLIP
from dd_tools.reporting import Reporter
from dd_tools.speech.extraction import write_features
from dd_tools.speech.features import Level, SpeechModel
from dd_tools.speech.registry import open_speech_model

ADAPTED = "adapted.safetensors"  # file in the folder of a run


class DubbingModels:
    """A renderer and a motion model that fit each other, and the speech model, which is opened when it is needed.

    Raises `DataError` for files that hold none, and `UsageError` for models that do not fit each other.
    """

    def __init__(self, renderer: Path, motion: Path, *, device: str, dtype: str):
        self._device, self._dtype, self._weights = open_device(device), dtype, renderer
        self._renderer: Renderer = load_renderer(renderer, self._device, dtype)
        self._motion: MotionModel = load_motion_model(motion, self._device, dtype)
        if self._motion.z_size != self._renderer.z_size:
            sizes = f"renderer has latents of {self._renderer.z_size} values, motion model of {self._motion.z_size}"
            raise UsageError(sizes)
        self._speech: SpeechModel | None = None
        self._current = self._renderer  # of the latest speaker
        self._compiled: Renderer | None = None

    def check_options(self, settings: DubSettings) -> None:
        """Raise `UsageError` for options that the models do not have."""
        check_options("this motion model", self._motion.generation_options, {"expression": settings.expression})
        check_options("this renderer", self._renderer.painting_options, _painting(settings))

    def extract_speech(
        self, audio: Path, channel: int | None, level: Level, samples: int, target: Path, report: Reporter
    ) -> None:
        """Write speech features for the motion model to `target`, unless an earlier run did."""
        if is_finished(target):
            return
        with computing(self._device, torch.float32):
            if self._speech is None:
                self._speech = open_speech_model(self._motion.speech_model, device=str(self._device), report=report)
            write_features(
                self._speech, audio, target, layer_weights=self._motion.layer_weights, level=level, samples=samples,
                channel=channel,
            )  # fmt: skip
        mark_finished(target)

    def speaker(self, clip: Clip, folder: Path, speech: Path, settings: DubSettings, report: Reporter) -> Speaker:
        """The clip with the motion for the features in the file `speech`. folder: of the run."""
        self._current = self._adapted(folder, settings, report) if settings.adapt_minutes else self._renderer
        latents = self._generate(clip, speech, settings)
        output = settings.output
        return Speaker(
            clip, latents, self._current, loop=output.loop, tail=output.tail, report=report, **_painting(settings)
        )

    def compile(self, speakers: list[Speaker], batch_size: int, report: Reporter) -> None:
        """Compile the renderer of `speakers`, unless it is compiled."""
        if self._current is not self._compiled:
            compile_renderer(self._current, speakers, batch_size, report)
            self._compiled = self._current

    def _adapted(self, folder: Path, settings: DubSettings, report: Reporter) -> Renderer:
        """The renderer, trained on the clip unless an earlier run did so."""
        from dd_tools.pipeline.adapt import adapt  # training imports torchvision, a second and 150 MB

        output, minutes, seed = folder / ADAPTED, settings.adapt_minutes, settings.seed or 0
        if not is_finished(output):
            if not adapt(
                self._weights, folder / CLIP, output, minutes, device=self._device, seed=seed, resume=True,
                report=report,
            ):  # fmt: skip
                raise KeyboardInterrupt
            mark_finished(output)
        return load_renderer(output, self._device, self._dtype)

    def _generate(self, clip: Clip, speech: Path, settings: DubSettings):
        """Motion (T, Z) for speech features."""
        model = self._motion
        reference = encode_references(self._current, model, clip, settings.references)
        if not model.accepts(reference):
            ending = "the landmarks of a face"
            raise UsageError(f"the motion model takes latents that end in {ending}, the renderer's do not")
        names = model.speech_model, clip.source.name, "the motion model"
        return generate_from(model, read_speech(speech), reference, names=names, expression=settings.expression)


def _painting(settings: DubSettings) -> dict[str, object]:
    return {"steps": settings.steps, "solver": settings.solver, "seed": settings.seed}
