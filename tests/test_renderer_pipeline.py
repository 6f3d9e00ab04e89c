"""Clips through the renderer: training data, encoding, painting, timing, videos."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_clip, dummy_video
from test_renderer_networks import FULL, shaken

from dd_tools.errors import DataError, UsageError
from dd_tools.face.landmarks import MOUTH_REGION, NOSE_TIP
from dd_tools.face.head_pose import fit_cameras, frontal, turned
from dd_tools.formats.clip import Clip, Status
from dd_tools.media.video import probe, read_frames
from dd_tools.renderer.augmentation import PAPER
from dd_tools.renderer.autoencoder import Renderer
from dd_tools.renderer.config import PRESETS
from dd_tools.renderer.encoding import encode_clip, encode_references
from dd_tools.renderer.images import to_frames, to_images
from dd_tools.renderer.inputs import shown
from dd_tools.renderer.objective import MaskedDenoising
from dd_tools.renderer.rendering import Painter, shared_noise
from dd_tools.renderer.timing import timeline
from dd_tools.renderer.training import Recipe, RendererData
from dd_tools.renderer.video import Speaker, Wanted, find_source, write_dubbed

TINY = PRESETS["tiny"]


@pytest.fixture(scope="module", params=[TINY, FULL], ids=["tiny", "full"])
def renderer(request):
    return shaken(Renderer(request.param))


@pytest.fixture
def clip(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=11, unusable=[4, 5])) as clip:
        yield clip


def paint(renderer, clip, latents, seed=0, **settings):
    painter = Painter(renderer, clip, shared_noise(clip.size, seed), num_steps=4, **settings)
    return list(painter.paint(latents, timeline(clip, len(latents))))


def told(painter, latents, when, part=None):
    """What the U-Net is told of the mouth in the output frames `part`."""
    return painter._condition(*painter._plan(latents, when, part or slice(0, len(when))))


def latents_for(clip, renderer, seed=0):
    return np.random.default_rng(seed).normal(size=(clip.length, renderer.config.z_size)).astype(np.float32)


def test_frames_become_images_and_back():
    frames = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    images = to_images(frames)
    assert (images.min(), images.max()) == (-1, 1)
    assert np.array_equal(to_frames(images), frames)


def test_known_pixels_are_exact_and_the_mask_is_painted(renderer, clip):
    for item in paint(renderer, clip, latents_for(clip, renderer)):
        frame, mask = clip.frames[item.index], clip.mask[item.index]
        assert np.array_equal(item.crop[mask == 0], frame[mask == 0])
        assert np.array_equal(item.known, frame) and np.array_equal(item.mask, mask)
        if clip.status[item.index] == Status.OK:
            assert item.share > 0
            assert not np.array_equal(item.crop[mask == 1], frame[mask == 1])
        else:
            assert item.share == 0
            assert np.array_equal(item.crop, frame)


def test_the_batch_size_does_not_show(renderer, clip):
    latents = latents_for(clip, renderer)
    alone, together = (paint(renderer, clip, latents, batch_size=size) for size in (1, 7))
    for one, other in zip(alone, together, strict=True):
        assert one.index == other.index
        assert np.abs(one.crop.astype(int) - other.crop).max() <= 1


def test_the_same_seed_paints_the_same_and_another_differs(renderer, clip):
    latents = latents_for(clip, renderer)
    first, again, other = (paint(renderer, clip, latents, seed=seed)[0].crop for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_range_of_frames_equals_that_part_of_the_whole(renderer, clip):
    latents = latents_for(clip, renderer)
    painter = Painter(renderer, clip, shared_noise(clip.size, 0), num_steps=4, batch_size=3)
    when = timeline(clip, len(latents))
    whole, part = list(painter.paint(latents, when)), list(painter.paint(latents, when, slice(2, 8)))
    assert [item.index for item in part] == [2, 3, 4, 5, 6, 7]
    for one, other in zip(whole[2:8], part, strict=True):
        assert np.abs(one.crop.astype(int) - other.crop).max() <= 1


def test_a_still_lasts_as_long_as_the_latents(renderer, tmp_path):
    with Clip(dummy_clip(tmp_path / "still.h5", frames=1, fps=0.0)) as still:
        painted = paint(renderer, still, latents_for(still, renderer).repeat(9, axis=0))
    assert [item.index for item in painted] == [0] * 9
    np.testing.assert_allclose([item.pts for item in painted], np.arange(9) / 25)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [({"num_steps": 0}, UsageError, "steps must be"), ({"num_steps": 1001}, UsageError, "steps must be")],
)
def test_impossible_settings_are_refused(renderer, clip, settings, error, message):
    with pytest.raises(error, match=message):
        Painter(renderer, clip, shared_noise(clip.size, 0), **settings)


def test_what_does_not_fit_is_refused(renderer, clip, tmp_path):
    with pytest.raises(DataError, match=r"x_T has shape \(1, 3, 16, 16\)"):
        Painter(renderer, clip, shared_noise(16, 0))
    with pytest.raises(DataError, match=r"latents have 3 values, the renderer takes (16|66)"):
        next(Painter(renderer, clip, shared_noise(32, 0)).paint(np.zeros((5, 3), np.float32), timeline(clip, 5)))
    with (
        Clip(dummy_clip(tmp_path / "large.h5", size=48)) as large,
        pytest.raises(DataError, match=r"--size 48.*takes --size 32"),
    ):
        encode_clip(renderer, large)
    with (
        Clip(dummy_clip(tmp_path / "blind.h5", frames=2, unusable=[0, 1])) as blind,
        pytest.raises(DataError, match="no frame"),
    ):
        encode_clip(renderer, blind)


def test_encoding_is_the_encoder_frame_by_frame_with_gaps_bridged(renderer, clip):
    latents = encode_clip(renderer, clip, batch_size=4)
    cameras = fit_cameras(clip.landmarks[clip.usable], clip.pts[clip.usable])
    each = {}
    for index, camera in zip(clip.usable, cameras, strict=True):
        points = torch.from_numpy(frontal(clip.landmarks[[index]][:, MOUTH_REGION], camera[None])).float()
        with torch.no_grad():
            each[index] = renderer.encode(shown(clip, [index], eyes=True)[0], points).numpy()[0]
    for index in clip.usable:
        np.testing.assert_allclose(latents[index], each[index], atol=1e-5)
    np.testing.assert_allclose(latents[4], each[3] + (each[6] - each[3]) / 3, atol=1e-5)
    assert latents.dtype == np.float32 and latents.shape == (11, renderer.config.z_size)


@pytest.mark.parametrize(("fps", "count", "expected"), [(25.0, 4, 4), (50.0, 4, 4), (25.0, 100, 11), (12.5, 3, 3)])
def test_references_are_the_first_latents_of_the_whole(renderer, tmp_path, fps, count, expected):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=11, fps=fps)) as clip:
        found, whole = encode_references(renderer, clip, count, anywhere=False), encode_clip(renderer, clip)
    assert found.shape == (expected, renderer.config.z_size)
    np.testing.assert_allclose(found, whole[:expected], atol=1e-5)


def test_references_begin_where_the_face_is_first_seen(renderer, tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=11, unusable=[0, 1, 2])) as clip:
        found, whole = encode_references(renderer, clip, 5, anywhere=False), encode_clip(renderer, clip)
    np.testing.assert_allclose(found, whole[3:8], atol=1e-5)


@pytest.mark.parametrize(("count", "expected"), [(1, [0]), (3, [0, 5, 10]), (100, [0, 1, 2, 3, 5, 6, 7, 8, 9, 10])])
def test_references_from_anywhere_are_spread_over_the_usable_frames(renderer, tmp_path, count, expected):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=11, unusable=[4])) as clip:
        found, whole = encode_references(renderer, clip, count, anywhere=True), encode_clip(renderer, clip)
    np.testing.assert_allclose(found, whole[expected], atol=1e-5)


def test_training_data_is_a_function_of_the_generator(tmp_path):
    paths = [dummy_clip(tmp_path / f"{name}.h5") for name in "ab"]
    data, again = (RendererData(paths, FULL, Recipe(PAPER, samples=True, rectified=0.5)) for _ in range(2))
    batches = [source.batch(torch.Generator().manual_seed(5), 4) for source in (data, again)]
    assert {name: tuple(tensor.shape) for name, tensor in batches[0].items()} == {
        "image": (4, 3, 32, 32), "eps": (4, 3, 32, 32), "references": (4, 2, 3, 32, 32), "faces": (4, 3, 3, 32, 32),
        "points": (4, 3, 25, 2), "mask": (4, 1, 32, 32), "t": (4,), "rectify": (4,),
    }  # fmt: skip
    assert all(torch.equal(batches[0][name], batches[1][name]) for name in batches[0])
    assert MaskedDenoising(Renderer(FULL))(batches[0]) > 0


def test_without_augmentation_samples_are_the_clips_own_pixels(tmp_path):
    path = dummy_clip(tmp_path / "a.h5")
    batch = RendererData([path], FULL, Recipe()).batch(torch.Generator().manual_seed(0), 8)
    with Clip(path) as clip:
        known = {to_images(frame[None]).numpy().tobytes() for frame in clip.frames}
        faces = {to_images(face[None]).numpy().tobytes() for face in clip.face}
    assert {image[None].numpy().tobytes() for image in batch["image"]} <= known
    assert {image[None].numpy().tobytes() for image in batch["references"].flatten(0, 1)} <= known
    assert {face[None].numpy().tobytes() for face in batch["faces"].flatten(0, 1)} <= faces


def test_points_lie_where_the_landmarks_are(clip):
    points = shown(clip, [3], eyes=True)[1][0].numpy()
    chin, corner = clip.landmarks[3][8], clip.landmarks[3][48]
    # The centre of the crop's first pixel is half a pixel inside its edge, which is -1.
    np.testing.assert_allclose((points[2] + 1) * clip.size / 2 - 0.5, chin, atol=1e-4)
    np.testing.assert_allclose((points[5] + 1) * clip.size / 2 - 0.5, corner, atol=1e-4)


def test_without_eyes_the_face_image_begins_lower(clip):
    (with_eyes, points), (without, same) = (shown(clip, [0], eyes=eyes) for eyes in (True, False))
    assert with_eyes.shape == without.shape
    assert not torch.equal(with_eyes, without)
    assert torch.equal(points, same)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_crops_become_a_video_of_the_same_frames(renderer, clip, tmp_path, suffix):
    painter, latents = Painter(renderer, clip, shared_noise(clip.size, 0), num_steps=2), latents_for(clip, renderer)
    output = tmp_path / f"out{suffix}"
    write_dubbed([Speaker(painter, latents)], output, Wanted(), folder=tmp_path)
    assert (probe(output).width, probe(output).frame_rate) == (clip.size, 25)
    frames = list(read_frames(output))
    assert len(frames) == clip.length
    painted = list(painter.paint(latents, timeline(clip, len(latents))))
    for frame, item in zip(frames, painted, strict=True):
        assert frame.pts == pytest.approx(item.pts, abs=1e-3)
        # An untrained network paints coloured noise, which 4:2:0 blurs; known pixels come through.
        assert np.abs(frame.image.mean(-1) - item.crop.mean(-1))[item.mask == 0].mean() < 4
        expected = item.known + item.share * (item.crop.astype(float) - item.known)
        brightness = frame.image[item.mask == 1].mean() - expected[item.mask == 1].mean() if item.mask.any() else 0
        assert abs(brightness) < 6


def test_a_source_that_changed_is_refused(clip, tmp_path):
    video = dummy_video(tmp_path / "other.mp4", seconds=0.4)
    with pytest.raises(DataError, match=r"cannot find .*clip.mp4', the source of"):
        find_source(clip)
    with pytest.raises(DataError, match="SHA-256 differs"):
        find_source(clip, video)


def test_a_still_picture_speaks_the_same_in_parts(renderer, tmp_path):
    with Clip(dummy_clip(tmp_path / "still.h5", frames=1, fps=0.0)) as still:
        motion = latents_for(still, renderer).repeat(6, axis=0) * np.arange(1, 7, dtype=np.float32)[:, None]
        painter, when = Painter(renderer, still, shared_noise(still.size, 0)), timeline(still, 6)
        whole = told(painter, motion, when)
        parts = [told(painter, motion, when, span) for span in (slice(0, 2), slice(2, 6))]
    torch.testing.assert_close(torch.cat(parts), whole, atol=1e-5, rtol=1e-4)
    assert whole.std(0).max() > 0.1


def test_a_renderer_may_be_told_the_points_as_they_are(clip):
    """Where latents are not compared with the references', it is the image's own, its points in the crop."""
    renderer = Renderer(replace(FULL, z_relative=False)).eval()
    latents = encode_clip(renderer, clip)
    painter = Painter(renderer, clip, shared_noise(clip.size, 0))
    _, points = shown(clip, [0], eyes=True)
    torch.testing.assert_close(
        told(painter, latents, timeline(clip, len(latents)))[:1, -50:], points.flatten(1), atol=1e-4, rtol=1e-4
    )


def test_differences_are_taken_from_the_reference_frames(clip):
    """Against a renderer that takes latents as they are, told the differences by hand."""
    relative = shaken(Renderer(TINY))
    own = encode_clip(relative, clip)
    absolute = Renderer(replace(TINY, z_relative=False)).eval()
    absolute.load_state_dict(relative.state_dict())
    for one, other in zip(paint(relative, clip, own), paint(absolute, clip, own - own[0]), strict=True):
        assert np.abs(one.crop.astype(int) - other.crop).max() <= 1


def test_the_mouth_a_latent_says_is_turned_as_the_head_is_in_the_frame(tmp_path):
    """The same latent on two frames, of a head that looks ahead and of one that has turned: in each the U-Net is told
    the place where a camera puts the frontal mouth.
    """
    renderer = shaken(Renderer(replace(FULL, references=1)))
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=30)) as clip:
        ahead, turn = 0, 29
        clip.landmarks[15:, NOSE_TIP] += (3, 1)
        painter = Painter(renderer, clip, shared_noise(clip.size, 0))
        said = told(painter, np.repeat(encode_clip(renderer, clip)[:1], 30, axis=0), timeline(clip, 30))
        cameras = fit_cameras(clip.landmarks, clip.pts)
        own = clip.landmarks[ahead, MOUTH_REGION, :]
        moved = turned(frontal(own[None], cameras[:1]), cameras[[turn]])[0] - own
    assert np.abs(moved).max() > 0.5
    between = (said[turn] - said[ahead])[-50:] * renderer.normalise.running_var[-50:].sqrt()
    np.testing.assert_allclose(between.reshape(25, 2), moved * 2 / clip.size, atol=1e-4)
