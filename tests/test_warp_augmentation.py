"""Augmentation of the warp renderer's samples: what changes, what stays alike."""

import itertools

import cv2
import numpy as np
import torch
from factories import dummy_face_landmarks, dummy_pose

from dd_tools.face.landmarks import MOUTH_REGION
from dd_tools.nn.images import to_images
from dd_tools.warp.augmentation import (
    LIP_BRIGHTNESS,
    LIP_COLOUR,
    MIRRORED,
    augment_face,
    augment_sample,
    deform,
    move,
    recolour_lips,
)


def test_face_augmentation_stays_in_range_and_changes_the_image():
    face = to_images(np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8))[0]
    seen = [augment_face(face, torch.Generator().manual_seed(seed)) for seed in range(20)]
    for image in seen:
        assert image.shape == face.shape
        assert image.min() >= -1 and image.max() <= 1
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(seen, 2))


def ramp_sample():
    """Smooth images of ramps; the mask is the left edge, the landmarks are on the left."""
    ramp = torch.linspace(-0.8, 0.8, 64)
    image = torch.stack([ramp.expand(64, 64), ramp.expand(64, 64).T, torch.zeros(64, 64)])
    mask = torch.zeros(1, 64, 64)
    mask[:, :, :3] = 1
    points = dummy_face_landmarks(dummy_pose(64))[MOUTH_REGION, :] / 32 - 1 - np.float32([0.5, 0])
    faces, points = image.expand(3, 3, 64, 64), torch.from_numpy(points).expand(3, 25, 2)
    return {"image": image, "faces": faces, "references": image.expand(2, 3, 64, 64), "landmarks": points, "mask": mask}


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
        expected = sample["landmarks"] if not flipped else sample["landmarks"] * torch.tensor([-1.0, 1.0])
        assert torch.allclose(result["landmarks"].sort(1).values, expected.sort(1).values, atol=1e-6)
        assert (result["landmarks"][:, 5, 0] < result["landmarks"][:, 11, 0]).all()
    assert flips == {True, False}
    assert min(moves) == 0 and len(moves) > 4 and max(moves) < 0.5


def test_landmarks_of_a_symmetric_face_stay_in_a_mirror():
    points = torch.from_numpy(dummy_face_landmarks(dummy_pose(64))[MOUTH_REGION, :] - 31.5)
    mirrored = points[MIRRORED] * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(mirrored, points, atol=1e-4, rtol=0)


def test_a_deformed_sample_stays_one_image():
    sample, shifts, edges, alike = ramp_sample(), [], [], []
    sample["landmarks"] = sample["landmarks"] - 10  # no lips to recolour
    sample["mask"][:, :, :4] = 1
    for seed in range(24):
        result = augment_sample(sample, torch.Generator().manual_seed(seed))
        assert set(result["mask"].unique().tolist()) <= {0.0, 1.0}
        # The face images are never deformed: recoloured and mirrored like the image, they tell how far that was.
        shifts.append((result["image"] - result["faces"][0]).abs().max().item())
        edge = result["mask"][0, :, 3 if result["mask"][0, 32, 0] == 1 else -4]
        edges.append(edge.unique().numel() > 1)
        alike.append(any(torch.allclose(result["image"], image, atol=1e-5) for image in result["references"]))
    deformed = np.array(shifts) > 1e-6
    assert min(shifts) == 0 and 0.01 < max(shifts) < 0.3 and 6 < deformed.sum() < 18
    # The mask's edge goes with the image, and so do references that did not move besides.
    assert np.array(edges)[deformed].mean() > 0.5 and not np.array(edges)[~deformed].any()
    assert np.array(alike)[deformed].any()


def test_lips_change_colour_alike_in_image_and_references_and_nowhere_else():
    sample = ramp_sample()
    sample["landmarks"] = sample["landmarks"] + torch.tensor([0.5, 0.0])
    result = recolour_lips(sample, torch.Generator().manual_seed(0))
    change = ((result["image"] + 1) / (sample["image"] + 1)).numpy()
    assert all(torch.equal(result["image"], image) for image in result["references"])
    pixels = ((sample["landmarks"][0].numpy() + 1) * 32 - 0.5).round().astype(np.int32)
    mouth, between = (
        cv2.fillPoly(np.zeros((64, 64), np.uint8), [pixels[places]], 1) for places in (slice(5, 17), slice(17, 25))
    )
    far = cv2.dilate(mouth, np.ones((11, 11))) == 0
    assert far.any() and np.allclose(change[:, far], 1, atol=1e-5)
    gains = change[:, mouth == 1]
    assert between.any() and 0.05 < np.abs(np.log(gains)).max() < LIP_BRIGHTNESS + LIP_COLOUR


def test_recoloured_lips_differ_between_draws():
    sample = ramp_sample()
    lips = [
        recolour_lips(sample, torch.Generator().manual_seed(seed))["image"].sub(sample["image"]) for seed in range(8)
    ]
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(lips, 2))


def test_a_deformation_is_the_same_for_image_mask_and_references():
    """Pixels that hold their own place say from where they came: no farther than 8 % of half the side."""
    places = (torch.arange(64) + 0.5) / 32 - 1
    grid = torch.stack([places.expand(64, 64), places[:, None].expand(64, 64), torch.zeros(64, 64)])
    sample = {"image": grid, "references": grid.expand(2, 3, 64, 64), "mask": (grid[:1] > 0).float()}
    result = deform(sample, torch.Generator().manual_seed(0))
    shift = result["image"] - grid
    assert 0.02 < shift.abs().max() < 0.11  # bicubic interpolation between control points overshoots a little
    for reference in result["references"]:
        torch.testing.assert_close(reference, result["image"])
    sure = result["image"][0].abs() > 0.05
    assert torch.equal(result["mask"][0][sure], (result["image"][0] > 0).float()[sure])


def test_a_moved_image_keeps_its_shape_but_for_scale_and_rotation():
    """A similarity: what it does to two perpendicular ramps has the same length and stays perpendicular."""
    places = (torch.arange(64) + 0.5) / 32 - 1
    grid = torch.stack([places.expand(64, 64), places[:, None].expand(64, 64), torch.zeros(64, 64)])
    for seed in range(10):
        moved = move(grid, torch.Generator().manual_seed(seed))[:2, 16:48, 16:48].numpy()
        (x_right, y_right), (x_down, y_down) = (np.diff(moved, axis=axis).mean((1, 2)) * 32 for axis in (2, 1))
        np.testing.assert_allclose((x_right, y_right), (y_down, -x_down), atol=1e-4)
        assert abs(np.hypot(x_right, y_right) - 1) <= 0.0501
        assert abs(np.degrees(np.arctan2(y_right, x_right))) <= 5.01
