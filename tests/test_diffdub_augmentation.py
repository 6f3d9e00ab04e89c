"""Augmentation of the face image: how often and how far, as the released code has it."""

import colorsys
import math
from collections import Counter

import cv2
import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as F

from dd_tools.diffdub.augmentation import (
    BRIGHTNESS,
    CONTRAST,
    SATURATION,
    augment_faces,
    box_weights,
    draw_changes,
    draw_jitter,
    jitter_colour,
)
from dd_tools.training.image_changes import blur, sample_black


def augmented(image: torch.Tensor, count: int) -> torch.Tensor:
    """The image, augmented `count` times."""
    return augment_faces(image.repeat(count, 1, 1, 1), draw_changes(count, torch.Generator().manual_seed(0)))


def jittered(image: torch.Tensor, count: int) -> torch.Tensor:
    return jitter_colour(image.repeat(count, 1, 1, 1), **jitter_arguments(count))


def jitter_arguments(count: int) -> dict[str, torch.Tensor]:
    drawn = draw_jitter(count, torch.Generator().manual_seed(0))
    return {name.removeprefix("jitter_"): tensor for name, tensor in drawn.items()}


def two_halves(left, right, side: int = 32) -> torch.Tensor:
    """An image (3, S, S) of two colours, given from 0 to 1."""
    image = torch.empty(3, side, side)
    image[:, :, : side // 2], image[:, :, side // 2 :] = (torch.tensor(c)[:, None, None] for c in (left, right))
    return image * 2 - 1


def test_each_operator_happens_as_often_as_in_the_released_code():
    """Told from the result alone, on two colours side by side.

    Moved: the first pixel is black. Flipped: the darker colour is right of the edge, which a shift takes to 60 or 70 %
    of the width. Recoloured: neither colour is what it was. Blurred, judged where nothing moved: the edge is not sharp.
    """
    dark, bright = (0.3, 0.25, 0.2), (0.5, 0.7, 0.6)
    original = torch.tensor([dark, bright]) * 2 - 1
    moved, flipped, recoloured, blurred = [], [], [], []
    for image in augmented(two_halves(dark, bright), 2000):
        row = image[:, 21]
        sides = row[:, [14, 27]].T
        moved.append(bool((image[:, 0, 0] == -1).all()))
        flipped.append(bool(sides[0].sum() > sides[1].sum()))
        colours = sides.flip(0) if flipped[-1] else sides
        recoloured.append(bool((colours - original).abs().max() > 1e-3))
        if not moved[-1]:
            blurred.append(len(row.T.unique(dim=0)) > 2)
    for happened, probability in ((moved, 0.5), (flipped, 0.5), (recoloured, 0.3), (blurred, 0.1)):
        standard_deviation = math.sqrt(probability * (1 - probability) / len(happened))
        assert np.mean(happened) == pytest.approx(probability, abs=4 * standard_deviation)


def test_hue_turns_by_up_to_a_fifth_of_the_circle_either_way():
    """Brightness, contrast and saturation do not change the hue of an image of one colour."""
    colour = (0.6, 0.4, 0.35)
    image = torch.tensor(colour)[:, None, None].expand(3, 8, 8) * 2 - 1
    before = colorsys.rgb_to_hsv(*colour)[0]
    turns = []
    for result in jittered(image, 500):
        after = colorsys.rgb_to_hsv(*((result[:, 0, 0] + 1) / 2).tolist())[0]
        turns.append((after - before + 0.5) % 1 - 0.5)
    assert -0.201 < min(turns) < -0.19 and 0.19 < max(turns) < 0.201
    np.testing.assert_allclose(np.quantile(turns, [0.25, 0.5, 0.75]), [-0.1, 0, 0.1], atol=0.03)


def test_brightness_and_contrast_are_scaled_by_up_to_a_fifth():
    """Grey has no hue or saturation: the mean of two greys tells the brightness, their difference also the contrast."""
    brightness, contrast = [], []
    for result in jittered(two_halves([0.3] * 3, [0.5] * 3), 500):
        first, second = ((result[0, 0, column].item() + 1) / 2 for column in (0, -1))
        brightness.append((first + second) / 0.8)
        contrast.append((second - first) / 0.2 / brightness[-1])
    for factors in (brightness, contrast):
        assert 0.799 < min(factors) < 0.81 and 1.19 < max(factors) < 1.201
        np.testing.assert_allclose(np.quantile(factors, [0.25, 0.5, 0.75]), [0.9, 1, 1.1], atol=0.03)
    assert abs(np.corrcoef(brightness, contrast)[0, 1]) < 0.15


def test_saturation_is_scaled_as_well():
    """Of one colour, all three factors scale what lies between its largest and its smallest component."""
    image = torch.tensor([0.45, 0.35, 0.4])[:, None, None].expand(3, 8, 8) * 2 - 1
    spans = [float(np.ptp(((result[:, 0, 0] + 1) / 2).numpy())) / 0.1 for result in jittered(image, 1000)]
    assert 0.8**3 < min(spans) < 0.6 and 1.5 < max(spans) < 1.2**3
    one = np.log(np.random.default_rng(0).uniform(0.8, 1.2, (3, 100_000)))
    assert np.log(spans).std() == pytest.approx(one.sum(0).std(), rel=0.1)


def test_colours_are_changed_in_every_order():
    """Of the four operators, each image has each once, in one of 24 orders, by an amount of its own."""
    drawn, orders = jitter_arguments(400), []
    for operators, factors in zip(drawn["operators"].tolist(), drawn["factors"].tolist(), strict=True):
        used = [place for place in range(6) if factors[place] != 1]
        assert sorted(operators[place] for place in used) == [BRIGHTNESS, CONTRAST, SATURATION]
        orders.append((tuple(operators[place] for place in used), sum(place < 3 for place in used)))
    counts = Counter(orders)
    assert len(counts) == 24 and max(counts.values()) < 400 / 24 + 4 * math.sqrt(400 / 24)


def test_colours_are_changed_as_by_torchvision_in_the_same_order():
    faces = torch.rand(60, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    drawn = jitter_arguments(60)
    adjust = {BRIGHTNESS: F.adjust_brightness, CONTRAST: F.adjust_contrast, SATURATION: F.adjust_saturation}
    for face, result, operators, factors, turns in zip(
        faces, jitter_colour(faces, **drawn), *(tensor.tolist() for tensor in drawn.values()), strict=True
    ):
        image = (face + 1) / 2
        for place in range(6):
            image = F.adjust_hue(image, turns) if place == 3 else image
            image = adjust[operators[place]](image, factors[place])
        torch.testing.assert_close(result, image * 2 - 1, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_blur_is_the_box_filter_of_opencv(kernel):
    image = torch.rand(3, 20, 20) * 2 - 1
    expected = cv2.blur(image.permute(1, 2, 0).numpy(), (kernel, kernel), borderType=cv2.BORDER_REFLECT_101)
    blurred = blur(image[None], box_weights(torch.tensor([kernel])))[0]
    np.testing.assert_allclose(blurred.permute(1, 2, 0), expected, atol=1e-5)


def test_every_kernel_of_the_blur_is_used():
    weights = draw_changes(2000, torch.Generator().manual_seed(0))["blur_weights"]
    kernels, counts = np.unique((weights > 0).sum(1), return_counts=True)
    assert kernels.tolist() == [3, 5, 7] and counts.min() > 0.7 * counts.max()


def test_operators_follow_each_other_as_in_the_released_code():
    """Flip, colours, blur, then the move, each as the library does it to one image alone."""
    faces = torch.rand(200, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    changes = draw_changes(200, torch.Generator().manual_seed(3))
    results = augment_faces(faces.clone(), changes)
    for number in range(200):
        face = faces[number]
        for name in ("flipped", "jittered", "blurred", "moved"):
            for row in np.flatnonzero(changes[name] == number):
                face = one_by_one(name, face, {key: changes[key][row] for key in changes if len(changes[key]) > row})
        torch.testing.assert_close(results[number], face, atol=1e-4, rtol=0)


def one_by_one(name: str, face: torch.Tensor, amounts: dict[str, torch.Tensor]) -> torch.Tensor:
    """One operator on one image (3, S, S) in [−1, 1]."""
    if name == "flipped":
        return F.horizontal_flip(face)
    if name == "jittered":
        return jitter_colour(
            face[None], *(amounts[f"jitter_{key}"][None] for key in ("operators", "factors", "turns"))
        )[0]
    if name == "blurred":
        kernel = int((amounts["blur_weights"] > 0).sum())
        blurred = cv2.blur(face.permute(1, 2, 0).numpy(), (kernel, kernel), borderType=cv2.BORDER_REFLECT_101)
        return torch.from_numpy(blurred).permute(2, 0, 1)
    return sample_black(face[None], amounts["maps"][None])[0]


def moves(count: int, side: int = 64) -> list[tuple[np.ndarray, torch.Tensor]]:
    """Affine maps (2, 3) of source from output coordinates about the centre, and the images they were read off.

    Two channels of the image are its coordinates, so the map is a linear regression on pixels inside.
    """
    places = (torch.arange(side) + 0.5 - side / 2) / side
    image = torch.stack([places.expand(side, side), places[:, None].expand(side, side), torch.ones(side, side)])
    found = []
    generator, maps = torch.Generator().manual_seed(0), []
    while sum(map(len, maps)) < count:
        maps.append(draw_changes(count, generator)["maps"])
    for result in sample_black(image.repeat(count, 1, 1, 1), torch.cat(maps)[:count]):
        inside = (result[2] == 1).numpy()
        ones = np.ones_like(result[0])
        outputs = np.stack([*image[:2].numpy(), ones], -1)[inside]
        found.append((np.linalg.lstsq(outputs, result[:2].numpy()[:, inside].T, rcond=None)[0].T, result))
    return found


def test_faces_move_right_and_down_and_turn_and_scale_within_limits():
    shifts, scales, angles = [], [], []
    for source_from_output, _ in moves(400):
        linear = np.linalg.inv(source_from_output[:, :2])
        shifts.append(-linear @ source_from_output[:, 2])
        scales.append(math.sqrt(np.linalg.det(linear)))
        angles.append(math.degrees(math.atan2(linear[1, 0], linear[0, 0])))
        np.testing.assert_allclose(linear @ linear.T, scales[-1] ** 2 * np.eye(2), atol=1e-3)  # no shear
    right, down = np.transpose(shifts)
    for values, low, high in ((right, 0.1, 0.2), (down, 0.1, 0.2), (scales, 0.9, 1.1), (angles, -20, 20)):
        margin = (high - low) / 20
        assert low - margin / 10 < min(values) < low + margin and high - margin < max(values) < high + margin / 10
        assert np.mean(values) == pytest.approx((low + high) / 2, abs=2 * margin)
    assert np.abs(np.corrcoef([right, down, scales, angles]) - np.eye(4)).max() < 0.2


def test_what_comes_in_from_outside_is_black():
    for source_from_output, result in moves(20):
        side = result.shape[-1]
        places = (np.arange(side) + 0.5 - side / 2) / side
        output = np.stack([*np.meshgrid(places, places), np.ones((side, side))], 0)
        source = np.einsum("sc,cij->sij", source_from_output, output)
        outside = np.abs(source).max(0) > 0.5 + 1.5 / side
        assert outside.mean() > 0.1
        assert (result.numpy()[:, outside] == -1).all()


def test_augmented_faces_stay_in_range_and_follow_the_generator():
    face = torch.rand(3, 32, 32) * 2 - 1
    first, again = augmented(face, 40), augmented(face, 40)
    assert torch.equal(first, again)
    assert first.shape == (40, 3, 32, 32) and first.min() >= -1 and first.max() <= 1
    assert len({round(image.sum().item(), 3) for image in first}) > 20
