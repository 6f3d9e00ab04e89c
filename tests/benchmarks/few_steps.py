"""What distilled renderers lose against their teacher's 20 steps, and what the teacher itself loses in few steps.

usage: few_steps.py TEACHER.safetensors STUDENT.safetensors... --clips CLIP.h5... [--trunk ALEXNET] [--frames N]
       [--device auto]

Paints N frames of every clip, evenly spaced, from their true latents and one x_T: with the teacher in 20, 4, 2 and 1
steps, and with each student in its own; a training state will do. Prints a Markdown table, means over frames: PSNR in
dB inside the mask and LPIPS of the crop against the true frames, the differences from the teacher's 20 steps with their
standard errors, PSNR against those 20 steps, and seconds per frame. ALEXNET holds the AlexNet trunk of LPIPS; without
it, LPIPS is left out.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from solvers import psnr

from dd_tools.formats.clip import Clip
from dd_tools.nn.device import open_device
from dd_tools.nn.images import to_images, to_masks
from dd_tools.nn.lpips import Lpips
from dd_tools.nn.lpips_trunk import ALEX
from dd_tools.pipeline.interfaces import Renderer
from dd_tools.pipeline.models import load_renderer

TEACHER_STEPS = (20, 4, 2, 1)
FEW_STEP_SOLVER = "dpm-solver++"  # what the teacher has to offer in few steps, besides DDIM


def chosen_frames(clip: Clip, count: int) -> np.ndarray:
    """Indices of up to `count` usable frames, evenly spaced, without the first, which is the reference."""
    return clip.usable[np.unique(np.linspace(1, len(clip.usable) - 1, count).round().astype(int))]


def paint(renderer: Renderer, paths: list[Path], count: int, **options: object) -> tuple[np.ndarray, float]:
    """Painted crops uint8 (N, S, S, 3) of all clips, and seconds per frame."""
    crops, seconds = [], 0.0
    for path in paths:
        with Clip(path) as clip:
            clip.check_usable(renderer.framing)
            frames = chosen_frames(clip, count)
            latents, painter = renderer.encoder(clip)(frames), renderer.painter(clip, **options)
            start = time.monotonic()
            crops.append(painter(frames, clip.pts[frames], latents, slice(0, len(frames))))
            seconds += time.monotonic() - start
    return np.concatenate(crops), seconds / sum(map(len, crops))


def truth(paths: list[Path], count: int) -> tuple[np.ndarray, np.ndarray]:
    """The true crops (N, S, S, 3) and the masks (N, S, S) of all clips, uint8."""
    crops, masks = [], []
    for path in paths:
        with Clip(path) as clip:
            for frame in chosen_frames(clip, count):
                crops.append(clip.frames[frame])
                masks.append(clip.mask[frame])
    return np.stack(crops), np.stack(masks)


def change(values: np.ndarray, others: np.ndarray, digits: int) -> str:
    """Mean of `values`, and of their difference from `others` with its standard error."""
    differences = values - others
    error = differences.std(ddof=1) / len(differences) ** 0.5
    return f"{values.mean():.{digits}f} | {differences.mean():+.{digits}f} ± {error:.{digits}f}"


def ways_to_paint(options: argparse.Namespace) -> Iterator[tuple[str, Renderer, dict[str, object]]]:
    """A name, a renderer and options of its painter; first the teacher's 20 steps."""
    device = open_device(options.device)
    teacher = load_renderer(options.teacher, device)
    yield from ((f"teacher, {steps} DDIM", teacher, {"steps": steps}) for steps in TEACHER_STEPS)
    for steps in TEACHER_STEPS[1:]:
        yield f"teacher, {steps} {FEW_STEP_SOLVER}", teacher, {"steps": steps, "solver": FEW_STEP_SOLVER}
    yield from ((path.name, load_renderer(path, device), {}) for path in options.students)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher", type=Path)
    parser.add_argument("students", type=Path, nargs="*")
    parser.add_argument("--clips", type=Path, nargs="+", required=True)
    parser.add_argument("--trunk", type=Path)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--device", default="auto")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    lpips = Lpips(ALEX, options.trunk) if options.trunk else None
    true, masks = truth(options.clips, options.frames)
    images, inside = to_images(true), to_masks(masks)
    full = None
    print(f"{len(true)} frames of {len(options.clips)} clips\n")
    print("| renderer | PSNR, dB | change | LPIPS | change | PSNR to the 20 steps, dB | s per frame |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, renderer, how in ways_to_paint(options):
        crops, seconds = paint(renderer, options.clips, options.frames, **how)
        painted = to_images(crops)
        quality, distance = psnr(painted, images, inside).numpy(), lpips and lpips.distances(crops, true)
        full = full or (quality, distance, painted)
        perceptual = change(distance, full[1], 4) if lpips else " | "
        near = "" if painted is full[2] else f"{psnr(painted, full[2], inside).mean():.2f}"
        print(f"| {name} | {change(quality, full[0], 2)} | {perceptual} | {near} | {seconds:.3f} |", flush=True)


if __name__ == "__main__":
    main()
