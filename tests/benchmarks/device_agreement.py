"""Does a device compute what the CPU computes? Every stage of both kinds of models, on a real clip.

usage: device_agreement.py CLIP.h5 [--device cuda] [--renderer FILE] [--preset small] [--frames 8] [--steps 20]

The models are those that ship (warp), the renderer in FILE if given, otherwise one of a diffdub preset with random
weights, and a random motion model for its latents. Clips of 96 px fit preset small and the models that ship. Prints
Markdown tables: the largest difference from the CPU in float32 relative to the largest value, for latents, motion for
noise in place of speech, and painted images before they are rounded; and PSNR in dB inside the mask against the true
frames, painted in float32 and in bfloat16. The exit status is 1 if a limit is exceeded.
"""

import argparse
import copy
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from solvers import psnr
from torch import nn

from dd_tools.diffdub import motion_training as diffdub_motion
from dd_tools.diffdub import renderer as diffdub_renderer
from dd_tools.diffdub import renderer_training as diffdub_training
from dd_tools.diffdub.motion import DiffDubMotionModel
from dd_tools.diffdub.renderer import DiffDubRenderer
from dd_tools.diffdub.renderer_config import V
from dd_tools.formats.clip import Clip
from dd_tools.nn.images import to_images, to_masks
from dd_tools.pipeline.generate import generate_motion
from dd_tools.pipeline.interfaces import MotionModel, Renderer
from dd_tools.pipeline.models import load_motion_model, load_renderer
from dd_tools.warp import renderer as warp_renderer

LIMIT = 1e-3  # of the relative difference in float32
PSNR_LIMIT = 0.2  # dB that bfloat16 may change
SPEECH_FRAMES = 200


def with_noise(network: nn.Module) -> nn.Module:
    """The network with noise in the weights that start at zero, so that the layers before them take part."""
    for parameter in network.parameters():
        if parameter.dim() > 1 and not parameter.any():
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
    return network


def random_renderer(preset: str) -> Renderer:
    """It predicts v: an image estimated from random epsilon at t = 950 would magnify rounding errors seventyfold."""
    torch.manual_seed(0)
    config = replace(diffdub_training.PRESETS[preset].config, prediction=V)
    return DiffDubRenderer(with_noise(diffdub_training.new_network(config)))


def random_motion_model(z_size: int) -> MotionModel:
    torch.manual_seed(0)
    config = replace(diffdub_motion.PRESETS["small"].config, z_size=z_size)
    return DiffDubMotionModel(with_noise(diffdub_motion.new_network(config)))


def moved(model, device: torch.device, dtype: str = "fp32"):
    """A copy of the renderer or motion model on another device."""
    return type(model)(copy.deepcopy(model.network), device, dtype)


def models(options: argparse.Namespace) -> Iterator[tuple[str, Renderer, MotionModel]]:
    """Name, renderer and motion model of every kind, on the CPU."""
    yield "warp, as shipped", load_renderer(None), load_motion_model(None)
    if options.renderer:
        renderer = load_renderer(options.renderer)
        own = isinstance(renderer, warp_renderer.WarpRenderer)
        yield options.renderer.name, renderer, load_motion_model(None) if own else random_motion_model(renderer.z_size)
    else:
        renderer = random_renderer(options.preset)
        yield f"diffdub {options.preset}, random", renderer, random_motion_model(renderer.z_size)


def relative_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, relative to the largest expected value; infinite where a number is not finite."""
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    difference = np.abs(found - expected).max() / np.abs(expected).max()
    return float(difference) if np.isfinite(found).all() else float("inf")


class Stages:
    """The stages of one renderer and one motion model, on some frames of a clip."""

    def __init__(self, clip: Clip, frames: np.ndarray, steps: int):
        self.clip, self.frames, self.steps = clip, frames, steps

    def encode(self, renderer: Renderer) -> np.ndarray:
        return renderer.encoder(self.clip)(self.frames)

    def generate(self, model: MotionModel, latents: np.ndarray) -> np.ndarray:
        shape = model.speech_layers, SPEECH_FRAMES, model.speech_width
        speech = np.random.default_rng(0).standard_normal(shape).astype(np.float16)
        return generate_motion(model, speech, latents)

    def paint(self, renderer: Renderer, latents: np.ndarray) -> np.ndarray:
        """Images float32 (N, 3, S, S) from −1 to 1: what the painter would round to frames."""
        given = {"steps": self.steps} if "steps" in renderer.painting_options else {}
        painter = renderer.painter(self.clip, **given)
        modules = (diffdub_renderer, warp_renderer)
        rounding = [module.to_frames for module in modules]
        try:
            for module in modules:
                module.to_frames = lambda images: images.float().cpu().numpy()
            return painter(self.frames, self.clip.pts[self.frames], latents, slice(0, len(self.frames)))
        finally:
            for module, function in zip(modules, rounding, strict=True):
                module.to_frames = function

    def psnr(self, painted: np.ndarray) -> float:
        """Mean PSNR in dB of images inside the mask."""
        truth = to_images(np.stack([self.clip.frames[frame] for frame in self.frames]))
        mask = to_masks(np.stack([self.clip.mask[frame] for frame in self.frames]))
        return psnr(torch.from_numpy(painted), truth, mask).mean().item()


class Table:
    """A Markdown table that is printed row by row, each with whether it is within a limit. `fits`: whether all are."""

    def __init__(self, *titles: str):
        self.fits = True
        print(f"| {' | '.join(titles)} | |\n|{'---|' * len(titles)}---|")

    def add(self, fits: bool, *cells: str) -> None:
        self.fits = self.fits and fits
        print(f"| {' | '.join(cells)} | {'ok' if fits else '**exceeded**'} |", flush=True)

    def compare(self, stage: str, model: str, found: np.ndarray, expected: np.ndarray) -> None:
        difference = relative_difference(found, expected)
        self.add(difference <= LIMIT, stage, model, f"{difference:.1e}", f"{LIMIT:.0e}")


def compare(options: argparse.Namespace, device: torch.device, clip: Clip) -> bool:
    """Print the tables; returns whether all is within the limits."""
    chosen = clip.usable[np.unique(np.linspace(0, len(clip.usable) - 1, options.frames).round().astype(int))]
    stages, qualities = Stages(clip, chosen, options.steps), []
    table = Table("stage", "model", "largest relative difference", "limit")
    for name, renderer, motion_model in models(options):
        z, there = stages.encode(renderer), moved(renderer, device)
        table.compare("encode", name, stages.encode(there), z)
        motion = stages.generate(moved(motion_model, device), z)
        table.compare("generate", name, motion, stages.generate(motion_model, z))
        painted = stages.paint(there, z)
        table.compare("paint", name, painted, stages.paint(renderer, z))
        half = stages.paint(moved(renderer, device, "bf16"), z)
        qualities.append((name, stages.psnr(painted), stages.psnr(half)))
    print()
    changes = Table("painted by", "fp32, dB", "bf16, dB", "change, dB", "limit")
    for name, full, half in qualities:
        cells = f"{full:.2f}", f"{half:.2f}", f"{half - full:+.3f}", f"{PSNR_LIMIT}"
        changes.add(abs(half - full) <= PSNR_LIMIT, name, *cells)
    return table.fits and changes.fits


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--device", type=torch.device, default="cuda")
    parser.add_argument("--renderer", type=Path)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    return parser.parse_args()


def main() -> int:
    options = parse_options()
    with Clip(options.clip) as clip:
        return 0 if compare(options, options.device, clip) else 1


if __name__ == "__main__":
    sys.exit(main())
