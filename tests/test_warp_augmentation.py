"""Augmentation of the warp renderer's samples: what changes, what stays alike."""

import itertools

import cv2
import numpy as np
import pytest
import torch
from factories import dummy_face_landmarks, dummy_pose
from torchvision.transforms.v2 import functional as F

from dd_tools.warp.alignment import HEAD_COUNT, alignment_points
from dd_tools.warp.augmentation import augment, augment_faces, deform, recolour, recolour_lips, soft_lips
from dd_tools.warp.drawn_changes import (
    DEFORM_SHIFT,
    LIP_BRIGHTNESS,
    LIP_COLOUR,
    MIRRORED,
    draw_changes,
    draw_code_shares,
    draw_face_changes,
    draw_lips,
    draw_moves,
)
from dd_tools.warp.flow import sample_image
from dd_tools.warp.lip_maps import LIP_POINTS

SIDE = 64


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ramps() -> torch.Tensor:
    """A smooth image (3, S, S)."""
    ramp = torch.linspace(-0.8, 0.8, SIDE)
    return torch.stack([ramp.expand(SIDE, SIDE), ramp.expand(SIDE, SIDE).T, torch.zeros(SIDE, SIDE)])


def places() -> torch.Tensor:
    """An image (3, S, S) whose pixels hold where they are."""
    line = (torch.arange(SIDE) + 0.5) * 2 / SIDE - 1
    return torch.stack([line.expand(SIDE, SIDE), line[:, None].expand(SIDE, SIDE), torch.zeros(SIDE, SIDE)])


def face(x: float = 0.0) -> torch.Tensor:
    """The `alignment_points` (46, 2) of a face whose middle is at `x`."""
    points = alignment_points(dummy_face_landmarks(dummy_pose(SIDE))[None], SIDE)[0]
    return torch.from_numpy(points - [-x, 0]).float()


def augmented(count: int, points: torch.Tensor, mask_columns: int = 3) -> list[dict[str, torch.Tensor]]:
    """Samples of ramps with two references; the mask is the left edge."""
    mask = torch.zeros(count, 1, SIDE, SIDE)
    mask[..., :mask_columns] = 1
    shown = ramps().repeat(count, 3, 1, 1, 1)
    changes = draw_changes(points.repeat(count, 3, 1, 1), SIDE, generator())
    images, faces, masks, moved = augment(shown, shown.clone(), mask, changes["points"], changes)
    return [
        {"image": image[0], "references": image[1:], "faces": face, "mask": mask, "points": points}
        for image, face, mask, points in zip(images, faces, masks, moved, strict=True)
    ]


def test_face_augmentation_stays_in_range_and_changes_the_image():
    faces = torch.rand(1, 3, 32, 32, generator=generator()).repeat(20, 1, 1, 1) * 2 - 1
    seen = augment_faces(faces.clone(), draw_face_changes(20, generator()))
    assert seen.shape == faces.shape and seen.min() >= -1 and seen.max() <= 1
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(seen, 2))


def test_face_images_are_recoloured_blurred_and_moved_in_this_order():
    """As torchvision does each to one image alone. It blends black edges twice, so they are not compared."""
    faces = torch.rand(60, 3, 32, 32, generator=generator()) * 2 - 1
    changes = draw_face_changes(60, generator(1))
    results = augment_faces(faces.clone(), changes)
    for number, (face, result) in enumerate(zip(faces, results, strict=True)):
        image, colours = (face + 1) / 2, changes["face_colours"][number].tolist()
        for adjust, factor in zip((F.adjust_brightness, F.adjust_contrast, F.adjust_saturation), colours, strict=True):
            image = adjust(image, factor)
        for row in np.flatnonzero(changes["faces_blurred"] == number):
            row_weights = changes["face_blurs"][row].numpy()
            sharp = image.permute(1, 2, 0).numpy()
            blurred = cv2.sepFilter2D(sharp, -1, row_weights, row_weights, borderType=cv2.BORDER_REFLECT_101)
            image = torch.from_numpy(blurred).permute(2, 0, 1)
        for row in np.flatnonzero(changes["faces_moved"] == number):
            image = as_torchvision_moves(image, changes["face_maps"][row])
        torch.testing.assert_close((result + 1) / 2, image, atol=1e-4, rtol=0)


def as_torchvision_moves(image: torch.Tensor, source_from_output: torch.Tensor) -> torch.Tensor:
    """An image from 0 to 1 moved by the shift, scale and angle that the map (2, 3) stands for."""
    linear = torch.linalg.inv(source_from_output[:, :2].double())
    shift = -linear @ source_from_output[:, 2].double() * image.shape[-1] / 2
    angle = torch.rad2deg(torch.atan2(linear[1, 0], linear[0, 0])).item()
    scale = torch.linalg.det(linear).sqrt().item()
    return F.affine(image, angle, shift.tolist(), scale, [0.0], F.InterpolationMode.BILINEAR)


def test_how_often_and_how_much_face_images_change():
    changes = draw_face_changes(4000, generator())
    assert len(changes["faces_blurred"]) / 4000 == pytest.approx(0.1, abs=0.02)
    assert len(changes["faces_moved"]) / 4000 == pytest.approx(0.5, abs=0.03)
    assert 0.7 <= changes["face_colours"].min() < 0.71 and 1.29 < changes["face_colours"].max() <= 1.3
    linear = torch.linalg.inv(changes["face_maps"][:, :, :2])
    scale, angle = torch.linalg.det(linear).sqrt(), torch.rad2deg(torch.atan2(linear[:, 1, 0], linear[:, 0, 0]))
    shift = -(linear @ changes["face_maps"][:, :, 2:]) / 2
    for values, limit in ((scale - 1, 0.05), (angle, 4), (shift, 0.04)):
        assert -1.001 * limit <= values.min() < -0.95 * limit and 0.95 * limit < values.max() <= 1.001 * limit


def test_samples_are_mirrored_and_recoloured_alike_and_the_references_move_a_little():
    points, flips, moves = face(-0.5), set(), set()
    for result in augmented(24, points):
        flipped = result["mask"][0, 32, -1] == 1
        flips.add(bool(flipped))
        direction = ramps().flip(-1) if flipped else ramps()
        assert torch.corrcoef(torch.stack([result["image"].flatten(), direction.flatten()]))[0, 1] > 0.7
        # At most 5 % of scale, 5 degrees, 6 % of shift, on a ramp whose slope recolouring less than doubles.
        moves |= {round((result["image"] - image).abs().max().item(), 3) for image in result["references"]}
        # The left corner of the mouth stays the left one: of mirrored points the order changes too.
        expected = points[MIRRORED] * torch.tensor([-1.0, 1.0]) if flipped else points
        assert (result["points"] - expected).norm(dim=2).max() < 0.4
        assert (result["points"][:, HEAD_COUNT + 5, 0] < result["points"][:, HEAD_COUNT + 11, 0]).all()
    assert flips == {True, False}
    assert min(moves) == 0 and len(moves) > 4 and max(moves) < 0.5


def test_how_often_samples_change():
    changes = draw_changes(face().repeat(1000, 3, 1, 1), 8, generator())
    for rows, count, probability in (
        ("flipped", 1000, 0.5), ("lips", 1000, 0.7), ("deformed", 1000, 0.5), ("moved", 2000, 0.5),
    ):  # fmt: skip
        assert len(changes[rows]) / count == pytest.approx(probability, abs=0.06), rows
    assert 0.75 <= changes["colours"].min() < 0.76 and 1.24 < changes["colours"].max() <= 1.25
    assert 0.8 <= changes["tints"].min() < 0.81 and 1.19 < changes["tints"].max() <= 1.2
    assert 0.079 < changes["shifts"].abs().max() <= DEFORM_SHIFT


def test_a_sample_is_recoloured_as_torchvision_recolours_each_image_and_then_tinted():
    images = torch.rand(2, 3, 3, 16, 16, generator=generator()) * 2 - 1
    colours, tints = torch.tensor([[0.8, 1.2, 0.9], [1.2, 0.8, 1.1]]), torch.tensor([[1, 1.2, 0.8], [0.9, 1, 1.1]])
    for sample, result, factors, tint in zip(images, recolour(images, colours, tints), colours, tints, strict=True):
        for image, one in zip(sample, result, strict=True):
            expected = (image + 1) / 2
            for adjust, factor in zip(
                (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation), factors.tolist(), strict=True
            ):
                expected = adjust(expected, factor)
            expected = (expected * tint[:, None, None]).clamp(0, 1)
            torch.testing.assert_close((one + 1) / 2, expected, atol=1e-5, rtol=0)


def test_landmarks_of_a_symmetric_face_stay_in_a_mirror():
    mirrored = face()[MIRRORED] * torch.tensor([-1.0, 1.0])
    torch.testing.assert_close(mirrored, face(), atol=1e-4, rtol=0)


def test_a_mirror_exchanges_right_and_left_and_undoes_itself():
    """By the numbers of iBUG landmarks: of the nose, the eyes, the chin and the mouth."""
    numbers = [*range(27, 48), *range(6, 11), *range(48, 68)]
    in_mirror = {number: numbers[place] for number, place in zip(numbers, MIRRORED, strict=True)}
    assert {in_mirror[in_mirror[number]] == number for number in numbers} == {True}
    assert [in_mirror[number] for number in range(36, 42)] == [45, 44, 43, 42, 47, 46]  # the right eye
    unmoved = {27, 28, 29, 30, 33, 8, 51, 57, 62, 66}  # on the middle line
    assert {number for number in numbers if in_mirror[number] == number} == unmoved
    assert [in_mirror[number] for number in (31, 6, 7, 48, 50, 58, 60, 67)] == [35, 10, 9, 54, 52, 56, 64, 65]


def test_a_deformed_sample_stays_one_image():
    """With a mask that is the left edge, and no lips to recolour."""
    mask = torch.zeros(24, 1, SIDE, SIDE)
    mask[..., :4] = 1
    shown = places().repeat(24, 3, 1, 1, 1)
    rows = torch.arange(0, 24, 2)
    shifts = DEFORM_SHIFT * (2 * torch.rand(12, 2, 4, 4, generator=generator()) - 1)
    images, masks = deform(shown.clone(), mask.clone(), rows, shifts)
    assert torch.equal(images[1::2], shown[1::2]) and torch.equal(masks[1::2], mask[1::2])
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    edges = masks[::2, 0, :, 3]
    assert (edges.min(1).values != edges.max(1).values).float().mean() > 0.5, "the mask goes with the image"
    for sample in images[::2]:
        assert torch.equal(sample[0], sample[1]) and torch.equal(sample[0], sample[2])


def lip_change(count: int, points: torch.Tensor):
    """Ramps before and after lips changed colour, only the samples that did."""
    drawn = draw_lips(points.repeat(count, 3, 1, 1), SIDE, generator())
    images = ramps().repeat(len(drawn["lips"]), 3, 1, 1, 1)
    return images, recolour_lips(images, drawn["lip_areas"], drawn["lip_gains"])


def test_lips_change_colour_alike_in_image_and_references_and_nowhere_else():
    before, after = lip_change(8, face())
    pixels = ((face()[-LIP_POINTS:].numpy() + 1) * SIDE / 2 - 0.5).round().astype(np.int32)
    lips, between = (
        cv2.fillPoly(np.zeros((SIDE, SIDE), np.uint8), [pixels[points]], 1) for points in (slice(12), slice(12, 20))
    )
    far = cv2.dilate(lips, np.ones((11, 11))) == 0
    assert far.any() and between.any()
    for old, new in zip(before, after, strict=True):
        assert all(torch.equal(new[0], image) for image in new)
        change = ((new[0] + 1) / (old[0] + 1)).numpy()
        assert np.allclose(change[:, far], 1, atol=1e-5)
        assert 0.05 < np.abs(np.log(change[:, lips == 1])).max() < LIP_BRIGHTNESS + LIP_COLOUR
    colours = [new[0].sum().item() for new in after]
    assert len(colours) == len(set(colours)) > 2


def test_soft_lips_are_blurred_as_by_opencv():
    """Landmarks with fractions of a pixel; of the lips, what they enclose is left out."""
    areas = draw_lips(face(0.03).repeat(8, 1, 1, 1), SIDE, generator())["lip_areas"]
    lips, inside = (cv2.GaussianBlur(area.numpy().astype(np.float32) / 255, (0, 0), SIDE / 96) for area in areas[0, 0])
    soft = soft_lips(areas)[0, 0]
    np.testing.assert_allclose(soft[1], inside, atol=0.01)  # OpenCV cuts a Gaussian off elsewhere
    np.testing.assert_allclose(soft[0], np.maximum(lips - inside, 0), atol=0.01)
    assert soft.amax((1, 2)).min() > 0.4


def test_a_deformation_is_smooth_and_small_and_the_same_for_image_mask_and_references():
    """Pixels that hold their own place say from where they came: no farther than 8 % of half the side."""
    shifts = DEFORM_SHIFT * (2 * torch.rand(1, 2, 4, 4, generator=generator()) - 1)
    images, masks = deform(places().repeat(1, 3, 1, 1, 1), (places()[:1] > 0).float()[None], torch.tensor([0]), shifts)
    shift = images[0, 0] - places()
    assert 0.02 < shift.abs().max() < 0.11  # bicubic interpolation between control points overshoots a little
    sure = images[0, 0, 0].abs() > 0.05
    assert torch.equal(masks[0, 0][sure], (images[0, 0, 0] > 0).float()[sure])


def test_a_moved_image_keeps_its_shape_but_for_scale_and_rotation():
    """A similarity: what it does to two perpendicular ramps has the same length and stays perpendicular."""
    drawn = draw_moves(40, generator())
    for moved in sample_image(places().repeat(len(drawn["moved"]), 1, 1, 1), drawn["maps"]):
        inner = moved[:2, 16:48, 16:48].numpy()
        (x_right, y_right), (x_down, y_down) = (np.diff(inner, axis=axis).mean((1, 2)) * 32 for axis in (2, 1))
        np.testing.assert_allclose((x_right, y_right), (y_down, -x_down), atol=1e-4)
        assert abs(np.hypot(x_right, y_right) - 1) <= 0.0501
        assert abs(np.degrees(np.arctan2(y_right, x_right))) <= 5.01
        middle = inner.mean((1, 2))
        assert np.abs(middle).max() < 0.0601


def test_four_of_ten_codes_are_wholly_the_images_own_and_the_others_in_any_part():
    shares = draw_code_shares(10_000, torch.Generator().manual_seed(0))
    partly = shares[shares < 1]
    assert len(partly) == pytest.approx(6000, abs=200)
    assert (partly.min(), partly.mean(), partly.max()) == pytest.approx((0, 0.5, 1), abs=0.02)
