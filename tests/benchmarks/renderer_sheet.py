"""What a renderer paints from true latents, beside the true frames: a sheet of faces, and PSNR inside the mask.

usage: renderer_sheet.py RENDERER.safetensors CLIP.h5... -o SHEET.png [--device auto] [--dtype auto] [--steps N]

A training state will do as RENDERER, and `default` is the renderer that ships. Each clip is a row: the first usable
frame, four others, and these painted. Prints a Markdown table: PSNR in dB of the painted frames, and of the first frame
repeated, which the painted ones must exceed to show that they follow the latents.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from solvers import psnr

from dd_tools.errors import DataError
from dd_tools.formats.clip import Clip
from dd_tools.nn.device import AUTO, open_device
from dd_tools.nn.images import to_images, to_masks
from dd_tools.pipeline.interfaces import Renderer
from dd_tools.pipeline.models import load_renderer

COLUMNS = 4  # frames of each clip that are painted


def painted_frames(renderer: Renderer, clip: Clip, steps: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Indices (N,) of evenly spaced usable frames, without the first, and the painted crops uint8 (N, S, S, 3).

    Raises `DataError` if the clip does not fit the renderer or has only one usable frame.
    """
    clip.check_usable(renderer.framing)
    if len(clip.usable) == 1:
        raise DataError(f"cannot use '{clip.path}': only one frame has a usable face")
    places = np.linspace(len(clip.usable) // 4, len(clip.usable) - 1, COLUMNS)
    frames = clip.usable[np.unique(places.round().astype(int).clip(1))]
    latents = renderer.encoder(clip)(frames)
    given = {"steps": steps} if steps and "steps" in renderer.painting_options else {}
    painter = renderer.painter(clip, **given)
    return frames, painter(frames, clip.pts[frames], latents, slice(0, len(frames)))


def row(clip: Clip, frames: np.ndarray, painted: np.ndarray) -> tuple[np.ndarray, float, float]:
    """The row of the sheet, uint8 (S, 9·S, 3); mean PSNR in dB of the painted frames, and of the first one repeated."""
    first, true = clip.frames[clip.usable[0]], np.stack([clip.frames[frame] for frame in frames])
    mask, truth = to_masks(np.stack([clip.mask[frame] for frame in frames])), to_images(true)
    quality = psnr(to_images(painted), truth, mask).mean().item()
    baseline = psnr(to_images(first[None]).expand_as(truth), truth, mask).mean().item()
    missing = [np.zeros_like(first)] * (COLUMNS - len(frames))
    return np.hstack([first, *true, *missing, *painted, *missing]), quality, baseline


def sheet(rows: list[np.ndarray]) -> Image.Image:
    """Rows below each other, all enlarged to the size of the largest: clips may be of different sizes."""
    height, width = max(pixels.shape[:2] for pixels in rows)
    return Image.fromarray(np.vstack([Image.fromarray(pixels).resize((width, height)) for pixels in rows]))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("renderer")
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--device", default=AUTO)
    parser.add_argument("--dtype", default=AUTO)
    parser.add_argument("--steps", type=int)
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    path = None if options.renderer == "default" else Path(options.renderer)
    renderer = load_renderer(path, open_device(options.device), options.dtype)
    print("| clip | painted, dB | first frame, dB |\n|---|---:|---:|")
    rows = []
    for path in options.clips:
        with Clip(path) as clip:
            rows.append(row(clip, *painted_frames(renderer, clip, options.steps)))
        print(f"| {path.stem} | {rows[-1][1]:.2f} | {rows[-1][2]:.2f} |", flush=True)
    print(f"| mean of {len(rows)} | {np.mean([r[1] for r in rows]):.2f} | {np.mean([r[2] for r in rows]):.2f} |")
    sheet([pixels for pixels, *_ in rows]).save(options.output)


if __name__ == "__main__":
    main()
