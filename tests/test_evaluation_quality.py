"""PSNR, SSIM and the error outside the lower face: literal values, and SSIM against its formula in NumPy."""

import math

import numpy as np
import pytest
from factories import dummy_face_landmarks, dummy_marked_face
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from dd_tools.evaluation.frames import FULL, LOWER_FACE, MASK, FaceFrame, FramePair
from dd_tools.evaluation.measures.frame_mean import FrameMean
from dd_tools.evaluation.measures.interface import Better, Label
from dd_tools.evaluation.measures.outside import outside_error
from dd_tools.evaluation.measures.psnr import PSNR, psnr
from dd_tools.evaluation.measures.ssim import SSIM, ssim


def noisy_pair(sigma: float, region: str = FULL) -> FramePair:
    face, landmarks = dummy_marked_face(), dummy_face_landmarks(opening=0.1)
    noise = np.random.default_rng(5).normal(0, sigma, face.shape)
    noisy = np.clip(np.rint(face + noise), 0, 255).astype(np.uint8)
    return FramePair(FaceFrame(face, landmarks), FaceFrame(noisy, landmarks), region)


def plain_ssim_map(truth: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Eq. 13 of Wang et al. 2004 on one channel, wherever their 11 × 11 Gaussian window fits."""
    ramp = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = ramp / ramp.sum()

    def mean(values):
        rows = np.apply_along_axis(np.convolve, 1, values, weights, "valid")
        return np.apply_along_axis(np.convolve, 0, rows, weights, "valid")

    x, y = truth.astype(np.float64), generated.astype(np.float64)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    return (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))


@pytest.mark.parametrize("region", [FULL, MASK, LOWER_FACE])
@pytest.mark.parametrize(("levels", "decibels"), [(1, 48.1308), (10, 28.1308), (255, 0)])
def test_psnr_of_frames_that_differ_by_a_constant(levels, decibels, region):
    black, landmarks = np.zeros((96, 96, 3), np.uint8), dummy_face_landmarks(opening=0.1)
    frame = FramePair(FaceFrame(black, landmarks), FaceFrame(black + np.uint8(levels), landmarks), region)
    assert psnr(frame) == pytest.approx(decibels, abs=1e-4)


def test_psnr_ignores_what_the_mask_leaves_out():
    frame = noisy_pair(12, MASK)
    before, (truth, generated) = psnr(frame), frame.region
    frame.region = truth, np.where(frame.region_mask[..., None], generated, 255 - generated)
    assert psnr(frame) == before


@pytest.mark.parametrize("region", [FULL, MASK, LOWER_FACE])
def test_ssim_is_wangs_formula_on_each_channel(region):
    frame = noisy_pair(12, region)
    maps = np.mean([plain_ssim_map(*(one[..., c] for one in frame.region)) for c in range(3)], axis=0)
    inside = np.ones(maps.shape, bool) if frame.region_mask is None else frame.region_mask[5:-5, 5:-5]
    assert ssim(frame) == pytest.approx(maps[inside].mean(), abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 255), st.floats(0, 80), st.floats(0, 60), st.integers(0, 2**32 - 1))
def test_ssim_in_single_precision_is_close_to_double(level, contrast, noise, seed):
    random = np.random.default_rng(seed)
    truth = np.clip(level + random.normal(0, 1, (256, 256, 3)) * contrast, 0, 255).astype(np.uint8)
    generated = np.clip(truth + random.normal(0, 1, truth.shape) * noise, 0, 255).astype(np.uint8)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    expected = structural_similarity(*map(np.float64, (truth, generated)), channel_axis=-1, **options)
    assert ssim(FramePair(FaceFrame(truth, None), FaceFrame(generated, None), FULL)) == pytest.approx(
        expected, abs=1e-5
    )


def test_identical_frames_are_infinitely_good():
    frame = noisy_pair(0)
    assert psnr(frame) == math.inf
    assert ssim(frame) == 1
    assert outside_error(frame) == 0
    assert (PSNR.text(math.inf), SSIM.text(1.0)) == ("inf", "1.000")


def test_without_a_face_in_the_truth_nothing_is_measured():
    blind = FramePair(FaceFrame(dummy_marked_face(), None), FaceFrame(dummy_marked_face(), dummy_face_landmarks()))
    assert (psnr(blind), ssim(blind), outside_error(blind)) == (None, None, None)


def test_outside_error_covers_everything_but_the_lower_face():
    face, landmarks = dummy_marked_face(size=256), dummy_face_landmarks(opening=0.1)
    truth = FaceFrame(np.minimum(face, 250), landmarks)
    left, top, right, bottom = np.rint(FramePair(truth, truth).lower_face * 256).astype(int)
    lips, rest = truth.pixels.copy(), truth.pixels + np.uint8(5)
    lips[top:bottom, left:right] = 0
    rest[top:bottom, left:right] = 0
    assert outside_error(FramePair(truth, FaceFrame(lips, None))) == 0
    assert outside_error(FramePair(truth, FaceFrame(rest, None))) == 5


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([1.0, 2.0, 6.0], 3.0),
        ([1.0, None, 3.0], 2.0),
        ([30.0, math.inf, 20.0], 25.0),
        ([math.inf, math.inf], math.inf),
        ([None, None], math.nan),
        ([], math.nan),
    ],
)
def test_mean_over_frames(values, mean):
    remaining = iter(values)
    measure = FrameMean(Label("x", "X", "", Better.HIGHER, 2, ""), lambda frame: next(remaining))
    for _ in values:
        measure.add(None)
    assert measure.results() == (pytest.approx(mean, nan_ok=True),)
