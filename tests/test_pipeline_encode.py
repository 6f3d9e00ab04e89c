"""Clips to latents, 25 per second, whatever the frame rate and the gaps."""

import numpy as np
import pytest
from both_kinds import of_both_kinds, tiny_motion_model, tiny_renderer
from factories import dummy_clip

from dd_tools.errors import DataError
from dd_tools.formats.clip import Clip, Framing
from dd_tools.pipeline.encode import encode_clip, encode_references


class Clock:
    """A renderer whose latents are the time of the frame, and minus twice it; `encoded` notes all frames."""

    framing, z_size = Framing(32, "face", "steady"), 2

    def __init__(self):
        self.encoded: list[int] = []

    def encoder(self, clip):
        def encode(frames):
            self.encoded += list(frames)
            return (clip.pts[frames][:, None] * (1, -2)).astype(np.float32)

        return encode


@pytest.mark.parametrize("fps", [24000 / 1001, 25.0, 30000 / 1001, 50.0, 60.0, 10.0])
@pytest.mark.parametrize("unusable", [(), (4, 5, 6), (0, 1, 2)])
def test_latents_are_at_their_time_at_any_frame_rate_and_gaps_are_bridged(tmp_path, fps, unusable):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=20, fps=fps, unusable=unusable)) as clip:
        latents, seen = encode_clip(Clock(), clip), clip.pts[clip.usable]
    grid = np.arange(len(latents)) / 25
    assert latents.dtype == np.float32 and abs(grid[-1] - seen[-1]) <= 0.5 / 25 + 1e-9
    expected = np.clip(grid, seen[0], seen[-1])  # the first and the last are held
    np.testing.assert_allclose(latents, expected[:, None] * (1, -2), atol=1e-5)


def test_across_a_cut_nothing_is_interpolated(tmp_path):
    """Six frames at 10 a second with a cut before 0.3 s. Of the latents between 0.2 and 0.3 s, 6 is nearer to 0.2 s."""
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=6, fps=10, cuts=[3])) as clip:
        clock = Clock()
        latents = encode_clip(clock, clip)[:, 0]
    np.testing.assert_allclose(latents[4:10], [0.16, 0.2, 0.2, 0.3, 0.32, 0.36], atol=1e-6)
    assert clock.encoded == [0, 1, 2, 3, 4, 5]


def test_a_still_image_has_one_latent(tmp_path):
    with Clip(dummy_clip(tmp_path / "still.h5", frames=1, fps=0.0)) as still:
        assert encode_clip(Clock(), still).shape == (1, 2)


@of_both_kinds
def test_latents_are_the_encoders_and_do_not_depend_on_batches(kind, tmp_path):
    renderer = tiny_renderer(kind)
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=11, unusable=[4, 5])) as clip:
        encoder = renderer.encoder(clip)
        each = {frame: encoder(np.array([frame]))[0] for frame in clip.usable}
        for batch_size in (1, 4, 32):
            latents = encode_clip(renderer, clip, batch_size=batch_size)
            assert latents.shape == (11, renderer.z_size)
            np.testing.assert_allclose(latents[clip.usable], [each[frame] for frame in clip.usable], atol=1e-5)
            np.testing.assert_allclose(latents[4], each[3] + (each[6] - each[3]) / 3, atol=1e-5)


@pytest.mark.parametrize(("dtype", "limit"), [("bf16", 3e-2), ("fp16", 4e-3)])
@of_both_kinds
def test_half_precision_encodes_nearly_the_same(kind, dtype, limit, tmp_path):
    full = tiny_renderer(kind)
    half = type(full)(full.network, "cpu", dtype)
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=11)) as clip:
        expected, found = encode_clip(full, clip), encode_clip(half, clip)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < limit * np.abs(expected).max()


@of_both_kinds
@pytest.mark.parametrize(("fps", "unusable"), [(25.0, ()), (50.0, (0, 1, 2)), (29.97, (5, 6)), (12.5, ())])
@pytest.mark.parametrize("count", [1, 4, 100])
def test_references_are_those_that_the_motion_model_would_choose_among_all_latents(
    kind, tmp_path, fps, unusable, count
):
    model = tiny_motion_model(kind)
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=11, fps=fps, unusable=unusable)) as clip:
        found, whole = encode_references(Clock(), model, clip, count), encode_clip(Clock(), clip)
    np.testing.assert_allclose(found, whole[model.choose_references(len(whole), count)], atol=1e-6)
    assert len(found) == min(count, len(whole))


@pytest.mark.parametrize(("kind", "expected"), [("diffdub", [0, 1, 2]), ("warp", [0, 12, 24])])
def test_only_the_frames_that_references_come_from_are_encoded(kind, expected, tmp_path):
    """The first ones, as the authors take them, or evenly spaced ones."""
    clock = Clock()
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=25)) as clip:
        encode_references(clock, tiny_motion_model(kind), clip, 3)
    assert clock.encoded == expected


@of_both_kinds
def test_clips_that_do_not_fit_are_refused(kind, tmp_path):
    renderer = tiny_renderer(kind)
    with (
        Clip(dummy_clip(tmp_path / "large.h5", size=48)) as large,
        pytest.raises(DataError, match=r"large.h5': prepared with --size 48 .*takes --size 32"),
    ):
        encode_clip(renderer, large)
    with (
        Clip(dummy_clip(tmp_path / "blind.h5", frames=2, unusable=[0, 1])) as blind,
        pytest.raises(DataError, match=r"blind.h5': no frame has a usable face"),
    ):
        encode_clip(renderer, blind)
