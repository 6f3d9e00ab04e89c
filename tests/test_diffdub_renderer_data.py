"""Training samples of the renderer: which frames they are of, and what is augmented in them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_clip

from dd_tools.diffdub.renderer_data import RendererData
from dd_tools.diffdub.renderer_training import PRESETS
from dd_tools.errors import DataError
from dd_tools.face.face_images import face_images
from dd_tools.formats.clip import Clip
from dd_tools.nn.images import to_images

TINY = PRESETS["tiny"].config
LARGER = replace(TINY, size=64)  # where frames of a dummy clip differ


def draw(paths, size: int, *, seed: int = 0, config=TINY, speakers=None, augment: bool = False):
    data = RendererData(paths, config, speakers=speakers or {}, augment=augment)
    return data.prepare(data.batch(torch.Generator().manual_seed(seed), size))


def indices(images: torch.Tensor, clip: Clip) -> list[int]:
    """Which of the clip's usable frames each image is."""
    known = {to_images(clip.frames[index][None]).numpy().tobytes(): int(index) for index in clip.usable}
    assert len(known) == len(clip.usable), "the frames of the clip are not distinct"
    return [known[image[None].numpy().tobytes()] for image in images]


def test_the_reference_is_any_usable_frame_but_the_target(tmp_path):
    path = dummy_clip(tmp_path / "a.h5", frames=6, size=64, unusable=[2, 5])
    batch = draw([path], 300, config=LARGER)
    with Clip(path) as clip:
        targets, references = (indices(batch[name], clip) for name in ("image", "reference"))
    pairs = set(zip(targets, references, strict=True))
    assert pairs == {(one, other) for one in (0, 1, 3, 4) for other in (0, 1, 3, 4) if one != other}


@pytest.mark.parametrize("unusable", [[], [0, 1]])
def test_a_clip_of_one_usable_frame_is_its_own_reference(tmp_path, unusable):
    batch = draw([dummy_clip(tmp_path / "a.h5", frames=1 + len(unusable), unusable=unusable)], 3)
    assert torch.equal(batch["image"], batch["reference"])


def test_mask_and_face_image_are_those_of_the_target(tmp_path):
    path = dummy_clip(tmp_path / "a.h5", frames=6, size=64, unusable=[2, 5])
    batch = draw([path], 8, config=LARGER)
    with Clip(path) as clip:
        for number, index in enumerate(indices(batch["image"], clip)):
            np.testing.assert_array_equal(batch["mask"][number, 0], clip.mask[index])
            assert torch.equal(batch["face"][number], to_images(clip.face[index][None])[0])
    assert batch["mask"].unique().tolist() == [0, 1]


def test_without_eyes_the_face_image_lacks_their_band(tmp_path):
    """The ablation "w/o eye": from the nose's tip down, stretched, not from the brows."""
    path = dummy_clip(tmp_path / "a.h5", frames=1)
    with_eyes, without = (draw([path], 1, config=replace(TINY, eyes=eyes))["face"][0] for eyes in (True, False))
    with Clip(path) as clip:
        assert torch.equal(without, to_images(face_images(clip, [0], False))[0])
    assert not torch.equal(with_eyes, without)


def test_only_the_face_image_is_augmented(tmp_path):
    """Everything else of a sample is drawn before."""
    path = dummy_clip(tmp_path / "a.h5")
    changed = 0
    for seed in range(20):
        plain, augmented = (draw([path], 1, seed=seed, augment=augment) for augment in (False, True))
        for name in ("image", "reference", "mask"):
            assert torch.equal(plain[name], augmented[name])
        changed += not torch.equal(plain["face"], augmented["face"])
    assert 12 <= changed < 20  # all four leave it alone in one of six


def test_a_batch_has_what_the_loss_needs_and_follows_the_generator(tmp_path):
    paths = [dummy_clip(tmp_path / f"{name}.h5") for name in "ab"]
    first, again, other = (draw(paths, 4, seed=seed, augment=True) for seed in (5, 5, 6))
    image = (4, 3, 32, 32)
    shapes = {"image": image, "reference": image, "face": image, "eps": image, "mask": (4, 1, 32, 32), "t": (4,)}
    assert {name: tuple(tensor.shape) for name, tensor in first.items()} == shapes
    assert all(torch.equal(first[name], again[name]) for name in shapes)
    assert not torch.equal(first["eps"], other["eps"])


def test_timesteps_are_even_from_0_to_999_and_noise_is_normal(tmp_path):
    batch = draw([dummy_clip(tmp_path / "a.h5", frames=1)], 2000)
    t = batch["t"]
    assert t.min() < 5 and t.max() > 994 and t.max() <= 999
    np.testing.assert_allclose(np.quantile(t, [0.25, 0.5, 0.75]), [250, 500, 750], atol=40)
    assert abs(batch["eps"].mean()) < 0.01 and abs(batch["eps"].std() - 1) < 0.01


def test_speakers_are_drawn_evenly_however_many_clips_they_have(tmp_path):
    """Five clips of one speaker beside one of another."""
    paths = [dummy_clip(tmp_path / f"many{index}.h5", frames=1) for index in range(5)]
    paths.append(dummy_clip(tmp_path / "lone.h5", frames=2))
    batch = draw(paths, 600, speakers={path.stem: "many" for path in paths[:5]})
    with Clip(paths[-1]) as lone:
        second = to_images(lone.frames[1][None])[0]
    # Half of the samples are of the lone clip, and half of those are of its second frame.
    share = np.mean([torch.equal(image, second) for image in batch["image"]])
    assert share == pytest.approx(0.25, abs=0.06)


def test_clips_that_the_renderer_does_not_take_are_refused(tmp_path):
    for name, changes, complaint in (
        ("large", {"size": 48}, "'.*large.h5': prepared with --size 48.*, the renderer takes --size 32"),
        ("head", {"crop": "head"}, "'.*head.h5': prepared with .*--crop head.*, the renderer takes .*--crop face"),
        ("blind", {"frames": 2, "unusable": [0, 1]}, "'.*blind.h5': no frame has a usable face"),
    ):
        path = dummy_clip(tmp_path / f"{name}.h5", **changes)
        with pytest.raises(DataError, match=complaint):
            RendererData([path], TINY, speakers={})
