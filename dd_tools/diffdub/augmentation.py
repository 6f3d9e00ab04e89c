"""Augmentation of the face image (section 3.1), so that the latent describes facial motion and not pixels.

Operators and amounts are those of the released code, which uses the library albumentations: horizontal flip, colour
jitter, blur, and shift, scale and rotation together. The paper says Gaussian blur; the released code uses a box blur.
Image, mask and reference are not augmented.

`draw_changes` draws the random numbers for a batch of face images, `augment_faces` applies them to the batch at once.
"""

import math

import torch
from torch import Tensor

from dd_tools.training.chance import rows_where, uniform
from dd_tools.training.image_changes import (
    blend,
    blur,
    change_rows,
    luma,
    mirror,
    sample_black,
    shift_scale_rotate,
    turn_hue,
)

FLIP_PROBABILITY = 0.5
JITTER_PROBABILITY = 0.3
JITTER_AMOUNT = 0.2  # largest relative change of brightness, contrast and saturation; of hue, in turns
BLUR_PROBABILITY = 0.1
BLUR_KERNELS = (3, 5, 7)  # pixels
AFFINE_PROBABILITY = 0.5
SHIFT = (0.1, 0.2)  # of the side; only to the right and down, as in the released code
SCALE = (0.9, 1.1)
ROTATION = math.radians(20.0)  # either way

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


def draw_changes(count: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Random numbers for `augment_faces` of `count` face images: for each operator its rows and their amounts."""
    flipped, jittered = (rows_where(p, count, generator) for p in (FLIP_PROBABILITY, JITTER_PROBABILITY))
    blurred, moved = (rows_where(p, count, generator) for p in (BLUR_PROBABILITY, AFFINE_PROBABILITY))
    kernels = torch.tensor(BLUR_KERNELS)[torch.randint(len(BLUR_KERNELS), (len(blurred),), generator=generator)]
    shift = uniform(*SHIFT, (len(moved), 2), generator)
    scale = uniform(*SCALE, (len(moved),), generator)
    angle = uniform(-ROTATION, ROTATION, (len(moved),), generator)
    return {
        "flipped": flipped,
        "jittered": jittered,
        **draw_jitter(len(jittered), generator),
        "blurred": blurred,
        "blur_weights": box_weights(kernels),
        "moved": moved,
        "maps": shift_scale_rotate(shift, scale, angle),
    }


def augment_faces(faces: Tensor, changes: dict[str, Tensor]) -> Tensor:
    """Face images (B, 3, S, S) in [−1, 1], flipped, recoloured, blurred and moved, in place; black outside.

    changes: of `draw_changes`.
    """
    change_rows(faces, changes["flipped"], mirror)
    jitter = (changes[name] for name in ("jitter_operators", "jitter_factors", "jitter_turns"))
    change_rows(faces, changes["jittered"], jitter_colour, *jitter)
    change_rows(faces, changes["blurred"], blur, changes["blur_weights"])
    return change_rows(faces, changes["moved"], sample_black, changes["maps"])


def draw_jitter(count: int, generator: torch.Generator) -> dict[str, Tensor]:
    """The arguments of `jitter_colour` for `count` images: the four operators in random order, by random amounts.

    The hue takes many operations to change, so all images change it at the same time. What comes before has places 0 to
    2, what comes after has places 3 to 5; in places that are left over, a factor of 1 changes nothing.
    """
    order = torch.rand(count, HUE + 1, generator=generator).argsort(1)
    factors = uniform(1 - JITTER_AMOUNT, 1 + JITTER_AMOUNT, order.shape, generator)
    turns = uniform(-JITTER_AMOUNT, JITTER_AMOUNT, (count,), generator)
    position, is_hue = torch.arange(HUE + 1), order == HUE
    hue_position = is_hue.int().argmax(1, keepdim=True)
    place = torch.where(position > hue_position, position + 2, position).masked_fill(is_hue, 2 * HUE)
    return {
        "jitter_operators": torch.zeros(count, 2 * HUE + 1, dtype=torch.int64).scatter(1, place, order)[:, :-1],
        "jitter_factors": torch.ones(count, 2 * HUE + 1).scatter(1, place, factors)[:, :-1],
        "jitter_turns": turns,
    }


def jitter_colour(images: Tensor, operators: Tensor, factors: Tensor, turns: Tensor) -> Tensor:
    """Change brightness, contrast, saturation and hue of images (N, 3, S, S) in [−1, 1].

    operators, factors (N, 6): what to scale one after the other, and by how much. turns (N,): of the hue, after three.
    """
    images = (images + 1) / 2
    for place, (operator, factor) in enumerate(zip(operators.unbind(1), factors.unbind(1), strict=True)):
        if place == HUE:
            images = turn_hue(images, turns)
        images = _scale(images, operator[:, None, None, None], factor)
    return images * 2 - 1


def _scale(images: Tensor, operator: Tensor, factor: Tensor) -> Tensor:
    """Brightness, contrast or saturation of images from 0 to 1, scaled by `factor`."""
    grey = luma(images)
    mean = grey.mean((2, 3), keepdim=True)
    return blend(images, grey * (operator == SATURATION) + mean * (operator == CONTRAST), factor)


def box_weights(kernels: Tensor) -> Tensor:
    """Weights (N, 7) for `blur` of the mean over `kernels` (N,) pixels, odd numbers up to 7."""
    radius = max(BLUR_KERNELS) // 2
    return (torch.arange(-radius, radius + 1).abs() <= kernels[:, None] // 2) / kernels[:, None]
