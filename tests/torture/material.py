"""The inputs of all tasks, made once in a folder. `ALTERNATIVE` in it holds others under the same names."""

import os
import shutil
from pathlib import Path
from unittest import mock

import cv2
import ffmpeg
import numpy as np
import soundfile
from both_kinds import write_tiny_models
from commands import call
from factories import dummy_latents, dummy_lips, dummy_media, dummy_portrait, dummy_speech, dummy_trunk, dummy_voice
from own_clip import write_own_clip
from released import dummy_authors_checkpoint, dummy_small_motion, dummy_small_renderer

from torture.tasks import ENCODE, MEL, PREP, RESUME_DUB, RESUME_PREP, RESUME_TRAINING, Task

ALTERNATIVE = "alternative"


def make(folder: Path) -> None:
    """Write all inputs to `folder`, and others that differ in length and content to `ALTERNATIVE` in it."""
    _make(folder, frames=12, seconds=0.6)
    _make(folder / ALTERNATIVE, frames=9, seconds=0.5)


def interrupt(task: Task) -> None:
    """Run a task of `tasks.RESUMED` in the working folder, and interrupt it when it has something to resume from."""
    where, name = {
        RESUME_DUB: ("dd_tools.pipeline.output", "join"),
        RESUME_PREP: ("dd_tools.face.preparation", "write_clips"),
        RESUME_TRAINING: ("dd_tools.training.loop", "write_checkpoint"),
    }[task]
    with mock.patch(f"{where}.{name}", side_effect=KeyboardInterrupt):
        call(*task.line.split(), "-q")


def write_talk(path: Path, frames: int, audio: Path, **options: object) -> Path:
    """A video of the astronaut speaking, 240 px; the landmarks of its frames are in ``landmarks.npy`` beside it."""
    write_own_clip(path.parent, frames)
    (path.parent / "own.h5").unlink()
    own = path.parent / "own.mp4"
    dummy_media(path, ffmpeg.input(str(own)), ffmpeg.input(str(audio)), pix_fmt="yuv420p", **options)
    own.unlink()
    return path


def _make(folder: Path, frames: int, seconds: float) -> None:
    (folder / "out").mkdir(parents=True)
    _write_media(folder, frames, seconds)
    _write_models(folder, seed=frames)
    _write_training_data(folder, frames)
    before = Path.cwd()
    os.chdir(folder)
    for task in (PREP, MEL, ENCODE):
        outcome = call(*task.line.split(), "-q")
        assert outcome.status == 0, outcome
        (target,) = map(Path, task.targets)
        target.rename(target.name)
    for name in "ab":
        shutil.copy("clip.h5", f"clips/{name}.h5")
    os.chdir(before)


def _write_media(folder: Path, frames: int, seconds: float) -> None:
    speech = dummy_voice(folder / "speech.wav", seconds, loudness=0.2 * seconds)
    soundfile.write(folder / "speech.flac", *soundfile.read(speech))
    talk = write_talk(folder / "talk.mp4", frames, speech)
    dummy_media(folder / "talk.mkv", ffmpeg.input(str(talk)), **{"c:v": "libx264", "c:a": "flac"})
    portrait = cv2.imread(str(dummy_portrait(folder / "portrait.png")))
    for suffix in ("png", "jpg"):
        cv2.imwrite(str(folder / f"portrait.{suffix}"), portrait - portrait // frames)
    (folder / "pairs.tsv").write_text("generated\ttruth\ntalk.mp4\ttalk.mkv\n")


def _write_models(folder: Path, seed: int) -> None:
    for kind, names in (("warp", ("renderer", "motion")), ("diffdub", ("paper", "paper-motion"))):
        for path, name in zip(write_tiny_models(folder, kind), names, strict=True):
            path.rename(folder / f"{name}.safetensors")
    random = np.random.default_rng(seed)
    np.save(folder / "paper.npy", dummy_latents(12, 16, seed))
    np.save(folder / "noise.npy", random.standard_normal((3, 32, 32)).astype(np.float32))
    dummy_authors_checkpoint(folder / "stage1.ckpt", dummy_small_renderer())
    dummy_authors_checkpoint(folder / "stage2.ckpt", dummy_small_motion(), stage=2)
    dummy_trunk(folder / "trunk.pth")


def _write_training_data(folder: Path, frames: int) -> None:
    for name in ("clips", "latents", "speech"):
        (folder / name).mkdir()
    for seed, name in enumerate("ab"):
        np.save(folder / "latents" / f"{name}.npy", dummy_lips(20 + frames + seed, 66))
        np.save(folder / "speech" / f"{name}.npy", dummy_speech(20 + frames + seed, seed=seed))
    (folder / "speakers.tsv").write_text("a\tAnna\nb\tBert\n")
    (folder / "delays.tsv").write_text("a\t1\nb\t-2\n")
    (folder / "exclude.txt").write_text("b\n")
