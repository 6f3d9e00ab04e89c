"""Picture quality against the truth: PSNR, SSIM, and what changed where nothing should have."""

import numpy as np
import skimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measure import Better, Label

WHITE = 255
SSIM_WINDOW = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}  # Wang et al. 2004: 11 × 11
SSIM_RADIUS = 5  # pixels; nearer to the rim the window is not full

_LIBRARY = f"skimage-{skimage.__version__}"
PSNR = Label("psnr", "PSNR", "dB", Better.HIGHER, 2, f"{_LIBRARY},rgb,frame-mean,identical-frames-left-out")
SSIM = Label("ssim", "SSIM", "", Better.HIGHER, 3, f"{_LIBRARY},rgb,gaussian-11x11-sigma1.5,population-covariance")
OUTSIDE = Label("outside_error", "outside", "grey levels", Better.LOWER, 2, "mean-absolute,all-but-lower-face")


def psnr(frame: FramePair) -> float | None:
    """Peak signal-to-noise ratio of the region in dB, over all its RGB values; infinite where it is identical."""
    if frame.region is None:
        return None
    truth, generated = (np.float32(image if frame.inside is None else image[frame.inside]) for image in frame.region)
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(truth, generated, data_range=WHITE))


def ssim(frame: FramePair) -> float | None:
    """Structural similarity of the region, −1 … 1 (Wang et al. 2004), mean of the three channels' maps."""
    if frame.region is None:
        return None
    truth, generated = map(np.float32, frame.region)
    options = {"data_range": WHITE, "channel_axis": -1, **SSIM_WINDOW}
    if frame.inside is None:
        return float(structural_similarity(truth, generated, **options))
    _, similarity = structural_similarity(truth, generated, full=True, **options)
    rim = slice(SSIM_RADIUS, -SSIM_RADIUS)
    return float(similarity[rim, rim][frame.inside[rim, rim]].mean())


def outside_error(frame: FramePair) -> float | None:
    """Mean absolute difference of all but the lower face, in grey levels: codec noise if only lips were painted."""
    if frame.lower_face is None:
        return None
    truth, generated = frame.whole
    height, width = truth.shape[:2]
    left, top, right, bottom = np.rint(frame.lower_face * (width, height, width, height)).astype(int)
    difference = np.abs(np.int16(truth) - generated)
    inside = difference[top:bottom, left:right]
    if inside.size == difference.size:
        return None
    return (int(difference.sum()) - int(inside.sum())) / (difference.size - inside.size)
