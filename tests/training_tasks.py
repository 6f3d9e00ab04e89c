"""The real trainings of both kinds and stages, tiny, on made-up clips, for tests and their subprocesses."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from factories import dummy_clip, dummy_latents, dummy_lips, dummy_renderer, dummy_speech

from dd_tools.pipeline.training import set_up_distillation, set_up_motion_training, set_up_renderer_training
from dd_tools.training.sequences import ClipSequences
from dd_tools.training.settings import TrainingSettings
from dd_tools.training.task import TrainingTask

CPU = torch.device("cpu")
TASKS = ("tiny renderer", "tiny-warp renderer", "distilled renderer", "tiny motion model", "tiny-warp motion model")
STEPS = 5


def write_clips(folder: Path) -> None:
    """The clips that the renderers are trained on: a and b, of 6 frames."""
    for name in "ab":
        dummy_clip(folder / f"{name}.h5")


def dummy_task(name: str, folder: Path, **options: bool) -> tuple[TrainingTask, TrainingSettings]:
    """A new training of `TASKS` on the clips in `folder`: always the same start, 5 steps with warm-up and decay.

    options: of a renderer's training.
    """
    preset, _, stage = name.partition(" ")
    clips = [folder / "a.h5", folder / "b.h5"]
    if preset == "distilled":
        teacher = dummy_renderer(folder / "teacher.safetensors", prediction="v")
        task, settings = set_up_distillation(clips, teacher=teacher, steps_out=4)
        settings = replace(settings, batch_size=2, learning_rate=1e-3)
    elif stage == "renderer":
        task, settings = set_up_renderer_training(clips, preset=preset, **options)
    else:
        task, settings = set_up_motion_training([dummy_sequences(preset, clip) for clip in "ab"], preset=preset)
    return task, replace(settings, steps=STEPS, warmup=2, decay=0.4, save_every=2, log_every=1)


def dummy_sequences(preset: str, name: str) -> ClipSequences:
    """A clip of 26 latents for the motion model of a preset."""
    latents = dummy_lips(26, 66) if preset == "tiny-warp" else dummy_latents(26, seed=ord(name))
    return ClipSequences(name, latents, dummy_speech(26, seed=ord(name)))


class Watched:
    """The data of a task; calls `before` with the number of each batch, from 1, before it is drawn."""

    def __init__(self, data, before: Callable[[int], None]):
        self.data, self.before, self.calls = data, before, 0

    def batch(self, generator: torch.Generator, size: int) -> dict[str, torch.Tensor]:
        self.calls += 1
        self.before(self.calls)
        return self.data.batch(generator, size)

    def prepare(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return self.data.prepare(batch)
