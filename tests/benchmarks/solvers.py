"""How near fast samplers come to the image that DDIM paints in many steps, and how much work they save.

usage: solvers.py RENDERER.safetensors CLIP.h5... [--frames N] [--reference-steps 100] [--steps 2,4,6,8,10,20]
       [--reuse 1,2,3] [--solvers NAME,...] [--spacing own|authors|even|quadratic|log-snr] [--shallow N]
       [--batch-size N]

RENDERER is of kind diffdub; a training state will do. Paints N frames of every clip, evenly spaced, from their true
latents and one x_T. Prints a Markdown table: PSNR in dB inside the mask against DDIM in many steps, mean over frames
and its standard error; PSNR against the true frames; billions of floating-point operations per frame; and these as a
fraction of 20 DDIM steps. --spacing gives all solvers the same timesteps instead of their own.

--reuse N: only the first of N consecutive steps computes the whole U-Net; the others take its deep features from there
and compute no more than its first and last --shallow blocks (DeepCache, Ma et al. 2023).
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dd_tools.diffdub.autoencoder import DiffusionAutoencoder
from dd_tools.diffdub.diffusion import NUM_TIMESTEPS, estimate_image, half_log_snr, shared_noise
from dd_tools.diffdub.renderer import STEPS, DiffDubRenderer, network_from
from dd_tools.diffdub.renderer_config import RendererConfig
from dd_tools.diffdub.sampling import DDIM, SOLVERS, quadratic_timesteps, sample, sampling_timesteps
from dd_tools.formats.checkpoint import RENDERER, read_checkpoint
from dd_tools.formats.clip import Clip
from dd_tools.nn.images import to_images, to_masks

Batch = tuple[Tensor, Tensor, Tensor, Tensor]  # x0, mask, reference, z


def even_timesteps(num_steps: int) -> list[int]:
    """Evenly spaced from 999 to 999 / num_steps."""
    return np.rint(np.linspace(NUM_TIMESTEPS - 1, 0, num_steps + 1)[:-1]).astype(int).tolist()


def log_snr_timesteps(num_steps: int) -> list[int]:
    """From 999, evenly spaced in the log signal-to-noise ratio; for few steps, so that none is repeated."""
    ratios = [half_log_snr(t) for t in reversed(range(NUM_TIMESTEPS))]
    wanted = np.linspace(ratios[0], ratios[-1], num_steps + 1)[:-1]
    return np.rint(np.interp(wanted, ratios, range(NUM_TIMESTEPS)[::-1])).astype(int).tolist()


SPACINGS = {
    "authors": sampling_timesteps,
    "even": even_timesteps,
    "quadratic": quadratic_timesteps,
    "log-snr": log_snr_timesteps,
}


def batches(network: DiffusionAutoencoder, paths: list[Path], count: int, batch_size: int) -> Iterator[Batch]:
    """What the painter would be given for `count` frames of every clip."""
    renderer = DiffDubRenderer(network)
    for path in paths:
        with Clip(path) as clip:
            clip.check_usable(renderer.framing)
            chosen = clip.usable[np.unique(np.linspace(0, len(clip.usable) - 1, count).round().astype(int))]
            reference = to_images(clip.frames[clip.usable[0]][None])
            for frames in np.array_split(chosen, -(-len(chosen) // batch_size)):
                x0 = to_images(np.stack([clip.frames[frame] for frame in frames]))
                mask = to_masks(np.stack([clip.mask[frame] for frame in frames]))
                yield x0, mask, reference.expand_as(x0), torch.from_numpy(renderer.encoder(clip)(frames))


class SharedFeatures:
    """A U-Net that takes its deep features from an earlier step, except at every `interval`-th step."""

    def __init__(self, network: DiffusionAutoencoder, interval: int, shallow: int):
        self.network, self.interval, self.shallow = network, interval, shallow
        self.step, self.deep = 0, None

    def denoise(self, xt: Tensor, reference: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """See `DiffusionAutoencoder.denoise`."""
        network, conditions = self.network, (z, self.network.time_embed(t))
        h, laterals = torch.cat([xt, reference], dim=1), []
        for block in network.input_blocks[: self.shallow]:
            h = block(h, *conditions)
            laterals.append(h)
        if self.step % self.interval == 0:
            self.deep = self._through_the_deep(h, conditions)
        self.step, h = self.step + 1, self.deep
        for block in network.output_blocks[-self.shallow :]:
            h = block(torch.cat([h, laterals.pop()], dim=1), *conditions)
        return estimate_image(network.config.prediction, xt, t, network.out(h))

    def _through_the_deep(self, h: Tensor, conditions: tuple[Tensor, Tensor]) -> Tensor:
        laterals = []
        for block in self.network.input_blocks[self.shallow :]:
            h = block(h, *conditions)
            laterals.append(h)
        h = self.network.middle_block(h, *conditions)
        for block in self.network.output_blocks[: -self.shallow]:
            h = block(torch.cat([h, laterals.pop()], dim=1), *conditions)
        return h


@torch.inference_mode()
def paint(network: DiffusionAutoencoder, batch: Batch, num_steps: int, solver: str, reuse: int, shallow: int) -> Tensor:
    """Images (B, 3, S, S) as `Painter` paints them."""
    x0, mask, reference, z = batch
    xT = shared_noise(x0.shape[-1], seed=0).to(x0.device).expand_as(x0)
    denoise = (SharedFeatures(network, reuse, shallow) if reuse > 1 else network).denoise
    return sample(lambda xt, t: denoise(xt, reference, t, z), xT, x0, mask, num_steps, solver)


def gflop(config: RendererConfig, *how: object) -> float:
    """Billions of floating-point operations to paint one frame. how: the last arguments of `paint`."""
    with torch.device("meta"):
        network = DiffusionAutoencoder(config)
        image, mask, z = (
            torch.empty(1, *shape) for shape in ((3, config.size, config.size), (1, 1, 1), (config.z_size,))
        )
    with FlopCounterMode(display=False) as counter:
        paint(network, (image, mask, image, z), *how)
    return counter.get_total_flops() / 1e9


def psnr(painted: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """PSNR in dB inside the mask, one for every image (B,)."""
    errors = (mask * (painted - truth).square()).sum((1, 2, 3)) / (3 * mask.sum((1, 2, 3)))
    return 10 * torch.log10(4 / errors.clamp_min(1e-10))


def numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("renderer", type=Path)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--reference-steps", type=int, default=100)
    parser.add_argument("--steps", type=numbers, default=[2, 4, 6, 8, 10, 20])
    parser.add_argument("--reuse", type=numbers, default=[1, 2, 3])
    parser.add_argument("--solvers", type=lambda text: text.split(","), default=list(SOLVERS))
    parser.add_argument("--spacing", choices=["own", *SPACINGS], default="own")
    parser.add_argument("--shallow", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=8)
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    network = network_from(read_checkpoint(options.renderer, RENDERER), options.renderer)
    given = list(batches(network, options.clips, options.frames, options.batch_size))
    references = [paint(network, batch, options.reference_steps, DDIM, 1, 1) for batch in given]
    full = gflop(network.config, STEPS, DDIM, 1, 1)
    if options.spacing != "own":
        SOLVERS.update({name: replace(SOLVERS[name], timesteps=SPACINGS[options.spacing]) for name in options.solvers})
    x0 = torch.cat([batch[0] for batch in given])
    mask = torch.cat([batch[1] for batch in given])
    print(f"{len(x0)} frames; against the true frames, {options.reference_steps} DDIM steps have", end=" ")
    print(f"{psnr(torch.cat(references), x0, mask).mean():.2f} dB\n")
    print("| solver | steps | reuse | PSNR to reference, dB | PSNR to truth, dB | GFLOP per frame | work |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for solver in options.solvers:
        for reuse in options.reuse:
            for steps in options.steps:
                how = steps, solver, reuse, options.shallow
                painted = torch.cat([paint(network, batch, *how) for batch in given])
                near = psnr(painted, torch.cat(references), mask)
                error = near.std().item() / len(near) ** 0.5 if len(near) > 1 else 0.0
                true, work = psnr(painted, x0, mask).mean(), gflop(network.config, *how)
                row = f"{solver} | {steps} | {reuse} | {near.mean():.2f} ± {error:.2f} | {true:.2f}"
                print(f"| {row} | {work:.1f} | {work / full:.3f} |", flush=True)


if __name__ == "__main__":
    main()
