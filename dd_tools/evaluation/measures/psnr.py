"""PSNR of the compared region."""

import numpy as np
import skimage
from skimage.metrics import peak_signal_noise_ratio

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measures.interface import Better, Label

MAX_VALUE = 255

PSNR = Label(
    "psnr", "PSNR", "dB", Better.HIGHER, 2, f"skimage-{skimage.__version__},rgb,frame-mean,identical-frames-left-out"
)


def psnr(frame: FramePair) -> float | None:
    """Peak signal-to-noise ratio in dB over the region's RGB values; infinite if identical, None without a region."""
    if frame.region is None:
        return None
    mask = frame.region_mask
    truth, generated = (np.float32(region if mask is None else region[mask]) for region in frame.region)
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(truth, generated, data_range=MAX_VALUE))
