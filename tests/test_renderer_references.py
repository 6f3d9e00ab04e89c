"""Which frames are shown beside the one that is painted."""

import numpy as np
import pytest
import torch
from factories import dummy_clip
from hypothesis import given, settings
from hypothesis import strategies as st
from test_renderer_networks import FULL, shaken

from dd_tools.face.landmarks import lip_aperture
from dd_tools.face.head_pose import RIGID_POINTS
from dd_tools.formats.clip import Clip
from dd_tools.renderer.autoencoder import Renderer
from dd_tools.renderer.encoding import encode_clip
from dd_tools.renderer.images import to_images
from dd_tools.renderer.inputs import shown
from dd_tools.renderer.references import (
    APART,
    DIFFERENT,
    References,
    lights,
    most_alike,
    otherwise_lit,
    places,
    steadied,
    unlikeness,
)
from dd_tools.renderer.rendering import Painter, shared_noise
from dd_tools.renderer.timing import timeline
from dd_tools.renderer.training import Recipe, RendererData


@pytest.mark.parametrize(
    ("unlike", "time", "seen", "expected"),
    [
        ([3, 1, 2], 9, [0, 1, 2], [1, 2, 0]),
        ([3, 1, 2, 4], 9, [0, 1, 1.1, 2], [1, 0, 3]),  # 2 shows what 1 does
        ([0, 5, 4, 6], 0.2, [0, 2, 3, 4], [2, 1, 3]),  # 0 is the very mouth that is to be replaced
        ([0, 2, 2, 2], 0.04, [0, 1.04, 2, 3], [1, 2, 3]),  # and so it is when hardly any nearer than a second
        ([0, 5, 4, 6], 1.02, [0.04, 2.04, 3, 4], [2, 1, 3]),
        ([0, 0, 0], 0.3, [0, 0.3, 0.7], [2, 0, 1]),  # too short a clip: the farthest from it
        ([1], 0, [0], [0, 0, 0]),  # a still picture
        ([2, 1], 9, [0, 1], [1, 0, 1]),
    ],
)
def test_most_alike_literal(unlike, time, seen, expected):
    found = most_alike(np.array([unlike], float), np.array([time]), np.array(seen), 3)
    assert found.tolist() == [expected]


def latents_for(renderer: Renderer, frames: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(frames, renderer.config.z_size)).astype(np.float32)


def at_least(reach: float, seconds: float) -> bool:
    return abs(seconds) >= reach * (1 - 1e-9)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.floats(0, 10))
def test_of_a_long_clip_references_are_of_other_moments_and_none_is_more_alike(seed, count, time):
    """Against a slow search: one after another, the least unlike of those that are far enough away."""
    random = np.random.default_rng(seed)
    seen, unlike = np.arange(250) / 25, random.random(250)
    expected: list[int] = []
    while len(expected) < count:
        free = [
            other
            for other in range(250)
            if at_least(APART, seen[other] - time)
            and all(at_least(DIFFERENT, seen[other] - seen[one]) for one in expected)
        ]
        expected.append(min(free, key=lambda other: unlike[other]))
    assert most_alike(unlike[None], np.array([time]), seen, count).tolist() == [expected]


def test_unlikeness_is_how_far_heads_and_mouths_are_apart_and_how_lips_are_shaped():
    random = np.random.default_rng(0)
    wanted, seen = (random.uniform(0, 96, (count, 68, 2)) for count in (3, 4))
    both, heads = (unlikeness(places(wanted, 96)[:, :known], places(seen, 96)) for known in (66, 21))
    points = [*range(27, 48), *range(6, 11), *range(48, 68)]
    for frame, other in np.ndindex(3, 4):
        one, two = ((2 * face[points] + 1) / 96 - 1 for face in (wanted[frame], seen[other]))
        head, mouth = apart(one[:21], two[:21]), apart(one[21:], two[21:])
        shape = apart(one[26:] - one[26:].mean(0), two[26:] - two[26:].mean(0))
        assert heads[frame, other] == pytest.approx(head)
        assert both[frame, other] == pytest.approx(head + mouth + 2 * shape)


def apart(one: np.ndarray, two: np.ndarray) -> float:
    """Mean distance of points (P, 2)."""
    return sum(np.hypot(x, y) for x, y in one - two) / len(one)


def test_light_is_compared_above_the_steady_mask():
    random = np.random.default_rng(0)
    crops = random.integers(0, 256, (2, 30, 30, 3), np.uint8)
    crops[1, :12] = crops[0, :12]
    wanted, same = lights(crops)
    assert np.array_equal(wanted, same)
    # Four by five pixels of twelve rows of thirty are one of three rows of six.
    blocks = crops[0, :12].reshape(3, 4, 6, 5, 3).mean((1, 3)) / 127.5
    np.testing.assert_allclose(wanted.reshape(3, 6, 3), blocks, atol=5e-3)
    darker, elsewhere = lights(np.stack([crops[0] // 2, random.integers(0, 256, (30, 30, 3), np.uint8)]))
    (found,) = otherwise_lit(wanted[None], np.stack([same, darker, elsewhere]))
    np.testing.assert_allclose(found, [0, *(np.abs(wanted - other).mean() for other in (darker, elsewhere))])


def test_of_two_shots_of_the_same_face_the_one_that_is_lit_alike_is_shown(tmp_path):
    renderer = shaken(Renderer(FULL))
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=150)) as clip:
        clip.frames = clip.frames[:]
        clip.frames[75:] = clip.frames[75:] // 2
        painter, when = Painter(renderer, clip, shared_noise(clip.size, 0)), timeline(clip, 150)
        _, references = painter._plan(encode_clip(renderer, clip), when, slice(0, 150))
        alike = painter.references.frames[references]
    assert np.mean((alike >= 75) == (when.frames >= 75)[:, None]) > 0.95


def test_what_is_alike_for_one_frame_alone_is_not_shown():
    pts, unlike = np.arange(50) / 25, np.tile([1.0, 2.0], (50, 1))
    unlike[20] = 2, 1.9
    assert (steadied(unlike, pts, np.ones(50, bool)).argmin(1) == 0).all()


def test_frames_without_a_face_have_no_say():
    pts, usable = np.arange(50) / 25, np.ones(50, bool)
    unlike = np.random.default_rng(0).random((50, 3))
    unlike[20], usable[20] = np.nan, False
    found = steadied(unlike, pts, usable)
    assert np.isfinite(found).all()
    unlike[20] = 0
    np.testing.assert_allclose(found, steadied(unlike, pts, np.ones(50, bool)))


def test_candidates_are_from_all_over_a_clip_but_a_single_reference_is_the_first_frame(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=600, unusable=[0])) as clip:
        assert References(clip, 1).frames.tolist() == [1]
        found = References(clip, 2).frames
    assert len(found) == 250
    assert (found[0], found[-1]) == (1, 599)
    assert set(np.diff(found)) == {2, 3}


def test_frames_are_painted_beside_the_mouths_that_are_wanted(tmp_path):
    """A head that never moves, lips that open and shut: references are as open as the latents say, not as the frame."""
    renderer = shaken(Renderer(FULL))
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=100)) as clip:
        clip.landmarks[:, RIGID_POINTS] = clip.landmarks[0, RIGID_POINTS]
        opening = lip_aperture(clip.landmarks)
        latents = encode_clip(renderer, clip)
        for said in (opening[:20].argmin(), opening[:20].argmax()):
            painter, when = Painter(renderer, clip, shared_noise(clip.size, 0)), timeline(clip, 100)
            _, references = painter._plan(np.repeat(latents[[said]], 100, axis=0), when, slice(0, 100))
            alike = painter.references.frames[references]
            assert np.abs(opening[alike] - opening[said]).mean() < 0.2 * np.abs(opening - opening[said]).mean()
            assert np.abs(clip.pts[alike] - when.pts[:, None]).min() > APART - 1e-6


@pytest.mark.parametrize("loop", ["stop", "bounce"])
def test_parts_see_the_references_of_the_whole_none_from_within_a_second(tmp_path, loop):
    renderer = shaken(Renderer(FULL))
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=90, unusable=[0, 1, 40, 41, 89])) as clip:
        latents = latents_for(renderer, 130)
        painter, when = Painter(renderer, clip, shared_noise(clip.size, 0)), timeline(clip, 130, loop=loop)
        motion, references = painter._plan(latents, when, slice(0, len(when)))
        for start in range(0, len(when), 7):
            part = slice(start, min(start + 7, len(when)))
            for whole, found in zip((motion, references), painter._plan(latents, when, part), strict=True):
                assert np.array_equal(found, whole[part], equal_nan=True)
        apart = np.abs(clip.pts[painter.references.frames[references]] - clip.pts[when.frames][:, None])
    assert len(when) == (90 if loop == "stop" else 130)
    assert apart.min() > APART - 1e-6


def test_the_network_sees_the_references_that_were_chosen_and_is_told_of_the_same(tmp_path, monkeypatch):
    renderer, seen = shaken(Renderer(FULL)), []
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=60)) as clip:
        latents = latents_for(renderer, 60)
        painter = Painter(renderer, clip, shared_noise(clip.size, 0), num_steps=1)
        when, part = timeline(clip, 60), slice(10, 13)
        monkeypatch.setattr(renderer.unet, "forward", lambda xt, *seen_and_told: seen.append(seen_and_told) or xt)
        list(painter.paint(latents, when, part))
        (((reference, _, told),), (motion, chosen)) = seen, painter._plan(latents, when, part)
        frames = painter.references.frames[chosen]
        own = torch.from_numpy(motion)[:, None]
        assert (frames[:, 0] != frames[:, 1]).all()
        for row, (image, condition) in enumerate(zip(reference, told, strict=True)):
            pictures = [clip.frames[frame] for frame in frames[row]]
            assert torch.equal(image.unflatten(0, (2, 3)), to_images(np.stack(pictures)))
            with torch.no_grad():
                others = renderer.encode(*shown(clip, frames[row], eyes=True))
                expected = renderer.condition(torch.cat([own[row], others])[None])[0]
            torch.testing.assert_close(condition, expected, atol=1e-4, rtol=1e-4)


def test_in_training_too_the_mouth_to_be_painted_is_not_shown(tmp_path):
    path = dummy_clip(tmp_path / "clip.h5", frames=100)
    data = RendererData([path], FULL, Recipe())
    generator = torch.Generator().manual_seed(0)
    chosen = [data._references(0, 50, generator) for _ in range(200)]
    still = np.mean([one == other for one, other in chosen])
    assert 0.2 < still < 0.4
    far = np.mean([abs(frame - 50) >= 25 * APART for pair in chosen for frame in pair])
    assert far == 1
    with Clip(path) as clip:
        where = places(clip.landmarks, clip.size)
    unlike = unlikeness(where[[50]], where)[0]
    assert np.mean(unlike[[one for one, _ in chosen]]) < 0.75 * unlike.mean()
