"""Cuts are detected, and nothing else is taken for one."""

from itertools import groupby, islice, pairwise

import cv2
import numpy as np
import pytest
from factories import shared_file
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from dd_tools.face.tracking.shots import number_shots, shot_slices, shots_in_order
from dd_tools.media.video import read_frames

SCENES = [data.astronaut(), np.repeat(data.camera()[..., None], 3, -1), data.coffee(), data.chelsea(), data.rocket()]


def shots_of(frames) -> list[int]:
    return [shot for _, shot in number_shots(frames)]


def pan(scene: np.ndarray, count: int, step: int = 3) -> list[np.ndarray]:
    """A camera that moves `step` pixels per frame, with grain."""
    random = np.random.default_rng(len(scene))
    windows = [scene[20:280, step * t : step * t + 240] for t in range(count)]
    return [np.clip(window + random.normal(0, 6, window.shape), 0, 255).astype(np.uint8) for window in windows]


def test_frames_pass_through_in_order():
    frames = pan(SCENES[0], 4)
    assert all(one is other for (one, _), other in zip(number_shots(frames), frames, strict=True))


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(len(SCENES))), st.lists(st.integers(2, 6), min_size=5, max_size=5))
def test_every_cut_is_detected_and_no_camera_motion(order, lengths):
    film = [frame for scene, length in zip(order, lengths, strict=True) for frame in pan(SCENES[scene], length)]
    assert shots_of(film) == list(np.repeat(range(5), lengths))


def test_a_fade_is_not_a_cut():
    still = SCENES[0][:200, :200].astype(float)
    fade = [(still * min(1, t / 25)).astype(np.uint8) for t in range(40)]
    assert set(shots_of(fade)) == {0}


def test_a_flash_and_a_fast_pan_are_not_cuts():
    still = pan(SCENES[2], 12)
    flash = [*still[:6], np.clip(still[6].astype(int) + 90, 0, 255).astype(np.uint8), *still[7:]]
    assert set(shots_of(flash)) == {0}
    lefts = [0] * 9 + [14, 34, 54, 74, 94, 114, 134, 154] + [154] * 4
    fast_pan = [SCENES[2][20:280, left : left + 240] for left in lefts]
    assert set(shots_of(fast_pan)) == {0}


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20))
def test_shots_are_slices(steps):
    shots = np.cumsum(steps)
    slices = shot_slices(shots)
    assert [shots[here].tolist() for here in slices] == [[shot] * len(list(run)) for shot, run in groupby(shots)]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 1, 1]),
        ([0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 1], [0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2]),  # turned round, in both shots
        ([3, 4, 5, 5, 5], [0] * 5),  # the last frame is held
        ([3, 4, 5, 3, 4, 5, 3], [0, 0, 0, 1, 1, 1, 2]),  # a loop that jumps back
        ([0, 2, 3, 5], [0, 1, 2, 3]),  # frames are left out
        ([4], [0]),
        ([], []),
    ],
)
def test_shots_as_frames_are_shown(frames, expected):
    assert shots_in_order(np.array(frames, int), np.array([7, 7, 7, 9, 9, 9], np.uint32)).tolist() == expected


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 300, 3), (64, 64, 3)])
def test_frames_of_any_size(shape):
    black, white = np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)
    assert shots_of([black] * 3 + [white] * 2) == [0, 0, 0, 1, 1]


CLIPS = ["heldout/vox_00473.mp4", "heldout/grid_s34.mp4", "heldout/grid_swiz3n.mp4"]
CLIPS += ["train/vox/Audio_Source_681100216.mp4", "train/grid_other/sbia1a.mp4", "train/grid_other/pwij3p.mp4"]


@pytest.mark.clips
def test_real_clips_have_no_cut_and_joined_ones_have_one():
    films = [[frame.image for frame in islice(read_frames(shared_file(f"data/{name}")), 75)] for name in CLIPS]
    for film in films:
        assert set(shots_of(film)) == {0}
    for one, other in pairwise(films):
        other = [cv2.resize(frame, one[0].shape[1::-1]) for frame in other[:1]]
        assert shots_of(one + other) == [0] * len(one) + [1]
