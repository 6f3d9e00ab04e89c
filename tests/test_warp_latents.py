"""Latents that end in landmarks: lip aperture, the closed mouth, and landmarks between crop and frontal face."""

import numpy as np
import pytest
import torch
from factories import dummy_clip, dummy_latents, dummy_lips
from hypothesis import given
from hypothesis import strategies as st

from dd_tools.face.head_pose import fit_cameras, turned
from dd_tools.face.landmarks import LOWER_INNER_LIP, MOUTH_REGION, NOSE_TIP, UPPER_INNER_LIP, lip_aperture
from dd_tools.formats.clip import Clip
from dd_tools.warp.latents import (
    HeadCameras,
    closed_mouth,
    codes_of,
    end_in_landmarks,
    latent_aperture,
    relative_to_crop,
)


def faces(apertures) -> torch.Tensor:
    """Latents (1, N, 66) of noise but for the inner lips, which are apart by `apertures` (N,), on a slant."""
    apertures = torch.as_tensor(apertures, dtype=torch.float32)
    latents = torch.randn(1, len(apertures), 66, generator=torch.Generator().manual_seed(1))
    points = latents[0, :, -50:].view(-1, 25, 2)
    upper, lower = ([MOUTH_REGION.index(point) for point in lip] for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP))
    points[:, lower] = points[:, upper] + torch.stack([torch.full_like(apertures, 0.1), apertures], -1)[:, None]
    return latents


def test_lips_open_downwards_and_may_overlap():
    apertures = [0.3, 0.0, -0.1]
    torch.testing.assert_close(latent_aperture(faces(apertures)), torch.tensor([apertures]), atol=1e-6, rtol=0)


def test_the_aperture_of_a_drawn_face_is_that_of_its_landmarks(tmp_path):
    """In interocular distances, 96 / 2.9 pixels of a crop of 96, but for the drawing's ears, which are off."""
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=12, size=96)) as clip:
        cameras, frames = HeadCameras(clip), np.arange(12)
        points = cameras.to_frontal(clip.landmarks[:, MOUTH_REGION], frames).reshape(12, 50)
        found = latent_aperture(torch.from_numpy(points)).numpy()
        np.testing.assert_allclose(found, lip_aperture(clip.landmarks) / (96 / 2.9), rtol=0.2)
        assert np.corrcoef(found, lip_aperture(clip.landmarks))[0, 1] > 0.995


def test_the_closed_mouth_is_the_mean_of_the_tenth_with_the_smallest_aperture():
    latents = faces(torch.linspace(0.4, 0.1, 30))
    torch.testing.assert_close(closed_mouth(latents), latents[:, -3:].mean(1))
    torch.testing.assert_close(closed_mouth(latents[:, :5]), latents[:, 4])
    shorter = torch.arange(30)[None] < 15
    torch.testing.assert_close(closed_mouth(latents, shorter), latents[:, 13:15].mean(1))


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_the_closed_mouth_does_not_depend_on_the_order_of_the_latents(count, seed):
    random = np.random.default_rng(seed)
    latents = faces(random.standard_normal(count))
    shuffled = latents[:, random.permutation(count)]
    torch.testing.assert_close(closed_mouth(shuffled), closed_mouth(latents), atol=1e-5, rtol=1e-5)
    assert latent_aperture(closed_mouth(latents)) <= latent_aperture(latents).mean() + 1e-5


def test_latents_of_a_frontal_face_are_told_from_others():
    assert end_in_landmarks(dummy_lips(20, 66)) and end_in_landmarks(dummy_lips(20, 128))
    assert not end_in_landmarks(dummy_latents(20, 66))
    assert not end_in_landmarks(dummy_lips(20, 66)[:, -50:])  # no appearance code
    mirrored = dummy_lips(20, 66)
    mirrored[:, -50::2] *= -1
    upside_down = dummy_lips(20, 66)
    upside_down[:, -49::2] *= -1
    assert not end_in_landmarks(mirrored) and not end_in_landmarks(upside_down)


@pytest.fixture
def clip(tmp_path):
    """A head that looks ahead and from frame 15 on is turned."""
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=30, unusable=[4])) as clip:
        clip.landmarks[15:, NOSE_TIP] += (3, 1)
        yield clip


def test_landmarks_come_back_to_where_they_were_in_the_crop(clip):
    cameras, frames = HeadCameras(clip), clip.usable
    points = cameras.to_frontal(clip.landmarks[frames][:, MOUTH_REGION], frames).reshape(len(frames), 50)
    codes = dummy_latents(len(frames), 16)
    latents = np.concatenate([codes, points], axis=1)
    back = cameras.to_crop(latents, frames)
    assert np.array_equal(codes_of(latents), codes)
    # The centre of the crop's first pixel is half a pixel inside its edge, which is -1.
    np.testing.assert_allclose((back + 1) * clip.size / 2 - 0.5, clip.landmarks[frames][:, MOUTH_REGION], atol=1e-4)


def test_the_corners_of_the_crop_are_at_one():
    np.testing.assert_allclose(relative_to_crop(np.array([[-0.5, -0.5], [31.5, 31.5], [15.5, 0]]), 32), [
        [-1, -1], [1, 1], [0, -31 / 32],
    ])  # fmt: skip


def test_the_landmarks_of_a_latent_turn_with_the_head(clip):
    """The same frontal mouth on two frames is moved from one to the other as the frames' cameras say."""
    cameras, ahead, turn = HeadCameras(clip), np.array([0]), np.array([29])
    own = clip.landmarks[[0]][:, MOUTH_REGION]
    latent = np.concatenate([np.zeros((1, 16)), cameras.to_frontal(own, ahead).reshape(1, 50)], axis=1)
    placed = (cameras.to_crop(latent, turn) + 1) * clip.size / 2 - 0.5
    camera = fit_cameras(clip.landmarks[clip.usable], clip.pts[clip.usable])[[-1]]
    np.testing.assert_allclose(placed, turned(latent[:, -50:].reshape(1, 25, 2), camera), atol=1e-4)
    assert np.abs(placed - own).max() > 0.5


def test_the_head_of_one_shot_does_not_turn_the_head_of_the_next(tmp_path):
    """The head stands still in both shots, so that each camera is that of its frame alone."""
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=20, unusable=[4], cuts=[9])) as clip:
        clip.landmarks[:] = clip.landmarks[0]
        clip.landmarks[9:, NOSE_TIP] += (3, 1)
        cameras = HeadCameras(clip).cameras
        for frame in clip.usable:
            alone = fit_cameras(clip.landmarks[[frame]], np.zeros(1))[0]
            np.testing.assert_allclose(cameras[frame, :, 2], alone[:, 2], atol=1e-4)


def test_frames_without_a_face_have_no_camera(clip):
    cameras = HeadCameras(clip).cameras
    assert np.isnan(cameras[4]).all() and np.isfinite(cameras[clip.usable]).all()
