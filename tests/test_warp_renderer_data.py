"""Training samples of the warp renderer."""

import cv2
import h5py
import numpy as np
import pytest
import torch
from factories import dummy_clip
from tiny_warp import RENDERER, tiny_network

from dd_tools.errors import DataError
from dd_tools.formats.clip import Clip
from dd_tools.nn.images import to_images
from dd_tools.warp.renderer_data import RendererData
from dd_tools.warp.renderer_loss import PaintingLoss


def draw(paths, seed: int = 0, size: int = 8, *, augment: bool = False, speakers=None) -> dict[str, torch.Tensor]:
    data = RendererData(paths, RENDERER, speakers=speakers or {}, augment=augment)
    return data.prepare(data.batch(torch.Generator().manual_seed(seed), size))


def test_a_batch_has_these_tensors_and_can_be_learnt_from(tmp_path):
    batch = draw([dummy_clip(tmp_path / f"{name}.h5") for name in "ab"], size=4, augment=True)
    assert {name: tuple(tensor.shape) for name, tensor in batch.items()} == {
        "image": (4, 3, 32, 32), "references": (4, 2, 3, 32, 32), "faces": (4, 3, 3, 32, 32),
        "points": (4, 3, 46, 2), "mask": (4, 1, 32, 32), "code_shares": (4,),
    }  # fmt: skip
    assert PaintingLoss(tiny_network())(batch) > 0


@pytest.mark.parametrize("augment", [False, True])
def test_batches_are_a_function_of_the_generator(tmp_path, augment):
    paths = [dummy_clip(tmp_path / f"{name}.h5") for name in "ab"]
    first, again, other = (draw(paths, seed, augment=augment) for seed in (5, 5, 6))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["image"], other["image"])


def numbered(path):
    """A clip of six frames of which 2 is unusable; the first pixel of frame and face image k is k."""
    with h5py.File(dummy_clip(path, unusable=[2]), "r+") as file:
        for name in ("frames", "face"):
            file[name][:, 0, 0] = np.arange(6)[:, None]
    return path


def test_without_augmentation_samples_are_the_clips_own_pixels(tmp_path):
    batch, seen = draw([numbered(tmp_path / "a.h5")], size=24), set()
    with Clip(tmp_path / "a.h5") as clip:
        for image, mask, references, faces, points in zip(
            *(batch[name] for name in ("image", "mask", "references", "faces", "points")), strict=True
        ):
            frames = [round((shown[0, 0, 0].item() + 1) * 127.5) for shown in (image, *references)]
            seen |= set(frames)
            expected = to_images(np.stack([clip.frames[frame] for frame in frames]))
            assert torch.equal(torch.stack([image, *references]), expected)
            assert torch.equal(faces, to_images(np.stack([clip.face[frame] for frame in frames])))
            assert np.array_equal(mask[0].numpy(), clip.mask[frames[0]])
            nose_and_chin = (points[:, [3, 23]].numpy() + 1) * 16 - 0.5
            np.testing.assert_allclose(nose_and_chin, clip.landmarks[frames][:, [30, 8]], atol=1e-4)
    assert seen == {0, 1, 3, 4, 5}


@pytest.mark.parametrize("times", [2, 3])
def test_larger_crops_are_learnt_from_at_the_networks_size(tmp_path, times):
    """Images are averaged, face images subsampled, and a pixel that touches the mask is masked."""
    with Clip(dummy_clip(tmp_path / "a.h5", frames=1, size=32 * times)) as clip:
        frame, face, mask, landmarks = clip.frames[0], clip.face[0], clip.mask[0], clip.landmarks[0]
    batch = draw([tmp_path / "a.h5"], size=1)
    expected = cv2.resize(frame.astype(np.float32), (32, 32), interpolation=cv2.INTER_AREA) / 127.5 - 1
    for image in (batch["image"][0], *batch["references"][0]):
        np.testing.assert_allclose(image.permute(1, 2, 0), expected, atol=1e-4)
    assert torch.equal(batch["faces"][0, 0], to_images(face[None, ::times, ::times])[0])
    assert np.array_equal(batch["mask"][0, 0], mask.reshape(32, times, 32, times).max((1, 3)))
    np.testing.assert_allclose((batch["points"][0, 0, 23] + 1) * 16 * times - 0.5, landmarks[8], atol=1e-4)


@pytest.mark.parametrize("times", [2, 3])
def test_augmented_samples_of_larger_crops_can_be_learnt_from(tmp_path, times):
    batch = draw([dummy_clip(tmp_path / "a.h5", size=32 * times)], size=8, augment=True)
    assert batch["image"].shape == (8, 3, 32, 32) and set(batch["mask"].unique().tolist()) == {0.0, 1.0}
    assert PaintingLoss(tiny_network())(batch) > 0


def test_speakers_are_drawn_evenly(tmp_path):
    paths = [dummy_clip(tmp_path / f"{name}.h5", frames=2) for name in "abc"]
    for path, level in zip(paths, (10, 20, 30), strict=True):
        with h5py.File(path, "r+") as file:
            file["frames"][:] = level
    levels = draw(paths, size=300, speakers={"a": "one", "b": "one"})["image"][:, 0, 0, 0]
    assert np.isclose(levels, 30 / 127.5 - 1, atol=1e-3).mean() == pytest.approx(0.5, abs=0.1)


def test_clips_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"'.*large.h5': prepared with --size 48 .* takes --size 32"):
        draw([dummy_clip(tmp_path / "large.h5", size=48)])
    with pytest.raises(DataError, match=r"'.*blind.h5': no frame has a usable face"):
        draw([dummy_clip(tmp_path / "blind.h5", frames=2, unusable=[0, 1])])
    with pytest.raises(DataError, match=r"'.*b.h5' together with '.*a.h5': crops of 64 and 32 pixels"):
        draw([dummy_clip(tmp_path / "a.h5"), dummy_clip(tmp_path / "b.h5", size=64)])
