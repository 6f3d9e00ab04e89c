"""Which frame is shown when, how opaque its painting is, and which latent belongs to it."""

from dataclasses import replace

import numpy as np
import pytest
from factories import dummy_clip
from hypothesis import given
from hypothesis import strategies as st

from dd_tools.errors import UsageError
from dd_tools.formats.clip import Clip
from dd_tools.pipeline.timing import FADE, fade_opacity, interpolation, latents_at, timeline, video_end


@pytest.fixture
def clip(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=6)) as clip:
        yield clip


# Six frames, at 25 a second like the latents.
CASES = [
    (6, {}, [0, 1, 2, 3, 4, 5]),
    (4, {}, [0, 1, 2, 3, 4, 5]),
    (9, {}, [0, 1, 2, 3, 4, 5]),
    (9, {"loop": "hold"}, [0, 1, 2, 3, 4, 5, 5, 5, 5]),
    (18, {"loop": "bounce"}, [0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 4, 3]),
    (4, {"loop": "bounce"}, [0, 1, 2, 3, 4, 5]),
    (4, {"tail": "cut"}, [0, 1, 2, 3]),
    (9, {"tail": "cut", "loop": "hold"}, [0, 1, 2, 3, 4, 5, 5, 5, 5]),
    (1, {"tail": "cut"}, [0]),
]


@pytest.mark.parametrize(("count", "options", "frames"), CASES)
def test_audio_longer_and_shorter_than_the_video(clip, count, options, frames):
    when = timeline(clip, count, **options)
    assert when.frames.tolist() == frames
    np.testing.assert_allclose(when.pts, np.arange(len(frames)) / 25)
    assert when.end == pytest.approx(len(frames) / 25)
    assert (when.opacity == 1).all()


STANDING = [
    # latents, options, frames: the sixth frame ends at 0.4 s, like the tenth of an even video.
    (3, {}, [0, 1, 2, 3, 4, 5, 5, 5, 5, 5]),
    (12, {}, [0, 1, 2, 3, 4, 5, 5, 5, 5, 5]),
    (12, {"loop": "bounce"}, [0, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 5]),
    (8, {"tail": "cut"}, [0, 1, 2, 3, 4, 5, 5, 5]),
]


@pytest.mark.parametrize(("count", "options", "frames"), STANDING)
def test_a_last_frame_that_stands_is_repeated_until_it_ends(tmp_path, count, options, frames):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=6)) as clip:
        clip.source = replace(clip.source, end=0.4)
        when = timeline(clip, count, **options)
        assert video_end(clip) == 0.4
    assert when.frames.tolist() == frames
    np.testing.assert_allclose(when.pts, np.arange(len(frames)) / 25)


def test_the_rest_of_the_source_fades_in_before_the_audio_ends(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=20)) as clip:
        when = timeline(clip, 12, tail="source")
    np.testing.assert_allclose(when.opacity, [1] * 7 + [1, 0.8, 0.6, 0.4, 0.2] + [0] * 8, atol=1e-6)


def test_painting_is_whole_from_the_first_frame_after_a_cut_and_to_the_last_before_it(tmp_path):
    """Frames 4 and 5 are of another shot; frame 8 has no face, in the same shot as those around it."""
    path = dummy_clip(tmp_path / "clip.h5", frames=12, unusable=[4, 5, 8], cuts=[4, 6])
    with Clip(path) as clip:
        np.testing.assert_allclose(
            timeline(clip, 12).opacity, [1, 1, 1, 1, 0, 0, 0.4, 0.2, 0, 0.2, 0.4, 0.6], atol=1e-6
        )
        back = timeline(clip, 23, loop="bounce").opacity
    assert back[12:].tolist() == back[:11][::-1].tolist()


def test_a_still_lasts_as_long_as_the_audio(tmp_path):
    with Clip(dummy_clip(tmp_path / "still.h5", frames=1, fps=0.0)) as still:
        when = timeline(still, 9, loop="bounce", tail="cut")
    assert when.frames.tolist() == [0] * 9
    np.testing.assert_allclose(when.pts, np.arange(9) / 25)


@pytest.mark.parametrize("options", [{"loop": "again"}, {"tail": "end"}])
def test_unknown_values_are_refused(clip, options):
    with pytest.raises(UsageError, match="expected one of"):
        timeline(clip, 6, **options)


def test_a_part_keeps_its_times_and_ends_where_the_next_begins(clip):
    when = timeline(clip, 6)
    part = when.part(slice(2, 4))
    assert part.frames.tolist() == [2, 3] and part.pts.tolist() == when.pts[2:4].tolist()
    assert part.end == when.pts[4] and when.part(slice(3, None)).end == when.end


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40), st.floats(0.01, 0.1))
def test_painting_fades_by_the_distance_in_time_to_untouched_frames_of_the_same_shot(frames, spacing):
    painted, is_cut = np.array(frames).T
    pts, shots = np.arange(len(painted)) * spacing, np.cumsum(is_cut)
    share = fade_opacity(painted, pts, shots)
    for index, here in enumerate(pts):
        apart = [
            abs(there - here)
            for there, shot in zip(pts[~painted], shots[~painted], strict=True)
            if shot == shots[index]
        ]
        assert share[index] == pytest.approx(min(min(apart, default=FADE) / FADE, 1), abs=1e-5)


@given(
    st.lists(st.floats(-2, 7, allow_nan=False), min_size=1, max_size=8),
    st.lists(st.floats(0.01, 1), min_size=0, max_size=7),
    st.integers(0, 2**32 - 1),
)
def test_interpolation_is_that_of_numpy_with_the_ends_held(at, spacings, seed):
    knots = np.cumsum([0.0, *spacings])
    values = np.random.default_rng(seed).standard_normal(len(knots))
    left, right, share = interpolation(np.array(at), knots)
    assert ((share >= 0) & (share < 1)).all()
    np.testing.assert_allclose(
        values[left] * (1 - share) + values[right] * share, np.interp(at, knots, values), atol=1e-9
    )


@given(rate=st.sampled_from([24000 / 1001, 25.0, 30000 / 1001, 50.0, 60.0]), start=st.sampled_from([0, 0.013, 0.2]))
def test_latents_are_at_their_time_at_any_frame_rate(rate, start):
    """What moves evenly in 25 latents a second moves evenly in the frames."""
    latents = np.arange(50.0)[:, None] * (1, -2) / 25
    times = start + np.arange(round(rate)) / rate
    np.testing.assert_allclose(latents_at(latents, times), times[:, None] * (1, -2), atol=1e-9)


def test_latents_hold_beyond_their_ends():
    latents = np.array([[1.0], [2.0]], np.float32)
    assert latents_at(latents, np.array([-1, 0, 0.02, 0.04, 9])).ravel().tolist() == [1, 1, 1.5, 2, 2]
