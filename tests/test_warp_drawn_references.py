"""Which frames of a clip are drawn as references of a training sample."""

import numpy as np
import pytest
import torch
from factories import dummy_clip

from dd_tools.formats.clip import Clip
from dd_tools.warp.drawn_references import draw_references, lip_shape_distance
from dd_tools.warp.references import MIN_GAP, comparison_points

TARGET = 50


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    """A mouth that opens and closes within six frames."""
    with Clip(dummy_clip(tmp_path_factory.mktemp("clips") / "clip.h5", frames=100)) as clip:
        return comparison_points(clip.landmarks[:], clip.size)


def draw(points: np.ndarray, times: np.ndarray, count: int = 600) -> np.ndarray:
    generator = torch.Generator().manual_seed(0)
    return np.array([draw_references(points, times, TARGET, 4, generator) for _ in range(count)])


def test_the_mouth_to_be_painted_is_not_among_them(points):
    assert np.abs(draw(points, np.arange(100) / 25) - TARGET).min() >= 25 * MIN_GAP


def test_a_short_clip_gives_what_it_has(points):
    assert set(draw(points, np.arange(100) / 250)[:, 0]) > {TARGET - 1, TARGET + 1}


def test_half_of_the_samples_have_a_single_frame_mostly_with_another_mouth(points):
    """In another eighth, references are chosen as in painting, but from a single frame, which is drawn evenly."""
    chosen = draw(points, np.arange(100) / 25)
    single = (chosen == chosen[:, :1]).all(1)
    assert single.mean() == pytest.approx(0.5 + 0.5 / 4, abs=0.05)
    distance = lip_shape_distance(points[TARGET], points)
    evenly = distance[np.abs(np.arange(100) - TARGET) >= 25].mean()
    assert distance[chosen[single, 0]].mean() > 1.15 * evenly
    assert distance[chosen[~single]].mean() < 0.75 * evenly
