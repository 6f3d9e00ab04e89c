"""Augmentation of the warp motion model's samples: another face, and silence."""

import numpy as np
import pytest
import torch
from factories import dummy_latents
from hypothesis import given, settings
from hypothesis import strategies as st

from dd_tools.warp.motion_augmentation import (
    CLOSING,
    GAIN_STD,
    MIN_REFERENCES,
    OTHER_FACE,
    SILENCE,
    SILENCE_LENGTH,
    as_other_face,
    with_silence,
)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def latents(count: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(dummy_latents(count, 4, seed=seed)).double()


@pytest.mark.parametrize("references", [MIN_REFERENCES - 1, MIN_REFERENCES, 75])
def test_another_face_says_the_same_from_elsewhere_and_more_or_less_widely(references):
    """Reference and target are moved by the difference, or not at all, and scaled alike about their own means."""
    reference, target, difference = latents(references), latents(50, seed=1), torch.arange(4.0, dtype=torch.float64)
    gains, shifts = [], []
    for seed in range(200):
        closed = reference[references // 2]
        moved, changed, shut = as_other_face(reference, target, closed, difference, generator(seed))
        shift = (changed.mean(0) - target.mean(0)) / difference.clamp(min=1)
        shifts.append(shift[1:].mean().item())
        assert shift[1:].std() < 1e-9 and min(abs(shifts[-1]), abs(shifts[-1] - 1)) < 1e-9
        gain = (changed - changed.mean(0)) / (target - target.mean(0))
        assert (gain - gain.mean()).abs().max() < 1e-6
        expected = reference.mean(0) + shifts[-1] * difference + gain.mean() * (reference - reference.mean(0))
        torch.testing.assert_close(moved, expected)
        torch.testing.assert_close(shut, moved[references // 2])  # a face that is among the references stays there
        gains.append(gain.mean().log().item())
    assert np.mean(shifts) == pytest.approx(OTHER_FACE, abs=0.1)
    if references < MIN_REFERENCES:
        assert np.abs(gains).max() < 1e-9
    else:
        assert (np.mean(gains), np.std(gains)) == pytest.approx((0, GAIN_STD), abs=0.06)


def insert(length: int, seed: int, quiet: torch.Tensor | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Speech of ones (2 T,), a face at 1 (T,) whose closed mouth is 0, and the degree, with zeros as silence."""
    quiet = torch.zeros(1, 150, 3) if quiet is None else quiet
    clip = torch.ones(1, 2 * length, 3), torch.ones(length, 4)
    speech, target, degree = with_silence(*clip, quiet, torch.zeros(4), generator(seed))
    assert (clip[0] == 1).all() and (clip[1] == 1).all()  # the clip itself stays as it is
    assert (target == target[:, :1]).all()
    return speech[0].numpy(), target[:, 0].numpy(), degree.numpy()


def first_seed(length: int, start: int, silent: int) -> int:
    """The first seed with which a silence of so many latents begins at `start`."""
    for seed in range(100_000):
        _, _, degree = insert(length, seed)
        found = np.flatnonzero(degree)
        if len(found) == silent and found[0] == start:
            return seed
    raise AssertionError("no such silence")


@pytest.mark.parametrize(
    ("length", "start", "silent", "face"),
    [
        # In the middle the mouth takes four latents to close, and as many to open.
        (16, 3, 10, [1, 1, 1, 0.75, 0.5, 0.25, 0, 0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1]),
        # At the ends of a sample it is closed already.
        (14, 0, 10, [0, 0, 0, 0, 0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1]),
        (14, 4, 10, [1, 1, 1, 1, 0.75, 0.5, 0.25, 0, 0, 0, 0, 0, 0, 0]),
        (6, 0, 6, [0] * 6),
    ],
)
def test_a_mouth_closes_in_silence_and_opens_before_it_speaks_again(length, start, silent, face):
    speech, target, degree = insert(length, first_seed(length, start, silent))
    np.testing.assert_allclose(target, face)
    np.testing.assert_allclose(degree, 1 - np.array(face))
    expected = np.ones(2 * length)
    expected[2 * start : 2 * (start + silent)] = 0
    assert np.array_equal(speech, expected[:, None].repeat(3, 1))


@given(st.integers(1, 200), st.integers(0, 2**31))
@settings(deadline=None)
def test_a_silence_is_one_stretch_in_which_the_mouth_closes_gradually(length, seed):
    speech, target, degree = insert(length, seed)
    silent = np.flatnonzero(degree)
    assert np.array_equal(speech[::2, 0] == 0, degree > 0) and np.array_equal(speech[1::2], speech[::2])
    np.testing.assert_allclose(target, 1 - degree)
    if len(silent):
        assert np.array_equal(silent, np.arange(silent[0], silent[-1] + 1))
        assert min(SILENCE_LENGTH[0], length) <= len(silent) <= SILENCE_LENGTH[1]
        assert degree.max() == 1 and np.abs(np.diff(target)).max(initial=0) <= 1 / CLOSING + 1e-6


def test_three_of_ten_samples_have_a_silence():
    share = np.mean([insert(100, seed)[2].any() for seed in range(1000)])
    assert share == pytest.approx(SILENCE, abs=0.05) and SILENCE == 0.3


def test_values_that_a_silence_does_not_know_are_those_of_the_speech():
    quiet = torch.tensor([torch.nan, 0.0, torch.nan]).expand(1, 200, 3)
    for seed in range(10):
        speech, _, degree = insert(100, seed, quiet)
        assert (speech[:, [0, 2]] == 1).all() and np.array_equal(speech[::2, 1] == 0, degree > 0)
