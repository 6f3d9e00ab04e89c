"""Picture quality against the truth: PSNR, SSIM, and what changed where nothing should have."""

import cv2
import numpy as np
import skimage
from skimage.metrics import peak_signal_noise_ratio

from dd_tools.evaluation.frames import FramePair
from dd_tools.evaluation.measure import Better, Label

WHITE = 255
SSIM_WINDOW, SSIM_SIGMA = 11, 1.5  # pixels, Gaussian (Wang et al. 2004)
SSIM_RIM = SSIM_WINDOW // 2  # pixels; nearer to the rim the window is not full
SSIM_C1, SSIM_C2 = (0.01 * WHITE) ** 2, (0.03 * WHITE) ** 2

PSNR = Label(
    "psnr", "PSNR", "dB", Better.HIGHER, 2, f"skimage-{skimage.__version__},rgb,frame-mean,identical-frames-left-out"
)
SSIM = Label(
    "ssim", "SSIM", "", Better.HIGHER, 3,
    f"rgb,gaussian-{SSIM_WINDOW}x{SSIM_WINDOW}-sigma{SSIM_SIGMA},population-covariance,whole-windows",
)  # fmt: skip
LPIPS = Label("lpips", "LPIPS", "", Better.LOWER, 3, "none")  # measured in `dd_tools.evaluation.perceptual`
OUTSIDE = Label("outside_error", "outside", "grey levels", Better.LOWER, 2, "mean-absolute,all-but-lower-face")


def psnr(frame: FramePair) -> float | None:
    """Peak signal-to-noise ratio of the region in dB, over all its RGB values; infinite where it is identical."""
    if frame.region is None:
        return None
    truth, generated = (np.float32(image if frame.inside is None else image[frame.inside]) for image in frame.region)
    with np.errstate(divide="ignore"):
        return float(peak_signal_noise_ratio(truth, generated, data_range=WHITE))


def ssim(frame: FramePair) -> float | None:
    """Structural similarity of the region, −1 … 1 (Wang et al. 2004), mean over pixels and channels."""
    if frame.region is None:
        return None
    rim = slice(SSIM_RIM, -SSIM_RIM)
    similarity = similarity_map(*frame.region)[rim, rim]
    return float((similarity if frame.inside is None else similarity[frame.inside[rim, rim]]).mean())


def similarity_map(truth: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Eq. 13 of Wang et al. 2004 at every pixel and channel: float32 (H,W,3) of images uint8 (H,W,3).

    As scikit-image's, in a fifth of its time. Variances are taken around the mean, whose squares float32 holds well.
    """
    grey = np.float32(truth.mean())
    x, y = truth - grey, generated - grey
    mean_x, mean_y = _windowed(x), _windowed(y)
    covariance = _windowed(x * y) - mean_x * mean_y
    variances = _windowed(x * x + y * y) - mean_x * mean_x - mean_y * mean_y
    mean_x, mean_y = mean_x + grey, mean_y + grey
    alike = (2 * mean_x * mean_y + SSIM_C1) * (2 * covariance + SSIM_C2)
    return alike / ((mean_x * mean_x + mean_y * mean_y + SSIM_C1) * (variances + SSIM_C2))


def _windowed(values: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(values, (SSIM_WINDOW, SSIM_WINDOW), SSIM_SIGMA)


def outside_error(frame: FramePair) -> float | None:
    """Mean absolute difference of all but the lower face, in grey levels: codec noise if only lips were painted.

    None for pictures moved to the truth's framing: what surrounds the face was resampled or invented.
    """
    if frame.lower_face is None or frame.generated.original is not None:
        return None
    truth, generated = frame.whole
    height, width = truth.shape[:2]
    left, top, right, bottom = np.rint(frame.lower_face * (width, height, width, height)).astype(int)
    difference = np.abs(np.int16(truth) - generated)
    inside = difference[top:bottom, left:right]
    if inside.size == difference.size:
        return None
    return (int(difference.sum()) - int(inside.sum())) / (difference.size - inside.size)
