"""Cuts are found, and nothing else is taken for one."""

from itertools import islice, pairwise

import cv2
import numpy as np
import pytest
from factories import shared_file
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data

from dd_tools.face.shots import in_shots
from dd_tools.media.video import read_frames

SCENES = [data.astronaut(), np.repeat(data.camera()[..., None], 3, -1), data.coffee(), data.chelsea(), data.rocket()]


def shots_of(images) -> list[int]:
    return [shot for _, shot in in_shots(images)]


def pan(scene: np.ndarray, count: int, step: int = 3) -> list[np.ndarray]:
    """A camera that moves `step` pixels a frame, with grain."""
    random = np.random.default_rng(len(scene))
    windows = [scene[20:280, step * t : step * t + 240] for t in range(count)]
    return [np.clip(window + random.normal(0, 6, window.shape), 0, 255).astype(np.uint8) for window in windows]


def test_images_pass_through_in_order():
    images = pan(SCENES[0], 4)
    assert all(one is other for (one, _), other in zip(in_shots(images), images, strict=True))


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(len(SCENES))), st.lists(st.integers(2, 6), min_size=5, max_size=5))
def test_every_cut_is_found_and_no_motion_is_one(order, lengths):
    film = [image for scene, length in zip(order, lengths, strict=True) for image in pan(SCENES[scene], length)]
    assert shots_of(film) == list(np.repeat(range(5), lengths))


def test_fades_and_exposure_are_no_cuts():
    still = SCENES[0][:200, :200].astype(float)
    fade = [(still * min(1, t / 25)).astype(np.uint8) for t in range(40)]
    assert set(shots_of(fade)) == {0}


def test_a_flash_and_a_swing_of_the_camera_are_no_cuts():
    calm = pan(SCENES[2], 12)
    flash = [*calm[:6], np.clip(calm[6].astype(int) + 90, 0, 255).astype(np.uint8), *calm[7:]]
    assert set(shots_of(flash)) == {0}
    swing = [SCENES[2][20:280, left : left + 240] for left in [0] * 9 + [14, 34, 54, 74, 94, 114, 134, 154] + [154] * 4]
    assert set(shots_of(swing)) == {0}


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 300, 3), (64, 64, 3)])
def test_any_size_will_do(shape):
    black, white = np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8)
    assert shots_of([black] * 3 + [white] * 2) == [0, 0, 0, 1, 1]


CLIPS = ["heldout/vox_00473.mp4", "heldout/grid_s34.mp4", "heldout/grid_swiz3n.mp4"]
CLIPS += ["train/vox/Audio_Source_681100216.mp4", "train/grid_other/sbia1a.mp4", "train/grid_other/pwij3p.mp4"]


@pytest.mark.clips
def test_real_clips_have_none_and_joined_ones_as_many_as_seams():
    films = [[frame.image for frame in islice(read_frames(shared_file(f"data/{name}")), 75)] for name in CLIPS]
    for film in films:
        assert set(shots_of(film)) == {0}
    for one, other in pairwise(films):
        other = [cv2.resize(image, one[0].shape[1::-1]) for image in other[:1]]
        assert shots_of(one + other) == [0] * len(one) + [1]
