"""Clips through the renderer: training data, encoding, painting, timing, videos."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_clip, dummy_video
from test_renderer_networks import shaken

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.clip import Clip, Status
from dd_tools.media.video import probe, read_frames
from dd_tools.renderer.augmentation import PAPER, augment_face, augment_pair
from dd_tools.renderer.autoencoder import Renderer
from dd_tools.renderer.config import PRESETS
from dd_tools.renderer.encoding import encode_clip
from dd_tools.renderer.images import to_frames, to_images
from dd_tools.renderer.objective import MaskedDenoising
from dd_tools.renderer.rendering import Painter, shared_noise
from dd_tools.renderer.timing import timeline
from dd_tools.renderer.training import RendererData, face_of
from dd_tools.renderer.video import Speaker, Wanted, find_source, write_dubbed

TINY = PRESETS["tiny"]


@pytest.fixture(scope="module")
def renderer():
    return shaken(Renderer(TINY))


@pytest.fixture
def clip(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=11, unusable=[4, 5])) as clip:
        yield clip


def paint(renderer, clip, latents, seed=0, **settings):
    painter = Painter(renderer, clip, shared_noise(clip.size, seed), num_steps=4, **settings)
    return list(painter.paint(latents, timeline(clip, len(latents))))


def latents_for(clip, seed=0):
    return np.random.default_rng(seed).normal(size=(clip.length, TINY.z_size)).astype(np.float32)


def test_frames_become_images_and_back():
    frames = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    images = to_images(frames)
    assert (images.min(), images.max()) == (-1, 1)
    assert np.array_equal(to_frames(images), frames)


def test_known_pixels_are_exact_and_the_mask_is_painted(renderer, clip):
    for item in paint(renderer, clip, latents_for(clip)):
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
    latents = latents_for(clip)
    alone, together = (paint(renderer, clip, latents, batch_size=size) for size in (1, 7))
    for one, other in zip(alone, together, strict=True):
        assert one.index == other.index
        assert np.abs(one.crop.astype(int) - other.crop).max() <= 1


def test_the_same_seed_paints_the_same_and_another_differs(renderer, clip):
    latents = latents_for(clip)
    first, again, other = (paint(renderer, clip, latents, seed=seed)[0].crop for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_range_of_frames_equals_that_part_of_the_whole(renderer, clip):
    latents = latents_for(clip)
    painter = Painter(renderer, clip, shared_noise(clip.size, 0), num_steps=4, batch_size=3)
    when = timeline(clip, len(latents))
    whole, part = list(painter.paint(latents, when)), list(painter.paint(latents, when.part(slice(2, 8))))
    assert [item.index for item in part] == [2, 3, 4, 5, 6, 7]
    for one, other in zip(whole[2:8], part, strict=True):
        assert np.abs(one.crop.astype(int) - other.crop).max() <= 1


def test_a_still_lasts_as_long_as_the_latents(renderer, tmp_path):
    with Clip(dummy_clip(tmp_path / "still.h5", frames=1, fps=0.0)) as still:
        painted = paint(renderer, still, latents_for(still).repeat(9, axis=0))
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
    with pytest.raises(DataError, match="latents have 3 values, the renderer takes 16"):
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
    with torch.no_grad():
        each = [renderer.encode(to_images(clip.face[index][None])).numpy()[0] for index in range(clip.length)]
    for index in clip.usable:
        np.testing.assert_allclose(latents[index], each[index], atol=1e-5)
    np.testing.assert_allclose(latents[4], each[3] + (each[6] - each[3]) / 3, atol=1e-5)
    assert latents.dtype == np.float32 and latents.shape == (11, TINY.z_size)


def test_training_data_is_a_function_of_the_generator(tmp_path):
    paths = [dummy_clip(tmp_path / f"{name}.h5") for name in "ab"]
    data, again = (RendererData(paths, TINY, augmentation=PAPER, pairs=True, rectified=0.5) for _ in range(2))
    batches = [source.batch(torch.Generator().manual_seed(5), 4) for source in (data, again)]
    assert {name: tuple(tensor.shape) for name, tensor in batches[0].items()} == {
        "image": (4, 3, 32, 32), "reference": (4, 3, 32, 32), "face": (4, 3, 32, 32), "mask": (4, 1, 32, 32), "t": (4,),
        "eps": (4, 3, 32, 32), "reference_face": (4, 3, 32, 32), "rectify": (4,),
    }  # fmt: skip
    assert all(torch.equal(batches[0][name], batches[1][name]) for name in batches[0])
    assert MaskedDenoising(Renderer(TINY))(batches[0]) > 0


def test_without_augmentation_samples_are_the_clips_own_pixels(tmp_path):
    path = dummy_clip(tmp_path / "a.h5")
    batch = RendererData([path], TINY).batch(torch.Generator().manual_seed(0), 8)
    with Clip(path) as clip:
        known = {to_images(frame[None]).numpy().tobytes() for frame in clip.frames}
        faces = {to_images(face[None]).numpy().tobytes() for face in clip.face}
    assert {image[None].numpy().tobytes() for image in batch["image"]} <= known
    assert {image[None].numpy().tobytes() for image in batch["reference"]} <= known
    assert {face[None].numpy().tobytes() for face in batch["face"]} <= faces


def test_without_eyes_the_face_image_begins_lower(clip):
    with_eyes, without = face_of(clip, 0, eyes=True), face_of(clip, 0, eyes=False)
    assert with_eyes.shape == without.shape
    assert not np.array_equal(with_eyes, without)


def test_face_augmentation_stays_in_range_and_changes_the_image():
    face = to_images(np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8))[0]
    seen = [augment_face(face, PAPER, torch.Generator().manual_seed(seed)) for seed in range(20)]
    for image in seen:
        assert image.shape == face.shape
        assert image.min() >= -1 and image.max() <= 1
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(seen, 2))


def test_pairs_are_mirrored_and_recoloured_alike_and_the_reference_moves_a_little():
    ramp = torch.linspace(-1, 1, 64)
    image = torch.stack([ramp.expand(64, 64), ramp.expand(64, 64).T, torch.zeros(64, 64)])
    mask = torch.zeros(1, 64, 64)
    mask[:, :, :3] = 1
    flips, moves = set(), set()
    for seed in range(16):
        sample = {"image": image, "face": image, "reference": image, "reference_face": image, "mask": mask}
        result = augment_pair(sample, torch.Generator().manual_seed(seed))
        assert torch.equal(result["image"], result["face"])
        # At most 5 % of scale, 5 degrees, 6 % of shift, on a ramp whose slope recolouring changes by at most a third.
        moves.add(round((result["image"] - result["reference"]).abs().max().item(), 3))
        flipped = torch.equal(result["mask"], mask.flip(-1))
        flips.add(flipped)
        direction = image.flip(-1) if flipped else image
        assert torch.corrcoef(torch.stack([result["image"].flatten(), direction.flatten()]))[0, 1] > 0.8
    assert flips == {True, False}
    assert min(moves) == 0 and len(moves) > 4 and max(moves) < 0.27


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_crops_become_a_video_of_the_same_frames(renderer, clip, tmp_path, suffix):
    painter, latents = Painter(renderer, clip, shared_noise(clip.size, 0), num_steps=2), latents_for(clip)
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


def test_a_relative_renderer_sees_differences_alone(renderer, clip, tmp_path):
    """From the reference frame's own latent, or on a still picture from the mean: whatever is added to all."""
    with Clip(dummy_clip(tmp_path / "still.h5", frames=1, fps=0.0)) as still:
        motion = latents_for(still).repeat(3, axis=0) * np.array([[1], [2], [4]], np.float32)
        for one, other in zip(paint(renderer, still, motion), paint(renderer, still, motion + 5), strict=True):
            assert np.abs(one.crop.astype(int) - other.crop).max() <= 1
    own = encode_clip(renderer, clip)
    absolute = Renderer(replace(TINY, z_relative=False)).eval()
    absolute.load_state_dict(renderer.state_dict())
    for one, other in zip(paint(renderer, clip, own), paint(absolute, clip, own - own[0]), strict=True):
        assert np.abs(one.crop.astype(int) - other.crop).max() <= 1
