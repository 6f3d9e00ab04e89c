"""Augmentation of the renderer's samples: what changes, what stays alike."""

import itertools

import cv2
import numpy as np
import torch
from factories import dummy_face_landmarks, dummy_pose

from dd_tools.face.landmarks import MOUTH_REGION
from dd_tools.renderer.augmentation import (
    LIPS_COLOUR,
    LIPS_LIGHT,
    MIRRORED,
    PAPER,
    augment_face,
    augment_sample,
    made_up,
)
from dd_tools.renderer.images import to_images


def test_face_augmentation_stays_in_range_and_changes_the_image():
    face = to_images(np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8))[0]
    seen = [augment_face(face, PAPER, torch.Generator().manual_seed(seed)) for seed in range(20)]
    for image in seen:
        assert image.shape == face.shape
        assert image.min() >= -1 and image.max() <= 1
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(seen, 2))


def ramp_sample():
    """Smooth pictures of ramps; the mask is the left edge, the points are on the left."""
    ramp = torch.linspace(-0.8, 0.8, 64)
    image = torch.stack([ramp.expand(64, 64), ramp.expand(64, 64).T, torch.zeros(64, 64)])
    mask = torch.zeros(1, 64, 64)
    mask[:, :, :3] = 1
    points = dummy_face_landmarks(dummy_pose(64))[MOUTH_REGION, :] / 32 - 1 - np.float32([0.5, 0])
    faces, points = image.expand(3, 3, 64, 64), torch.from_numpy(points).expand(3, 25, 2)
    return {"image": image, "faces": faces, "references": image.expand(2, 3, 64, 64), "points": points, "mask": mask}


def test_samples_are_mirrored_and_recoloured_alike_and_the_references_move_a_little():
    sample, flips, moves = ramp_sample(), set(), set()
    for seed in range(24):
        result = augment_sample(sample, torch.Generator().manual_seed(seed))
        assert torch.equal(result["faces"][0], result["faces"][2])
        flipped = result["mask"][0, 32, -1] == 1
        flips.add(bool(flipped))
        direction = sample["image"].flip(-1) if flipped else sample["image"]
        assert torch.corrcoef(torch.stack([result["image"].flatten(), direction.flatten()]))[0, 1] > 0.7
        # At most 5 % of scale, 5 degrees, 6 % of shift, on a ramp whose slope recolouring less than doubles.
        moves |= {round((result["image"] - image).abs().max().item(), 3) for image in result["references"]}
        # The left corner of the mouth stays the left one: of mirrored points the order changes too.
        expected = sample["points"] if not flipped else sample["points"] * torch.tensor([-1.0, 1.0])
        assert torch.allclose(result["points"].sort(1).values, expected.sort(1).values, atol=1e-6)
        assert (result["points"][:, 5, 0] < result["points"][:, 11, 0]).all()
    assert flips == {True, False}
    assert min(moves) == 0 and len(moves) > 4 and max(moves) < 0.5


def test_points_of_a_symmetric_face_stay_in_a_mirror():
    points = torch.from_numpy(dummy_face_landmarks(dummy_pose(64))[MOUTH_REGION, :] - 31.5)
    mirrored = points[MIRRORED] * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(mirrored, points, atol=1e-4, rtol=0)


def test_a_bent_sample_stays_one_picture():
    sample, bends, edges, alike = ramp_sample(), [], [], []
    sample["points"] = sample["points"] - 10  # no lips to make up
    sample["mask"][:, :, :4] = 1
    for seed in range(24):
        result = augment_sample(sample, torch.Generator().manual_seed(seed))
        assert set(result["mask"].unique().tolist()) <= {0.0, 1.0}
        # The faces are never bent: recoloured and mirrored like the image, they tell how far that was.
        bends.append((result["image"] - result["faces"][0]).abs().max().item())
        edge = result["mask"][0, :, 3 if result["mask"][0, 32, 0] == 1 else -4]
        edges.append(edge.unique().numel() > 1)
        alike.append(any(torch.allclose(result["image"], image, atol=1e-5) for image in result["references"]))
    bent = np.array(bends) > 1e-6
    assert min(bends) == 0 and 0.01 < max(bends) < 0.3 and 6 < bent.sum() < 18
    # The mask's edge bends with the image, and references that did not move besides are bent alike.
    assert np.array(edges)[bent].mean() > 0.5 and not np.array(edges)[~bent].any()
    assert np.array(alike)[bent].any()


def test_lips_are_made_up_alike_in_image_and_references_and_nowhere_else():
    sample = ramp_sample()
    sample["points"] = sample["points"] + torch.tensor([0.5, 0.0])
    result = made_up(sample, torch.Generator().manual_seed(0))
    change = ((result["image"] + 1) / (sample["image"] + 1)).numpy()
    assert all(torch.equal(result["image"], image) for image in result["references"])
    pixels = ((sample["points"][0].numpy() + 1) * 32 - 0.5).round().astype(np.int32)
    mouth, between = (
        cv2.fillPoly(np.zeros((64, 64), np.uint8), [pixels[places]], 1) for places in (slice(5, 17), slice(17, 25))
    )
    far = cv2.dilate(mouth, np.ones((11, 11))) == 0
    assert far.any() and np.allclose(change[:, far], 1, atol=1e-5)
    gains = change[:, mouth == 1]
    assert between.any() and 0.05 < np.abs(np.log(gains)).max() < LIPS_LIGHT + LIPS_COLOUR


def test_made_up_lips_differ_between_draws_and_by_colour():
    sample = ramp_sample()
    lips = [made_up(sample, torch.Generator().manual_seed(seed))["image"].sub(sample["image"]) for seed in range(8)]
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(lips, 2))
