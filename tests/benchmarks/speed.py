"""How fast the commands are, each compared with other work in the same run: speed.py [--rounds 3]

Prints Markdown tables. Every figure is the median of `rounds` rounds in which the two are timed in turn, so a busy or
slow machine changes both. Videos are made from the portrait of scikit-image: a dub of it, at several sizes.
"""

import argparse
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from stage_costs import PROGRAMS, Cost, run

from dd_tools.media.ffmpeg import ffmpeg_path

ROOT = Path(__file__).resolve().parents[2]
SPEECH = ROOT / "examples" / "kennedy.flac"
SECONDS, RATE = 10, 25  # of the videos
LONG = 40  # seconds
SIZES = {"256×256": (256, 256), "1080×1920": (1080, 1920), "2160×3840": (2160, 3840)}
COMMANDS = ("prep", "audio", "encode", "generate", "render", "dub", "eval", "info")
STARTS = [[PROGRAMS / f"dd-{name}", "--help"] for name in COMMANDS]


def python(code: str) -> Cost:
    """Run a program in a new interpreter; as a process of its own, its start counts."""
    return run(sys.executable, "-c", code)


def programs(folder: Path) -> dict[str, Callable[[], Cost]]:
    """What is timed, by name. folder: with the videos."""
    video, wide = folder / "256×256.mp4", folder / "1080×1920.mp4"
    quiet = ["-q"]
    work = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import speed; speed."
    return {
        "dd-dub, 256×256": partial(run, PROGRAMS / "dd-dub", video, SPEECH, "-o", folder / "a.mp4", *quiet),
        "dd-dub, 1080×1920": partial(run, PROGRAMS / "dd-dub", wide, SPEECH, "-o", folder / "b.mp4", *quiet),
        "convolutions of Wav2Lip's size": partial(python, f"{work}wav2lip()"),
        "dd-prep": partial(run, PROGRAMS / "dd-prep", wide, "-o", folder / "clip.h5", *quiet),
        "decoding and detector": partial(python, f"{work}decode_and_detect({str(wide)!r})"),
        "dd-audio": partial(run, PROGRAMS / "dd-audio", SPEECH, "-o", folder / "speech.npy", *quiet),
        "its encoder alone": partial(python, f"{work}encode_speech()"),
        "dd-eval": partial(run, PROGRAMS / "dd-eval", wide, "--truth", wide, *quiet),
        "decoding and detector, two videos": partial(python, f"{work}decode_and_detect({str(wide)!r}, times=2)"),
        "ffmpeg, decoding and encoding": partial(
            run, ffmpeg_path(), "-v", "error", "-y", "-i", wide, folder / "c.mp4"
        ),
    }  # fmt: skip


PAIRS = [  # what, compared with, largest ratio that is the goal
    ("dd-dub, 256×256", "convolutions of Wav2Lip's size", 0.5),
    ("dd-dub, 1080×1920", "convolutions of Wav2Lip's size", 0.8),
    ("dd-dub, 1080×1920", "ffmpeg, decoding and encoding", None),
    ("dd-prep", "decoding and detector", 1.25),
    ("dd-audio", "its encoder alone", 1.1),
    ("dd-eval", "decoding and detector, two videos", 2.0),
]


def wav2lip() -> None:
    """The convolutions of Wav2Lip's generator for all frames, with random weights."""
    import torch
    from wav2lip_size import frames, reference_network

    network = reference_network()
    with torch.inference_mode():
        for batch in frames(SECONDS * RATE).split(8):
            network(batch)


def decode_and_detect(path: str, times: int = 1) -> None:
    """Decode a video and follow its face."""
    from preparation import detect_alone

    from dd_tools.face.detectors.registry import open_detector

    detector = open_detector()
    for _ in range(times):
        detect_alone(Path(path), detector)


def encode_speech() -> None:
    """The speech model alone, on samples in memory."""
    from dd_tools.media.audio import read_audio
    from dd_tools.speech.registry import open_speech_model

    open_speech_model("whisper").features(read_audio(SPEECH))


def make_videos(folder: Path) -> None:
    """A dub of the portrait with its audio, scaled to all sizes, and a longer one."""
    cv2.imwrite(str(folder / "portrait.png"), skimage.data.astronaut()[:240, 110:350, ::-1])
    run(PROGRAMS / "dd-dub", folder / "portrait.png", SPEECH, "-o", folder / "speaking.mp4", "-q")
    for name, (width, height) in SIZES.items():
        scale = f"scale={width}:{width},pad={width}:{height}:0:(oh-ih)/2,fps={RATE}"
        source = ["-stream_loop", -1, "-i", folder / "speaking.mp4", "-t", SECONDS, "-vf", scale]
        run(ffmpeg_path(), "-v", "error", "-y", *source, folder / f"{name}.mp4")
    source = ["-stream_loop", -1, "-i", folder / "256×256.mp4", "-t", LONG, "-c", "copy"]
    run(ffmpeg_path(), "-v", "error", "-y", *source, folder / "long.mp4")


def machine() -> str:
    """Processor, cores, load and versions."""
    import onnxruntime
    import torch

    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    versions = f"Python {platform.python_version()}, PyTorch {torch.__version__}, onnxruntime {onnxruntime.__version__}"
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {versions}"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def print_pairs(folder: Path, rounds: int) -> None:
    """The table of ratios: medians of wall-clock seconds."""
    timed = programs(folder)
    costs = {name: [] for name in timed}
    for _ in range(rounds):
        for name, work in timed.items():
            costs[name].append(work())
    seconds = {name: np.median([cost.wall for cost in own]) for name, own in costs.items()}
    print("| work | s | compared with | s | ratio | goal | CPU s | MB |\n|---|--:|---|--:|--:|--:|--:|--:|")
    for name, other, goal in PAIRS:
        cpu, memory = (np.median([getattr(cost, what) for cost in costs[name]]) for what in ("cpu", "memory"))
        ratio, shown = seconds[name] / seconds[other], f"≤ {goal:g}" if goal else ""
        row = f"| {name} | {seconds[name]:.1f} | {other} | {seconds[other]:.1f} | {ratio:.2f} | {shown} |"
        print(f"{row} {cpu:.1f} | {memory:.0f} |", flush=True)


def print_growth(folder: Path) -> None:
    """Time per frame and memory of dd-dub for longer and for larger videos."""
    print("\n| dd-dub | ms per frame | CPU ms per frame | MB |\n|---|--:|--:|--:|")
    videos = [(SECONDS, name, folder / f"{name}.mp4") for name in SIZES]
    for seconds, name, path in [*videos, (LONG, "256×256", folder / "long.mp4")]:
        cost = run(PROGRAMS / "dd-dub", path, path, "-o", folder / "d.mp4", "-q")
        each = 1000 / (seconds * RATE)
        print(
            f"| {seconds} s, {name} | {cost.wall * each:.0f} | {cost.cpu * each:.0f} | {cost.memory:.0f} |", flush=True
        )


def print_training(folder: Path) -> None:
    """Training samples per second, from the difference of two runs."""
    print("\n| training, preset warp | samples per second |\n|---|--:|")
    for name in ("clips", "latents", "speech"):
        (folder / name).mkdir()
    clip, latents, speech = folder / "clips" / "a.h5", folder / "latents" / "a.npy", folder / "speech" / "a.npy"
    run(PROGRAMS / "dd-prep", folder / "256×256.mp4", "-o", clip, "-q")
    run(PROGRAMS / "dd-encode", clip, "-o", latents, "-q")
    run(PROGRAMS / "dd-audio", folder / "256×256.mp4", "-o", speech, "-q")
    trainers = {
        "dd-train-ae": (["dd-train-ae", clip.parent], 8, 2, 8),
        "dd-train-seq": (["dd-train-seq", latents.parent, "--speech", speech.parent], 32, 5, 45),
    }
    for name, ((program, *inputs), batch, few, many) in trainers.items():
        options = ["--batch-size", batch, "-o", folder / "weights.safetensors", "-q", "--steps"]
        walls = [run(PROGRAMS / program, *inputs, *options, steps).wall for steps in (few, many)]
        print(f"| {name}, batches of {batch} | {batch * (many - few) / (walls[1] - walls[0]):.1f} |", flush=True)


def print_starts(rounds: int) -> None:
    """Seconds until a command has loaded its models: on an input that is missing, and with --help."""
    print("\n| start of | --help, s |\n|---|--:|")
    for command in STARTS:
        seconds = np.median([run(*command).wall for _ in range(rounds)])
        print(f"| {command[0].name} | {seconds:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print(f"{machine()}\n")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_videos(folder)
        print_pairs(folder, rounds)
        print_growth(folder)
        print_starts(rounds)
        print_training(folder)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\n{time.monotonic() - started:.0f} s; largest process {memory:.0f} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
