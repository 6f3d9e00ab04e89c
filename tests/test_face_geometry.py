"""Pose, crops, masks and the face image: against closed forms, slow obvious versions and the authors' own pixels."""

from pathlib import Path

import numpy as np
import pytest
from factories import dummy_face_landmarks, dummy_pose
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from skimage.draw import polygon
from skimage.morphology import dilation, erosion

from dd_tools.face import geometry
from dd_tools.face.warping import inverted, transform

LIPS_AND_JAW = [*range(0, 17), *range(48, 68)]


@st.composite
def similarities(draw) -> np.ndarray:
    angle, scale = draw(st.floats(-3.1, 3.1)), draw(st.floats(5, 300))
    shift = draw(st.tuples(st.floats(-100, 2000), st.floats(-100, 2000)))
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, shift[0]], [s, c, shift[1]]])


def stable_face(pose: np.ndarray) -> np.ndarray:
    """Landmarks (68,2) whose stable points are the template's; the rest is nonsense."""
    landmarks = np.random.default_rng(1).normal(size=(68, 2)) * 100
    landmarks[list(geometry.STABLE_POINTS)] = transform(geometry.TEMPLATE, pose)
    return landmarks


@settings(deadline=None)
@given(similarities())
def test_the_fit_finds_the_similarity_from_the_stable_points_alone(pose):
    np.testing.assert_allclose(geometry.fit_poses(stable_face(pose)[None])[0], pose, rtol=1e-9, atol=1e-6)
    assert geometry.scale_of(pose) == pytest.approx(np.sqrt(np.linalg.det(pose[:, :2])))


@settings(deadline=None)
@given(similarities(), st.integers(0, 2**32 - 1))
def test_the_fit_is_the_best_one(pose, seed):
    """Of noisy points: no small change of the four numbers comes closer to them."""
    rng = np.random.default_rng(seed)
    landmarks = stable_face(pose)
    landmarks += rng.normal(size=landmarks.shape) * geometry.scale_of(pose) / 20

    def error(a: float, b: float, x: float, y: float) -> float:
        fitted = transform(geometry.TEMPLATE, np.array([[a, -b, x], [b, a, y]]))
        return np.sum((fitted - landmarks[list(geometry.STABLE_POINTS)]) ** 2)

    (a, _, x), (b, _, y) = geometry.fit_poses(landmarks[None])[0]
    least = error(a, b, x, y)
    for step in np.concatenate([np.eye(4), -np.eye(4)]) * geometry.scale_of(pose) / 100:
        assert error(*(np.array([a, b, x, y]) + step)) >= least


def test_speech_does_not_move_the_pose():
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

    def test_steady_motion_stays_as_it_is(self):
        poses = self.moving(2.0)
        np.testing.assert_allclose(geometry.smooth_poses(poses, self.pts)[10:-10], poses[10:-10])

    def test_jitter_shrinks_as_a_gaussian_average_of_its_width_says(self):
        noise = np.random.default_rng(0).normal(size=(4000, 2, 3))
        pts = np.arange(4000) / 25
        smooth = geometry.smooth_poses(np.eye(3)[:2] * 100 + noise, pts)
        # The variance of white noise falls to 1 / (2 √π σ), with σ in frames.
        assert (smooth - smooth.mean(0)).var() == pytest.approx(1 / (2 * np.sqrt(np.pi) * 2.5), rel=0.1)

    def test_width_is_in_seconds_whatever_the_frame_times(self):
        pts = np.sort(np.random.default_rng(3).uniform(0, 4, 300))
        poses = np.tile(dummy_pose(), (300, 1, 1))
        poses[:, 1, 2] += 10 * pts
        slow = geometry.smooth_poses(poses, pts)
        weights = np.exp(-0.5 * ((pts - pts[150]) / 0.1) ** 2) * (np.abs(pts - pts[150]) <= 0.3)
        np.testing.assert_allclose(slow[150], np.einsum("t,tij->ij", weights / weights.sum(), poses))

    def test_nothing_leaks_across_a_cut(self):
        poses = self.moving()
        poses[30:, 0, 2] += 200
        np.testing.assert_allclose(geometry.smooth_poses(poses, self.pts), poses)

    def test_gaps_are_bridged_and_ends_held(self):
        poses = self.moving()
        poses[40:, 0, 2] += 8.0
        poses[[*range(5), *range(30, 40), 59]] = np.nan
        smooth = geometry.smooth_poses(poses, self.pts)
        start = dummy_pose()[0, 2]
        np.testing.assert_allclose(smooth[[0, 4, 59], 0, 2], [start, start, start + 8])
        np.testing.assert_allclose(smooth[29:41, 0, 2], start + 8 * np.arange(12) / 11)

    def test_no_pose_at_all_is_an_error(self):
        with pytest.raises(ValueError, match="no pose"):
            geometry.smooth_poses(np.full((3, 2, 3), np.nan), np.arange(3.0))


@settings(deadline=None)
@given(similarities(), st.sampled_from([64, 96, 128, 256]))
def test_the_face_lies_in_the_face_crop_as_in_the_template(pose, size):
    crop = geometry.face_crops(pose[None], size)[0]
    scale = size / geometry.FACE_SIDE
    expected = (geometry.TEMPLATE - geometry.FACE_CENTRE) * scale + (size - 1) / 2
    found = transform(transform(geometry.TEMPLATE, pose), inverted(crop))
    np.testing.assert_allclose(found, expected, atol=1e-6 * size)


def test_the_face_crop_holds_brows_and_an_open_mouths_chin():
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

    def test_is_one_square_of_whole_pixels_inside_the_picture(self):
        crops, _ = self.crops(self.pose(900, 400, 60), 1920, 1080)
        np.testing.assert_array_equal(crops, np.tile(crops[0], (20, 1, 1)))
        left, top = transform(np.array([-0.5, -0.5]), crops[0]) + 0.5
        side = 128 * crops[0, 0, 0]
        assert side == pytest.approx(60 * geometry.HEAD_SIDE)
        assert (left, top) == pytest.approx((round(left), round(top)))
        share = (np.array([900, 400]) + 0.5 - (left, top)) / side
        np.testing.assert_allclose(share, geometry.HEAD_EYES, atol=0.01)

    @pytest.mark.parametrize("place", [(60, 90), (1890, 500), (1000, 1040), (40, 1050)])
    def test_stays_inside_near_the_rim(self, place):
        crops, _ = self.crops(self.pose(*place, 50), 1920, 1080)
        corners = transform(np.array([(-0.5, -0.5), (127.5, 127.5)]), crops[0]) + 0.5
        assert corners.min() > -1e-6
        assert (corners[1] <= np.array([1920, 1080]) + 1e-6).all()

    def test_holds_a_face_that_wanders(self):
        crops, landmarks = self.crops(self.pose(500, 500, 50), 1920, 1080, drift=600)
        seen = transform(landmarks, inverted(crops[0]))
        assert seen.min() >= -0.5
        assert seen.max() <= 127.5

    def test_stays_among_places_too_far_apart_for_one_square(self):
        crops, landmarks = self.crops(self.pose(200, 500, 80), 1920, 1080, drift=1500)
        seen = transform(landmarks, inverted(crops[0]))
        assert ((seen > 0) & (seen < 127)).all((1, 2)).sum() >= 5

    def test_a_picture_framed_already_is_taken_whole_and_unchanged(self):
        crops, _ = self.crops(self.pose(130, 120, 48), 256, 256, size=256)
        np.testing.assert_array_equal(crops[0], np.eye(3)[:2])


@pytest.mark.parametrize("size", [64, 96, 256])
def test_the_steady_mask_is_its_ellipse(size):
    mask = geometry.steady_mask(dummy_pose(size), size)
    y, x = np.mgrid[:size, :size]
    there = transform(np.stack([x, y], -1).astype(float), inverted(dummy_pose(size)))
    radius = np.hypot(*np.moveaxis((there - geometry.STEADY_CENTRE) / geometry.STEADY_RADII, -1, 0))
    pixel = geometry.FACE_SIDE / size / min(geometry.STEADY_RADII)
    assert mask[radius < 1 - pixel].all()
    assert not mask[radius > 1 + pixel].any()
    assert set(np.unique(mask)) == {0, 1}


def test_the_steady_mask_covers_the_open_mouth_and_chin():
    mask = geometry.steady_mask(dummy_pose(), 96)
    for opening in (0, 0.3):
        for x, y in np.rint(dummy_face_landmarks(opening=opening)[[*range(5, 12), *range(48, 68)]]).astype(int):
            assert mask[y, x]


def slow_paper_mask(landmarks, size, top):
    """A polygon as the text describes it, point by point, grown by a square as often as the text says."""
    right, chin, left, height = landmarks[6], landmarks[8], landmarks[10], landmarks[top, 1]
    corners = np.trunc([(right[0], height), (left[0], height), left, (chin[0], chin[1] + 5 * size / 256), right])
    region = np.zeros((size, size), bool)
    region[polygon(corners[:, 1], corners[:, 0], (size, size))] = True
    reach = round(8 * size / 256)
    return dilation(region, np.ones((2 * reach + 1, 2 * reach + 1), bool))


@settings(deadline=None)
@given(st.floats(-0.4, 0.4), st.floats(0, 0.3), st.sampled_from([96, 128, 256]), st.sampled_from([21, 30]))
def test_the_papers_mask_is_the_polygon_of_the_text(roll, opening, size, top):
    pose = dummy_pose(size)
    pose[:, :2] = pose[:, :2] @ np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    landmarks = dummy_face_landmarks(pose, opening)
    found, slow = geometry.paper_mask(landmarks, size, top).astype(bool), slow_paper_mask(landmarks, size, top)
    # The two libraries differ in whether a pixel on the outline is inside.
    band = np.ones((5, 5), bool)
    assert not (found & ~dilation(slow, band)).any()
    assert not (erosion(slow, band) & ~found).any()


@settings(deadline=None)
@given(st.floats(0, 0.3), st.booleans(), st.sampled_from([17, 37, 53, 96, 101, 127]))
def test_the_face_image_is_the_masked_box_stretched_by_the_nearest_pixel(opening, eyes, size):
    frame = np.random.default_rng(0).integers(1, 256, (96, 96, 3), np.uint8)
    landmarks = dummy_face_landmarks(opening=opening)
    region = geometry.paper_mask(landmarks, 96, 21 if eyes else 30).astype(bool)
    rows, columns = np.flatnonzero(region.any(1))[:-1], np.flatnonzero(region.any(0))[:-1]
    # Where a quotient below is whole, OpenCV's rounding decides.
    assume(all(index * len(axis) % size for axis in (rows, columns) for index in range(1, size)))
    masked = np.where(region[..., None], frame, 0)[np.ix_(rows, columns)]
    pick = [np.arange(size) * len(axis) // size for axis in (rows, columns)]
    np.testing.assert_array_equal(geometry.face_image(frame, landmarks, size, eyes), masked[np.ix_(*pick)])


@pytest.mark.parametrize("place", [(-1000, 0), (0, 5000), (95, 95)])
def test_a_face_image_of_a_face_off_the_crop_is_black_or_a_rest_of_it(place):
    landmarks = dummy_face_landmarks() + np.float32(place)
    assert geometry.face_image(np.zeros((96, 96, 3), np.uint8), landmarks, 32).shape == (32, 32, 3)


@pytest.mark.parametrize("which", ["1", "2"])
def test_masks_and_face_image_are_the_authors_to_the_pixel(which):
    golden = np.load(Path(__file__).parent / "golden/masks.npz")
    landmarks = golden[f"landmarks{which}"]
    for name, top in (("paint", 30), ("eyes", 21)):
        expected = np.unpackbits(golden[f"{name}_packed{which}"]).reshape(256, 256)
        np.testing.assert_array_equal(geometry.paper_mask(landmarks, 256, top), expected)
    face = geometry.face_image(golden[f"frame{which}"], landmarks, 256)
    np.testing.assert_array_equal(face, golden[f"face{which}"])
