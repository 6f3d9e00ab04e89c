"""Bad input to every command: one clear line that names it, exit status 1 or 2, and no output file."""

import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ffmpeg
import numpy as np
import pytest
import soundfile
from commands import call
from factories import (
    dummy_clip,
    dummy_media,
    dummy_motion_model,
    dummy_portrait,
    dummy_renderer,
    dummy_video,
    dummy_voice,
    dummy_warp_motion_model,
)  # fmt: skip
from released import dummy_authors_checkpoint, dummy_small_motion, dummy_small_renderer

DATA, USAGE = 1, 2
RENDERER = ("--renderer", "renderer.safetensors")
MODELS = "--renderer renderer.safetensors --motion motion.safetensors"
GENERATE = "dd-generate speech.npy --motion motion.safetensors --reference latents.npy -o out/motion.npy"
RENDER = "dd-render clip.h5 --renderer renderer.safetensors --crop-only --latents latents.npy -o out/video.mp4"

# Command line, exit status, text that the error message must contain.
CASES = [
    ("dd-prep missing.mp4 -o out/clip.h5", DATA, "missing.mp4"),
    ("dd-prep text.mp4 -o out/clip.h5", DATA, "text.mp4"),
    ("dd-prep empty.mp4 -o out/clip.h5", DATA, "empty.mp4"),
    ("dd-prep no-index.mp4 -o out/clip.h5", DATA, "no-index.mp4"),
    ("dd-prep speech.wav -o out/clip.h5", DATA, "speech.wav"),
    ("dd-prep grey.mp4 -o out/clip.h5", DATA, "no face found in 'grey.mp4'"),
    ("dd-prep grey.png -o out/clip.h5", DATA, "no face found in 'grey.png'"),
    ("dd-prep portrait.png -o nowhere/clip.h5", DATA, "nowhere"),
    ("dd-prep portrait.png -o text.mp4/clip.h5", DATA, "text.mp4"),
    ("dd-prep portrait.png -o UNWRITABLE/clip.h5", DATA, "UNWRITABLE/clip.h5"),
    ("dd-prep portrait.png -o portrait.png", USAGE, "portrait.png"),
    ("dd-prep portrait.png grey.png -o out/clip.h5", USAGE, "out/clip.h5"),
    ("dd-prep portrait.png -o out/clip.h5 --landmarks missing.npy", DATA, "missing.npy"),
    ("dd-prep portrait.png -o out/clip.h5 --landmarks nan.npy", DATA, "nan.npy"),
    ("dd-prep portrait.png -o out/clip.h5 --landmarks speech.npy", DATA, "speech.npy"),
    ("dd-prep portrait.png -o out/clip.h5 --size 0", USAGE, "size 0"),
    ("dd-prep portrait.png -o out/clip.h5 --crop nose", USAGE, "nose"),
    ("dd-prep portrait.png -o out/clip.h5 --fps fast", USAGE, "fast"),
    ("dd-prep portrait.png -o out/clip.h5 --at 10,nan", USAGE, "unknown point '10,nan', expected X,Y in pixels"),
    #
    ("dd-audio missing.wav --model mel -o out/speech.npy", DATA, "missing.wav"),
    ("dd-audio text.wav --model mel -o out/speech.npy", DATA, "text.wav"),
    ("dd-audio no-audio.mp4 --model mel -o out/speech.npy", DATA, "no-audio.mp4"),
    ("dd-audio no-samples.wav --model mel -o out/speech.npy", DATA, "no-samples.wav"),
    ("dd-audio silent.wav --model mel -o out/speech.npy", DATA, "silent.wav"),
    ("dd-audio short.wav --model mel -o out/speech.npy", DATA, "short.wav"),
    ("dd-audio speech.wav --model ./nobody -o out/speech.npy", DATA, "./nobody"),
    ("dd-audio speech.wav --model out -o out/speech.npy", DATA, "out"),
    ("dd-audio speech.wav --model mel -o nowhere/speech.npy", DATA, "nowhere"),
    ("dd-audio speech.wav --model mel -o UNWRITABLE/speech.npy", DATA, "UNWRITABLE/speech.npy"),
    ("dd-audio speech.wav --model mel -o speech.wav", USAGE, "speech.wav"),
    ("dd-audio speech.wav --model mel -o out/speech.npy --weights text.safetensors", DATA, "text.safetensors"),
    ("dd-audio speech.wav --model mel -o out/speech.npy --weights renderer.safetensors", DATA, "renderer.safetensors"),
    #
    ("dd-encode missing.h5 --renderer renderer.safetensors -o out/l.npy", DATA, "missing.h5"),
    ("dd-encode text.h5 --renderer renderer.safetensors -o out/l.npy", DATA, "text.h5"),
    ("dd-encode truncated.h5 --renderer renderer.safetensors -o out/l.npy", DATA, "truncated.h5"),
    ("dd-encode no-face.h5 --renderer renderer.safetensors -o out/l.npy", DATA, "no-face.h5"),
    ("dd-encode clip.h5 --renderer missing.safetensors -o out/l.npy", DATA, "missing.safetensors"),
    ("dd-encode clip.h5 --renderer text.safetensors -o out/l.npy", DATA, "text.safetensors"),
    ("dd-encode clip.h5 --renderer truncated.safetensors -o out/l.npy", DATA, "truncated.safetensors"),
    ("dd-encode clip.h5 --renderer motion.safetensors -o out/l.npy", DATA, "motion.safetensors"),
    ("dd-encode clip.h5 --renderer large.safetensors -o out/l.npy", DATA, "clip.h5"),
    ("dd-encode clip.h5 --renderer renderer.safetensors -o nowhere/l.npy", DATA, "nowhere"),
    ("dd-encode clip.h5 --renderer renderer.safetensors -o UNWRITABLE/l.npy", DATA, "UNWRITABLE/l.npy"),
    ("dd-encode clip.h5 --renderer renderer.safetensors -o clip.h5", USAGE, "clip.h5"),
    #
    (GENERATE.replace("speech.npy", "missing.npy"), DATA, "missing.npy"),
    (GENERATE.replace("speech.npy", "text.npy"), DATA, "text.npy"),
    (GENERATE.replace("speech.npy", "cut.npy"), DATA, "cut.npy"),
    (GENERATE.replace("speech.npy", "latents.npy", 1), DATA, "latents.npy"),
    (GENERATE.replace("speech.npy", "nan.npy"), DATA, "nan.npy"),
    (GENERATE.replace("speech.npy", "wide.npy"), DATA, "wide.npy"),
    (GENERATE.replace("latents.npy", "missing.npy"), DATA, "missing.npy"),
    (GENERATE.replace("latents.npy", "speech.npy"), DATA, "speech.npy"),
    (GENERATE.replace("latents.npy", "nan-latents.npy"), DATA, "nan-latents.npy"),
    (GENERATE.replace("latents.npy", "wide-latents.npy"), DATA, "wide-latents.npy"),
    (GENERATE.replace("motion.safetensors", "text.safetensors"), DATA, "text.safetensors"),
    (GENERATE.replace("motion.safetensors", "renderer.safetensors"), DATA, "renderer.safetensors"),
    (GENERATE.replace("out/motion.npy", "nowhere/motion.npy"), DATA, "nowhere"),
    (GENERATE.replace("out/motion.npy", "UNWRITABLE/motion.npy"), DATA, "UNWRITABLE/motion.npy"),
    (GENERATE.replace("out/motion.npy", "speech.npy"), USAGE, "speech.npy"),
    (GENERATE.replace("out/motion.npy", "latents.npy"), USAGE, "latents.npy"),
    #
    (RENDER.replace("clip.h5", "missing.h5"), DATA, "missing.h5"),
    (RENDER.replace("clip.h5", "text.h5"), DATA, "text.h5"),
    (RENDER.replace("clip.h5", "truncated.h5"), DATA, "truncated.h5"),
    (RENDER.replace("clip.h5", "no-face.h5"), DATA, "no-face.h5"),
    (RENDER.replace("--crop-only", ""), DATA, "dummy.mp4"),
    (RENDER.replace("--crop-only", "--source grey.mp4"), DATA, "grey.mp4"),
    (RENDER.replace("latents.npy", "missing.npy"), DATA, "missing.npy"),
    (RENDER.replace("latents.npy", "speech.npy"), DATA, "speech.npy"),
    (RENDER.replace("latents.npy", "nan-latents.npy"), DATA, "nan-latents.npy"),
    (RENDER.replace("latents.npy", "wide-latents.npy"), DATA, "latents have 17 values"),
    (RENDER.replace("renderer.safetensors", "text.safetensors"), DATA, "text.safetensors"),
    (RENDER.replace("renderer.safetensors", "motion.safetensors"), DATA, "motion.safetensors"),
    (RENDER.replace("renderer.safetensors", "large.safetensors"), DATA, "clip.h5"),
    (f"{RENDER} --audio missing.wav", DATA, "missing.wav"),
    (f"{RENDER} --audio text.wav", DATA, "text.wav"),
    (f"{RENDER} --audio no-audio.mp4", DATA, "no-audio.mp4"),
    (f"{RENDER} --x-t nan.npy", DATA, "nan.npy"),
    (f"{RENDER} --steps 0", USAGE, "steps"),
    (f"{RENDER} --frames 5", USAGE, "frames"),
    (f"{RENDER} --frames 900:", DATA, "clip.h5"),
    (RENDER.replace("out/video.mp4", "out/video.txt"), DATA, "out/video.txt"),
    (RENDER.replace("out/video.mp4", "nowhere/video.mp4"), DATA, "nowhere"),
    (RENDER.replace("out/video.mp4", "UNWRITABLE/video.mp4"), DATA, "UNWRITABLE/video.mp4"),
    (RENDER.replace("out/video.mp4", "out"), DATA, "out"),
    (f"{RENDER.replace('out/video.mp4', 'video.mp4')} --audio video.mp4", USAGE, "video.mp4"),
    #
    ("dd-eval missing.mp4 --truth video.mp4", DATA, "missing.mp4"),
    ("dd-eval video.mp4 --truth missing.mp4", DATA, "missing.mp4"),
    ("dd-eval out --truth video.mp4", DATA, "out"),
    ("dd-eval video.mp4 grey.mp4 --truth no-audio.mp4", USAGE, "2 generated but 1 true"),
    ("dd-eval video.mp4 --truth video.mp4 --json nowhere/r.json", DATA, "nowhere"),
    ("dd-eval video.mp4 --truth video.mp4 --csv video.mp4", USAGE, "video.mp4"),
    ("dd-eval video.mp4 --truth video.mp4 --region nose", USAGE, "nose"),
    #
    (f"dd-dub missing.mp4 speech.wav {MODELS} -o out/video.mp4", DATA, "missing.mp4"),
    (f"dd-dub text.mp4 speech.wav {MODELS} -o out/video.mp4", DATA, "text.mp4"),
    (f"dd-dub grey.mp4 speech.wav {MODELS} -o out/video.mp4", DATA, "no face found in 'grey.mp4'"),
    (f"dd-dub portrait.png missing.wav {MODELS} -o out/video.mp4", DATA, "missing.wav"),
    (f"dd-dub portrait.png text.wav {MODELS} -o out/video.mp4", DATA, "text.wav"),
    (f"dd-dub portrait.png no-audio.mp4 {MODELS} -o out/video.mp4", DATA, "no-audio.mp4"),
    (f"dd-dub portrait.png no-samples.wav {MODELS} -o out/video.mp4", DATA, "no-samples.wav"),
    (f"dd-dub portrait.png silent.wav {MODELS} -o out/video.mp4", DATA, "silent.wav"),
    (f"dd-dub portrait.png short.wav {MODELS} -o out/video.mp4", DATA, "short.wav"),
    (f"dd-dub portrait.png speech.wav {MODELS} -o out/video.txt", DATA, "out/video.txt"),
    (f"dd-dub portrait.png speech.wav {MODELS} -o nowhere/video.mp4", DATA, "nowhere"),
    (f"dd-dub portrait.png speech.wav {MODELS} -o UNWRITABLE/video.mp4", DATA, "UNWRITABLE/video.mp4"),
    (f"dd-dub portrait.png speech.wav {MODELS} -o portrait.png", USAGE, "portrait.png"),
    (f"dd-dub portrait.png speech.wav {MODELS} -o speech.wav", USAGE, "speech.wav"),
    (f"dd-dub portrait.png speech.wav {MODELS} -o out/video.mp4 --steps 0", USAGE, "steps"),
    ("dd-dub portrait.png speech.wav --renderer renderer.safetensors --motion z8.safetensors -o out/v.mp4", USAGE, "8"),
    (f"dd-dub portrait.png speech.wav {MODELS.replace('renderer.s', 'text.s')} -o out/v.mp4", DATA, "text.safetensors"),
    (
        f"dd-dub portrait.png speech.wav {MODELS.replace('motion.s', 'renderer.s')} -o out/v.mp4",
        DATA,
        "renderer.safetensors",
    ),
    #
    ("dd-info missing.h5", DATA, "missing.h5"),
    ("dd-info text.h5", DATA, "text.h5"),
    ("dd-info truncated.h5", DATA, "truncated.h5"),
    ("dd-info text.npy", DATA, "text.npy"),
    ("dd-info nan.npy", DATA, "nan.npy"),
    ("dd-info cut.npy", DATA, "cut.npy"),
    ("dd-info text.safetensors", DATA, "text.safetensors"),
    ("dd-info truncated.safetensors", DATA, "truncated.safetensors"),
    ("dd-info text.mp4", DATA, "text.mp4"),
    ("dd-info out", DATA, "out"),
    ("dd-info text.ckpt", DATA, "text.ckpt"),
    ("dd-info malicious.ckpt", DATA, "malicious.ckpt"),
    #
    ("dd-import missing.ckpt -o out/renderer.safetensors", DATA, "missing.ckpt"),
    ("dd-import out -o out/renderer.safetensors", DATA, "out"),
    ("dd-import text.ckpt -o out/renderer.safetensors", DATA, "text.ckpt"),
    ("dd-import truncated.ckpt -o out/renderer.safetensors", DATA, "truncated.ckpt"),
    ("dd-import malicious.ckpt -o out/renderer.safetensors", DATA, "malicious.ckpt': it would run"),
    ("dd-import renderer.safetensors -o out/renderer.safetensors", DATA, "renderer.safetensors"),
    ("dd-import stage2.ckpt -o out/m.safetensors --x-t out/noise.npy", DATA, "stage2.ckpt': it has no x_T"),
    ("dd-import stage1.ckpt -o nowhere/r.safetensors", DATA, "nowhere"),
    ("dd-import stage1.ckpt -o out/r.safetensors --x-t nowhere/noise.npy", DATA, "nowhere"),
    ("dd-import stage1.ckpt -o UNWRITABLE/r.safetensors", DATA, "UNWRITABLE/r.safetensors"),
    ("dd-import stage1.ckpt -o stage1.ckpt", USAGE, "stage1.ckpt"),
    ("dd-import stage1.ckpt -o out/r.safetensors --x-t stage1.ckpt", USAGE, "stage1.ckpt"),
    ("dd-import stage1.ckpt -o out/r --x-t out/r", USAGE, "out/r"),
    # The authors' weights in the wrong place: not imported, of the other stage, with another latent size.
    (RENDER.replace("renderer.safetensors", "stage1.ckpt"), DATA, "convert the authors' checkpoints with dd-import"),
    (
        RENDER.replace("renderer.safetensors", "stage2.safetensors"),
        DATA,
        "it holds a motion model, expected a renderer",
    ),
    (
        "dd-encode clip.h5 --renderer stage2.safetensors -o out/l.npy",
        DATA,
        "it holds a motion model, expected a renderer",
    ),
    (
        GENERATE.replace("motion.safetensors", "stage1.safetensors"),
        DATA,
        "it holds a renderer, expected a motion model",
    ),
    ("dd-train-ae clip.h5 --init stage2.safetensors -o out/r.safetensors", DATA, "expected a renderer"),
    (RENDER.replace("renderer.safetensors", "z8.safetensors"), DATA, "it holds a motion model, expected a renderer"),
    (
        "dd-dub portrait.png speech.wav --renderer stage1.safetensors --motion z8.safetensors -o out/v.mp4",
        USAGE,
        "renderer has latents of 16 values, motion model of 8",
    ),
    (
        "dd-dub portrait.png speech.wav --renderer r66.safetensors --motion lips.safetensors -o out/v.mp4",
        USAGE,
        "the motion model takes latents that end in the landmarks of a face, the renderer's do not",
    ),
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """A folder with a valid file of every kind, the bad ones, and an empty folder `out`."""
    folder = tmp_path_factory.mktemp("bad input")
    (folder / "out").mkdir()
    for suffix in ("mp4", "wav", "h5", "npy", "safetensors", "ckpt"):
        (folder / f"text.{suffix}").write_text("What one has not experienced, one will never understand in print.\n")
    _write_images_and_media(folder)
    _write_arrays(folder)
    dummy_clip(folder / "clip.h5")
    dummy_clip(folder / "no-face.h5", unusable=range(6))
    dummy_renderer(folder / "renderer.safetensors")
    dummy_renderer(folder / "large.safetensors", size=64)
    dummy_motion_model(folder / "motion.safetensors")
    dummy_motion_model(folder / "z8.safetensors", z_size=8)
    dummy_renderer(folder / "r66.safetensors", z_size=66)
    dummy_warp_motion_model(folder / "lips.safetensors")
    _write_released(folder)
    halves = {
        "truncated.ckpt": "stage1.ckpt",
        "truncated.h5": "clip.h5",
        "truncated.safetensors": "renderer.safetensors",
        "cut.npy": "speech.npy",
    }
    for cut, good in halves.items():
        content = (folder / good).read_bytes()
        (folder / cut).write_bytes(content[: len(content) // 2])
    return folder


class Malicious:
    """Creates a folder beside the inputs when it is unpickled, which `everything_in` detects."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


def _write_released(folder: Path) -> None:
    dummy_authors_checkpoint(folder / "stage1.ckpt", dummy_small_renderer())
    dummy_authors_checkpoint(folder / "stage2.ckpt", dummy_small_motion(), stage=2)
    dummy_authors_checkpoint(folder / "malicious.ckpt", dummy_small_renderer(), callbacks=Malicious())
    for name in ("stage1", "stage2"):
        assert call("dd-import", folder / f"{name}.ckpt", "-o", folder / f"{name}.safetensors", "-q").status == 0


def _write_images_and_media(folder: Path) -> None:
    dummy_portrait(folder / "portrait.png")
    grey = {"filename": "color=gray:size=96x96:rate=25:duration=0.2", "format": "lavfi"}
    dummy_media(folder / "grey.mp4", ffmpeg.input(**grey), pix_fmt="yuv420p")
    dummy_media(folder / "grey.png", ffmpeg.input(**grey), **{"frames:v": 1})
    dummy_video(folder / "video.mp4", seconds=0.2)
    dummy_video(folder / "no-audio.mp4", seconds=0.2, audio=False)
    (folder / "empty.mp4").touch()
    video = (folder / "video.mp4").read_bytes()
    (folder / "no-index.mp4").write_bytes(video[: len(video) // 2])  # the index at the end is missing
    dummy_voice(folder / "speech.wav", seconds=0.4)
    dummy_voice(folder / "short.wav", seconds=0.09)
    dummy_voice(folder / "silent.wav", loudness=0)
    soundfile.write(folder / "no-samples.wav", np.zeros(0), 16000)


def _write_arrays(folder: Path) -> None:
    random = np.random.default_rng(0)
    arrays = {
        "speech": random.standard_normal((1, 20, 80)).astype(np.float16),
        "wide": random.standard_normal((1, 20, 81)).astype(np.float16),
        "nan": np.full((1, 20, 80), np.nan, np.float16),
        "latents": random.standard_normal((10, 16)).astype(np.float32),
        "wide-latents": random.standard_normal((10, 17)).astype(np.float32),
        "nan-latents": np.full((10, 16), np.inf, np.float32),
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    for name in ("speech", "latents"):  # folders for training
        (folder / name).mkdir()
        shutil.copy(folder / f"{name}.npy", folder / name / "one.npy")


@pytest.fixture
def unwritable(tmp_path) -> Path:
    """A folder in which no user can create a file, not even root."""
    if os.geteuid():
        tmp_path.chmod(0o500)
        return tmp_path
    if not Path("/proc/self").exists():
        pytest.skip("root can write everywhere, and there is no /proc")
    return Path("/proc")


@pytest.fixture
def workplace(inputs, monkeypatch) -> Path:
    """The folder of inputs as the working folder, with `out` empty."""
    monkeypatch.chdir(inputs)
    shutil.rmtree("out")
    Path("out").mkdir()
    return inputs


def everything_in(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder, including hidden ones, with the size and modification time of files."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else (0, 0)
        for path in folder.rglob("*")
    }


def error_lines(outcome, name: str) -> list[str]:
    """The lines on standard error without the name of the command, which each must start with."""
    assert "Traceback" not in outcome.errors
    lines = outcome.errors.splitlines()
    assert all(line.startswith(f"{name}: ") for line in lines), outcome.errors
    return [line.removeprefix(f"{name}: ") for line in lines]


@pytest.mark.parametrize(("line", "status", "expected"), CASES, ids=[line for line, _, _ in CASES])
def test_bad_input(line, status, expected, workplace, unwritable, capfd):
    name, *arguments = line.replace("UNWRITABLE", str(unwritable)).split()
    expected = expected.replace("UNWRITABLE", str(unwritable))
    before = everything_in(workplace)
    outcome = call(name, *arguments, "--quiet")
    lines = error_lines(outcome, name)
    assert (outcome.status, len(lines)) == (status, 1), outcome
    assert expected in lines[0]
    assert lines[0][0].islower() or lines[0][0] in "'0123456789", "lower case at the start"
    assert not lines[0].endswith("."), "no full stop at the end"
    assert everything_in(workplace) == before
    assert outcome.output == ""
    assert capfd.readouterr() == ("", ""), "a library prints directly to the terminal"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (GENERATE.replace("speech.npy", "-"), "standard input"),
        (RENDER.replace("latents.npy", "-"), "standard input"),
    ],
)
@pytest.mark.parametrize("content", [b"", b"no array"])
def test_a_pipe_without_an_array(line, expected, content, workplace):
    name, *arguments = line.split()
    outcome = call(name, *arguments, "-q", stdin=content)
    assert (outcome.status, len(error_lines(outcome, name))) == (DATA, 1)
    assert expected in outcome.errors
    assert list((workplace / "out").iterdir()) == []


@pytest.mark.parametrize("bad", ["text.mp4", "empty.mp4", "no-index.mp4", "grey.mp4"])
def test_a_video_that_cannot_be_scored_is_named_and_counted(bad, workplace):
    outcome = call("dd-eval", "video.mp4", "--truth", bad, "--json", "out/scores.json", "--quiet")
    lines = error_lines(outcome, "dd-eval")
    assert outcome.status == DATA
    assert bad in lines[0]
    assert lines[-1] == "1 of 1 videos not scored"
    assert list((workplace / "out").iterdir()) == []


def test_the_other_inputs_are_still_processed(workplace, tmp_path):
    last = shutil.copy("clip.h5", tmp_path / "last.h5")
    outcome = call("dd-encode", "text.h5", "clip.h5", "missing.h5", last, *RENDERER, "-o", "out", "-q")
    assert outcome.status == DATA
    first, second = error_lines(outcome, "dd-encode")
    assert "text.h5" in first and "missing.h5" in second
    assert sorted(path.name for path in (workplace / "out").iterdir()) == ["clip.npy", "last.npy"]


@contextmanager
def full_disk(free: int) -> Iterator[None]:
    """Limit files to `free` bytes: as with a full disk, writing more fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    "line",
    [
        "dd-prep portrait.png -o out/clip.h5",
        "dd-audio speech.wav --model mel -o out/speech.npy",
        "dd-encode clip.h5 --renderer renderer.safetensors -o out/latents.npy",
        GENERATE,
        RENDER,
        f"dd-dub portrait.png speech.wav {MODELS} -o out/video.mp4",
        "dd-import stage1.ckpt -o out/renderer.safetensors",
        "dd-train-ae clip.h5 --preset tiny --steps 1 -o out/renderer.safetensors",
        "dd-train-seq latents --speech speech --preset tiny --steps 1 -o out/motion.safetensors",
    ],
    ids=lambda line: line.split()[0],
)
def test_disk_full(line, workplace):
    name, *arguments = line.split()
    before = everything_in(workplace)
    with full_disk(free=256):
        outcome = call(name, *arguments, "--quiet")
    lines = error_lines(outcome, name)
    assert (outcome.status, len(lines)) == (DATA, 1), outcome
    assert "cannot write 'out/" in lines[0]
    for log in Path("out").glob("*.csv"):  # the training log is written line by line, so a part of it remains
        log.unlink()
    assert everything_in(workplace) == before
