"""Maps of lips and mouth against polygons that are rasterised and measured by other means."""

import cv2
import numpy as np
import pytest
import torch
from factories import dummy_face_landmarks
from hypothesis import given
from hypothesis import strategies as st

from dd_tools.warp.alignment import alignment_points
from dd_tools.warp.lip_maps import inside_polygon, lip_maps


@given(seed=st.integers(0, 2**32 - 1), corners=st.integers(3, 12), size=st.sampled_from([16, 33, 64]))
def test_the_inside_of_a_polygon_is_what_opencv_says(seed, corners, size):
    """For star-shaped polygons; centres of pixels within a thousandth of a pixel of an edge may be on either side."""
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    polygon = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(0.2, 1.2, (corners, 1))
    pixels = ((polygon + 1) * size / 2 - 0.5).astype(np.float32)
    found = inside_polygon(torch.from_numpy(polygon[None]).float(), size)[0].numpy()
    for y, x in np.ndindex(size, size):
        distance = cv2.pointPolygonTest(pixels, (float(x), float(y)), True)
        if abs(distance) > 1e-3:
            assert found[y, x] == (distance > 0)


@pytest.mark.parametrize("opening", [0.0, 0.1, 0.4])
def test_maps_cover_the_areas_of_lips_and_mouth(opening):
    """Against the polygons' areas by the shoelace formula, in pixels."""
    landmarks = dummy_face_landmarks(opening=opening)[None]
    lips, inside = lip_maps(torch.from_numpy(alignment_points(landmarks, 96)).float(), 96)[0]
    outer, inner = (cv2.contourArea(landmarks[0, part].astype(np.float32)) for part in (slice(48, 60), slice(60, 68)))
    assert inside.sum().item() == pytest.approx(inner, abs=max(3, 0.05 * inner))
    assert (lips + inside).sum().item() == pytest.approx(outer, abs=0.05 * outer)
    assert lips.min() >= 0 and inside.min() >= 0 and (lips + inside).max() <= 1


def test_every_face_of_a_batch_gets_its_own_maps():
    points = torch.from_numpy(
        np.concatenate([alignment_points(dummy_face_landmarks(opening=each)[None], 96) for each in (0.1, 0.3)])
    ).float()
    maps = lip_maps(points, 48)
    for own, alone in zip(maps, points, strict=True):
        assert torch.equal(own, lip_maps(alone[None], 48)[0])
    assert maps[1, 1].sum() > 2 * maps[0, 1].sum()
