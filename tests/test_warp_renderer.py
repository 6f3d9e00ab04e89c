"""The warp renderer at work on clips: latents of frames, and painting with references chosen for each frame."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from factories import dummy_clip
from tiny_warp import RENDERER, tiny_network

from dd_tools.errors import DataError
from dd_tools.face.face_images import face_images
from dd_tools.face.head_pose import fit_cameras, frontal
from dd_tools.face.landmarks import MOUTH_REGION
from dd_tools.formats.clip import Clip, Framing
from dd_tools.nn.images import to_frames, to_images, to_masks
from dd_tools.warp.alignment import alignment_points
from dd_tools.warp.network import WarpNetwork
from dd_tools.warp.renderer import WarpRenderer


@pytest.fixture(scope="module")
def renderer():
    return WarpRenderer(tiny_network())


@pytest.fixture
def clip(tmp_path):
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=90, unusable=[0, 1, 40, 41, 89])) as clip:
        yield clip


def random_latents(count: int) -> np.ndarray:
    """Their mouths are anywhere, mostly outside the crop."""
    return np.random.default_rng(0).normal(size=(count, 66)).astype(np.float32)


def test_latents_are_the_encoder_frame_by_frame_with_frontal_landmarks(renderer, clip):
    frames = np.array([2, 39, 42, 88])
    cameras = fit_cameras(clip.landmarks[clip.usable], clip.pts[clip.usable])[np.searchsorted(clip.usable, frames)]
    found = renderer.encoder(clip)(frames)
    assert (found.dtype, found.shape) == (np.float32, (4, 66))
    for frame, camera, latent in zip(frames, cameras, found, strict=True):
        points = torch.from_numpy(frontal(clip.landmarks[[frame]][:, MOUTH_REGION], camera[None])).float()
        with torch.no_grad():
            expected = renderer.network.encode(to_images(clip.face[frame][None]), points)[0]
        np.testing.assert_allclose(latent, expected, atol=1e-5)


def test_without_eyes_the_encoder_sees_face_images_that_begin_lower(clip):
    with_eyes, without = (WarpRenderer(tiny_network(eyes=eyes)).encoder(clip)([5])[0] for eyes in (True, False))
    assert not np.allclose(with_eyes[:16], without[:16], atol=1e-3)
    assert np.array_equal(with_eyes[16:], without[16:])
    assert not np.array_equal(face_images(clip, [5], True), face_images(clip, [5], False))


def times(clip: Clip) -> tuple[np.ndarray, np.ndarray]:
    """The frames of the clip with a face, and their times, as output frames."""
    return clip.usable, clip.pts[clip.usable]


def test_known_pixels_are_exact_and_the_mask_is_painted(renderer, clip):
    frames, pts = times(clip)
    painted = renderer.painter(clip)(frames, pts, random_latents(len(frames)), slice(0, 12))
    assert (painted.dtype, painted.shape) == (np.uint8, (12, 32, 32, 3))
    for crop, frame in zip(painted, frames, strict=False):
        known, mask = clip.frames[frame], clip.mask[frame]
        assert np.array_equal(crop[mask == 0], known[mask == 0])
        assert not np.array_equal(crop[mask == 1], known[mask == 1])


def test_spans_painted_apart_are_the_whole(renderer, clip):
    """Whatever the spans, and though references are chosen by what is near in time."""
    painter, (frames, pts) = renderer.painter(clip), times(clip)
    latents = random_latents(len(frames))
    whole = painter(frames, pts, latents, slice(0, len(frames)))
    for length in (1, 7):
        spans = (slice(start, min(start + length, len(frames))) for start in range(0, len(frames), length))
        apart = np.concatenate([painter(frames, pts, latents, span) for span in spans])
        assert np.abs(apart.astype(int) - whole).max() <= 1


def test_no_reference_is_from_within_a_second_and_each_is_painted_with(renderer, clip, monkeypatch):
    """The network gets the frames that were chosen, with their own codes and points, and with the wanted ones."""
    asked = []

    def note(image, mask, references, codes, points):
        asked.append((image, mask, references, codes, points))
        return references[:, 0]

    painter, (frames, pts) = renderer.painter(clip), times(clip)
    latents, span = random_latents(len(frames)), slice(30, 34)
    with monkeypatch.context() as patch:
        patch.setattr(renderer.network, "forward", note)
        painted = painter(frames, pts, latents, span)
    ((image, mask, references, codes, points),) = asked
    assert {tensor.dtype for tensor in asked[0]} == {torch.float32}
    assert torch.equal(image, to_images(np.stack([clip.frames[frame] for frame in frames[span]])))
    assert torch.equal(mask, to_masks(np.stack([clip.mask[frame] for frame in frames[span]])))
    known, own = [clip.frames[frame] for frame in range(clip.length)], alignment_points(clip.landmarks, clip.size)
    encoder = renderer.encoder(clip)
    for row, frame in enumerate(frames[span]):
        for column in range(2):
            shown = to_frames(references[row, [column]])[0]
            sources = [other for other in clip.usable if np.array_equal(known[other], shown)]
            distant = [other for other in sources if abs(clip.pts[other] - clip.pts[frame]) > 1 - 1e-6]
            assert distant
            found = np.concatenate([codes[row, 1 + column].numpy(), points[row, 1 + column].numpy().ravel()])
            candidates = [np.concatenate([encoder([other])[0, :-50], own[other].ravel()]) for other in distant]
            assert min(np.abs(found - candidate).max() for candidate in candidates) < 1e-4
        wanted = latents[[30 + row]]
        np.testing.assert_allclose(codes[row, 0], wanted[0, :-50], atol=1e-6)
        mouth = painter.cameras.to_crop(wanted, np.array([frame]))[0]
        np.testing.assert_allclose(points[row, 0], np.concatenate([own[frame, :21], mouth]), rtol=1e-5, atol=1e-5)
        inside = clip.mask[frame] == 1
        assert np.array_equal(painted[row][inside], to_frames(references[row, [0]])[0][inside])


@pytest.mark.parametrize("size", [32, 64, 96])
def test_crops_of_any_multiple_of_the_networks_size_are_painted_at_their_own(tmp_path, size):
    """For a renderer whose crops are by default twice as large as what its network sees."""
    renderer = WarpRenderer(tiny_network(detail=2))
    assert renderer.framing == Framing(64, "face", "steady", unit=32)
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=40, size=size)) as clip:
        clip.check_usable(renderer.framing)
        frames, pts = times(clip)
        latents = renderer.encoder(clip)(frames)
        painted = renderer.painter(clip)(frames, pts, latents, slice(0, 3))
        assert painted.shape == (3, size, size, 3)
        for crop, frame in zip(painted, frames, strict=False):
            known, mask = clip.frames[frame], clip.mask[frame]
            assert np.array_equal(crop[mask == 0], known[mask == 0])
            assert not np.array_equal(crop[mask == 1], known[mask == 1])


def test_crops_of_no_multiple_of_the_networks_size_are_refused(tmp_path):
    renderer = WarpRenderer(tiny_network(detail=2))
    with (
        Clip(dummy_clip(tmp_path / "clip.h5", size=48)) as clip,
        pytest.raises(DataError, match=r"--size 48 .*takes --size 64, or another multiple of 32, --crop face"),
    ):
        clip.check_usable(renderer.framing)


def test_a_still_image_is_its_own_reference_and_speaks_the_same_in_parts(renderer, tmp_path):
    with Clip(dummy_clip(tmp_path / "still.h5", frames=1, fps=0.0)) as still:
        painter, frames, pts = renderer.painter(still), np.zeros(6, int), np.arange(6) / 25
        latents = np.arange(1, 7, dtype=np.float32)[:, None] * random_latents(1)
        whole = painter(frames, pts, latents, slice(0, 6))
        parts = np.concatenate([painter(frames, pts, latents, span) for span in (slice(0, 2), slice(2, 6))])
    assert np.abs(parts.astype(int) - whole).max() <= 1
    assert len(np.unique(whole, axis=0)) > 1


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_half_precision_paints_nearly_the_same(clip, dtype):
    frames, pts = times(clip)
    latents = random_latents(len(frames))
    full, half = (
        WarpRenderer(tiny_network(), dtype=one).painter(clip)(frames, pts, latents, slice(0, 4)).astype(int)
        for one in ("fp32", dtype)
    )
    assert np.abs(half - full).mean() < 2 and not np.array_equal(half, full)


def test_a_new_network_repeats_frames_of_the_clip(clip):
    """Before training the mask shows a blend of real frames, moved a little: no value outside theirs nearby."""
    frames, pts = times(clip)
    renderer = WarpRenderer(WarpNetwork(RENDERER))
    painted = renderer.painter(clip)(frames, pts, renderer.encoder(clip)(frames), slice(0, 5))
    nearby = np.ones((5, 5))
    least, most = cv2.erode(clip.frames[:].min(0), nearby), cv2.dilate(clip.frames[:].max(0), nearby)
    assert (painted >= least.astype(int) - 1).all() and (painted <= most.astype(int) + 1).all()


@pytest.mark.parametrize("size", [32, 96])
def test_a_new_network_moves_the_mouth_of_a_single_reference(tmp_path, size):
    """As far as the latents ask: inside the mask, the frames are much nearer than the first one."""
    renderer = WarpRenderer(WarpNetwork(replace(RENDERER, references=1)))
    with Clip(dummy_clip(tmp_path / "clip.h5", frames=12, size=size)) as clip:
        frames, pts = times(clip)
        painted = renderer.painter(clip)(frames, pts, renderer.encoder(clip)(frames), slice(0, 12))
        true, inside = clip.frames[:].astype(float), clip.mask[:] == 1
    errors = [np.square(shown - true)[inside].mean() for shown in (painted, true[:1])]
    assert errors[0] < 0.3 * errors[1]
