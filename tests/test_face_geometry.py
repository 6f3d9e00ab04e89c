"""Pose, crops, masks and the face image: against scikit-image, SciPy, slow versions and the authors' own pixels."""

from pathlib import Path

import numpy as np
import pytest
from factories import dummy_face_landmarks, dummy_pose
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtr
from skimage.draw import polygon
from skimage.morphology import dilation, erosion
from skimage.transform import estimate_transform

from dd_tools.face import geometry
from dd_tools.face.affine import invert, transform


@st.composite
def similarities(draw) -> np.ndarray:
    angle, scale = draw(st.floats(-3.1, 3.1)), draw(st.floats(5, 300))
    shift = draw(st.tuples(st.floats(-100, 2000), st.floats(-100, 2000)))
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, shift[0]], [s, c, shift[1]]])


def stable_face(pose: np.ndarray) -> np.ndarray:
    """Landmarks (68,2) whose stable points are the template's; the others are noise."""
    landmarks = np.random.default_rng(1).normal(size=(68, 2)) * 100
    landmarks[list(geometry.STABLE_POINTS)] = transform(geometry.TEMPLATE, pose)
    return landmarks


@settings(deadline=None)
@given(similarities())
def test_the_pose_is_fitted_on_the_stable_points_alone(pose):
    np.testing.assert_allclose(geometry.fit_poses(stable_face(pose)[None])[0], pose, rtol=1e-9, atol=1e-6)
    assert geometry.scale_of(pose) == pytest.approx(np.sqrt(np.linalg.det(pose[:, :2])))


@settings(deadline=None)
@given(similarities(), st.integers(0, 2**32 - 1))
def test_the_fit_of_noisy_points_is_scikit_images(pose, seed):
    landmarks = stable_face(pose)
    landmarks += np.random.default_rng(seed).normal(size=landmarks.shape) * geometry.scale_of(pose) / 20
    expected = estimate_transform("similarity", geometry.TEMPLATE, landmarks[list(geometry.STABLE_POINTS)])
    np.testing.assert_allclose(geometry.fit_poses(landmarks[None])[0], expected.params[:2], rtol=1e-7, atol=1e-6)


def test_speech_does_not_change_the_pose():
    closed, open_wide = dummy_face_landmarks(), dummy_face_landmarks(opening=0.4)
    assert np.abs(closed - open_wide).max() > 10
    poses = geometry.fit_poses(np.stack([closed, open_wide]))
    np.testing.assert_allclose(poses[0], poses[1])
    np.testing.assert_allclose(poses[0], dummy_pose(), atol=1e-4)


class TestSmoothing:
    pts = np.arange(60) / 25

    def moving(self, speed: float = 0.0) -> np.ndarray:
        poses = np.tile(dummy_pose(), (60, 1, 1))
        poses[:, 0, 2] += speed * np.arange(60)
        return poses

    def test_uniform_motion_is_kept(self):
        poses = self.moving(2.0)
        np.testing.assert_allclose(geometry.smooth_poses(poses, self.pts)[10:-10], poses[10:-10])

    def test_equally_spaced_poses_are_filtered_as_scipy_does(self):
        poses = self.moving() + np.random.default_rng(2).normal(size=(60, 2, 3))
        expected = gaussian_filter1d(poses, sigma=2.5, axis=0, radius=7)
        np.testing.assert_allclose(geometry.smooth_poses(poses, self.pts)[7:-7], expected[7:-7])

    def test_jitter_shrinks_by_the_filters_width(self):
        noise = np.random.default_rng(0).normal(size=(4000, 2, 3))
        pts = np.arange(4000) / 25
        smooth = geometry.smooth_poses(np.eye(3)[:2] * 100 + noise, pts)
        # The variance of white noise falls to 1 / (2 √π σ), with σ in frames.
        assert (smooth - smooth.mean(0)).var() == pytest.approx(1 / (2 * np.sqrt(np.pi) * 2.5), rel=0.1)

    def test_the_width_is_in_seconds_for_unequal_frame_times(self):
        """A Gaussian turns a step into the normal distribution function."""
        steps = np.random.default_rng(3).uniform(0.5, 1.5, 4000)
        pts = np.cumsum(steps) / 1000 - 2
        smooth = geometry.gaussian_average((pts > 0).astype(float), pts, 0.1)
        np.testing.assert_allclose(smooth, ndtr(pts / 0.1), atol=0.01)

    def test_nothing_is_averaged_across_a_cut(self):
        values = np.random.default_rng(0).normal(size=(60, 3))
        shots = np.repeat([0, 4, 5], [20, 1, 39])
        apart = [geometry.gaussian_average(values[part], self.pts[part], 0.1) for part in np.split(range(60), [20, 21])]
        np.testing.assert_allclose(
            geometry.gaussian_average(values, self.pts, 0.1, shots), np.concatenate(apart), atol=1e-12
        )

    def test_a_jump_is_not_smoothed(self):
        poses = self.moving()
        poses[30:, 0, 2] += 200
        np.testing.assert_allclose(geometry.smooth_poses(poses, self.pts), poses)

    def test_gaps_are_interpolated_and_ends_extended(self):
        poses = self.moving()
        poses[40:, 0, 2] += 8.0
        poses[[*range(5), *range(30, 40), 59]] = np.nan
        smooth = geometry.smooth_poses(poses, self.pts)
        start = dummy_pose()[0, 2]
        np.testing.assert_allclose(smooth[[0, 4, 59], 0, 2], [start, start, start + 8])
        np.testing.assert_allclose(smooth[29:41, 0, 2], start + 8 * np.arange(12) / 11)

    def test_no_pose_is_an_error(self):
        with pytest.raises(ValueError, match="no pose"):
            geometry.smooth_poses(np.full((3, 2, 3), np.nan), np.arange(3.0))


@settings(deadline=None)
@given(similarities(), st.sampled_from([64, 96, 128, 256]))
def test_the_face_lies_in_the_face_crop_as_in_the_template(pose, size):
    crop = geometry.face_crops(pose[None], size)[0]
    scale = size / geometry.FACE_SIDE
    expected = (geometry.TEMPLATE - geometry.FACE_CENTRE) * scale + (size - 1) / 2
    found = transform(transform(geometry.TEMPLATE, pose), invert(crop))
    np.testing.assert_allclose(found, expected, atol=1e-6 * size)


def test_the_face_crop_contains_brows_and_the_chin_of_an_open_mouth():
    landmarks = dummy_face_landmarks(opening=0.3)
    assert landmarks[:27].min() > 2
    assert landmarks[:27].max() < 94


class TestHeadCrop:
    def crops(self, pose, width, height, size=128, drift=0.0):
        poses = np.tile(pose, (20, 1, 1))
        poses[:, 0, 2] += np.linspace(0, drift, 20)
        landmarks = np.stack([dummy_face_landmarks(one) for one in poses])
        return geometry.head_crops(poses, landmarks, width, height, size), landmarks

    def pose(self, x, y, scale):
        return np.array([[scale, 0.0, x], [0, scale, y]])

    def test_is_one_square_of_whole_pixels_inside_the_frame(self):
        crops, _ = self.crops(self.pose(900, 400, 60), 1920, 1080)
        np.testing.assert_array_equal(crops, np.tile(crops[0], (20, 1, 1)))
        left, top = transform(np.array([-0.5, -0.5]), crops[0]) + 0.5
        side = 128 * crops[0, 0, 0]
        assert side == pytest.approx(60 * geometry.HEAD_SIDE)
        assert (left, top) == pytest.approx((round(left), round(top)))
        share = (np.array([900, 400]) + 0.5 - (left, top)) / side
        np.testing.assert_allclose(share, geometry.HEAD_EYES, atol=0.01)

    @pytest.mark.parametrize("place", [(60, 90), (1890, 500), (1000, 1040), (40, 1050)])
    def test_stays_inside_near_the_frames_border(self, place):
        crops, _ = self.crops(self.pose(*place, 50), 1920, 1080)
        corners = transform(np.array([(-0.5, -0.5), (127.5, 127.5)]), crops[0]) + 0.5
        assert corners.min() > -1e-6
        assert (corners[1] <= np.array([1920, 1080]) + 1e-6).all()

    def test_contains_a_moving_face(self):
        crops, landmarks = self.crops(self.pose(500, 500, 50), 1920, 1080, drift=600)
        seen = transform(landmarks, invert(crops[0]))
        assert seen.min() >= -0.5
        assert seen.max() <= 127.5

    def test_stays_among_positions_too_far_apart_for_one_square(self):
        crops, landmarks = self.crops(self.pose(200, 500, 80), 1920, 1080, drift=1500)
        seen = transform(landmarks, invert(crops[0]))
        assert ((seen > 0) & (seen < 127)).all((1, 2)).sum() >= 5

    def test_a_frame_that_is_already_cropped_is_used_whole(self):
        crops, _ = self.crops(self.pose(130, 120, 48), 256, 256, size=256)
        np.testing.assert_array_equal(crops[0], np.eye(3)[:2])


@pytest.mark.parametrize("size", [64, 96, 256])
def test_the_steady_mask_is_an_ellipse(size):
    mask = geometry.steady_mask(dummy_pose(size), size)
    y, x = np.mgrid[:size, :size]
    places = transform(np.stack([x, y], -1).astype(float), invert(dummy_pose(size)))
    radius = np.hypot(*np.moveaxis((places - geometry.STEADY_CENTRE) / geometry.STEADY_RADII, -1, 0))
    pixel = geometry.FACE_SIDE / size / min(geometry.STEADY_RADII)
    assert mask[radius < 1 - pixel].all()
    assert not mask[radius > 1 + pixel].any()
    assert set(np.unique(mask)) == {0, 1}


def test_the_steady_mask_covers_the_open_mouth_and_chin():
    mask = geometry.steady_mask(dummy_pose(), 96)
    for aperture in (0, 0.3):
        for x, y in np.rint(dummy_face_landmarks(opening=aperture)[[*range(5, 12), *range(48, 68)]]).astype(int):
            assert mask[y, x]


def slow_paper_mask(landmarks, size, top):
    """Slow version: the polygon drawn and dilated by scikit-image."""
    right, chin, left, height = landmarks[6], landmarks[8], landmarks[10], landmarks[top, 1]
    corners = np.trunc([(right[0], height), (left[0], height), left, (chin[0], chin[1] + 5 * size / 256), right])
    region = np.zeros((size, size), bool)
    region[polygon(corners[:, 1], corners[:, 0], (size, size))] = True
    radius = round(8 * size / 256)
    return dilation(region, np.ones((2 * radius + 1, 2 * radius + 1), bool))


@settings(deadline=None)
@given(st.floats(-0.4, 0.4), st.floats(0, 0.3), st.sampled_from([96, 128, 256]), st.sampled_from([21, 30]))
def test_the_papers_mask_is_the_authors_polygon(roll, aperture, size, top):
    pose = dummy_pose(size)
    pose[:, :2] = pose[:, :2] @ np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    landmarks = dummy_face_landmarks(pose, aperture)
    found, slow = geometry.paper_mask(landmarks, size, top).astype(bool), slow_paper_mask(landmarks, size, top)
    # The two libraries differ in whether a pixel on the outline is inside.
    band = np.ones((5, 5), bool)
    assert not (found & ~dilation(slow, band)).any()
    assert not (erosion(slow, band) & ~found).any()


@settings(deadline=None)
@given(st.floats(0, 0.3), st.booleans(), st.sampled_from([17, 37, 53, 96, 101, 127]))
def test_the_face_image_is_the_masked_box_stretched_by_nearest_neighbour(aperture, eyes, size):
    frame = np.random.default_rng(0).integers(1, 256, (96, 96, 3), np.uint8)
    landmarks = dummy_face_landmarks(opening=aperture)
    region = geometry.paper_mask(landmarks, 96, 21 if eyes else 30).astype(bool)
    rows, columns = np.flatnonzero(region.any(1))[:-1], np.flatnonzero(region.any(0))[:-1]
    # Where a quotient below is an integer, the result depends on OpenCV's rounding.
    assume(all(index * len(axis) % size for axis in (rows, columns) for index in range(1, size)))
    masked = np.where(region[..., None], frame, 0)[np.ix_(rows, columns)]
    pick = [np.arange(size) * len(axis) // size for axis in (rows, columns)]
    np.testing.assert_array_equal(geometry.face_image(frame, landmarks, size, eyes), masked[np.ix_(*pick)])


@pytest.mark.parametrize("place", [(-1000, 0), (0, 5000), (95, 95)])
def test_a_face_image_of_a_face_outside_the_crop_has_its_size(place):
    landmarks = dummy_face_landmarks() + np.float32(place)
    assert geometry.face_image(np.zeros((96, 96, 3), np.uint8), landmarks, 32).shape == (32, 32, 3)


@pytest.mark.parametrize("which", ["1", "2"])
def test_masks_and_face_image_equal_the_authors_pixels(which):
    golden = np.load(Path(__file__).parent / "golden/masks.npz")
    landmarks = golden[f"landmarks{which}"]
    for name, top in (("paint", 30), ("eyes", 21)):
        expected = np.unpackbits(golden[f"{name}_packed{which}"]).reshape(256, 256)
        np.testing.assert_array_equal(geometry.paper_mask(landmarks, 256, top), expected)
    face = geometry.face_image(golden[f"frame{which}"], landmarks, 256)
    np.testing.assert_array_equal(face, golden[f"face{which}"])
