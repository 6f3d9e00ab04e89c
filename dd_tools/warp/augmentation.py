"""Augmentation of stage 1's samples, which makes few speakers look like many.

`augment` makes the same change of light, proportions and lip and teeth colours in the image and its references, so that
only the references tell what this mouth looks like. `augment_faces` then changes each face image separately, so that
the appearance code describes the mouth and not pixels.

All samples are changed at once, on their device, by the random amounts of `dd_tools.warp.drawn_changes`.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate

from dd_tools.training.image_changes import (
    blur,
    change_rows,
    gaussian_weights,
    mirror,
    sample_black,
    scale_colours,
)
from dd_tools.warp.flow import sample_image

INVERSION_SIDE, INVERSION_STEPS = 32, 4  # of a deformation, which is small and smooth


def augment(
    images: Tensor, faces: Tensor, masks: Tensor, points: Tensor, changes: dict[str, Tensor]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Augmented images and faces (B, 1 + K, 3, S, S) in [−1, 1], masks (B, 1, S, S), and points (B, 1 + K, P, 2).

    The first image of a sample is the one to paint, the others are its references. The points are landmarks from −1 to
    1 across the images and move with what they mark; they are already mirrored. changes: of `draw_changes`.
    """
    for tensor in (images, faces, masks):
        change_rows(tensor, changes["flipped"], mirror)
    colours = changes["colours"], changes["tints"]
    images, faces = recolour(images, *colours), recolour(faces, *colours)
    change_rows(images, changes["lips"], recolour_lips, changes["lip_areas"], changes["lip_gains"])
    images, masks = deform(images, masks, changes["deformed"], changes["shifts"])
    points = change_rows(points.clone(), changes["deformed"], deform_points, changes["shifts"])
    references, marks = images[:, 1:].flatten(0, 1), points[:, 1:].flatten(0, 1)
    change_rows(references, changes["moved"], sample_image, changes["maps"])
    change_rows(marks, changes["moved"], move_points, changes["maps"])
    images = torch.cat([images[:, :1], references.unflatten(0, (len(images), -1))], 1)
    points = torch.cat([points[:, :1], marks.unflatten(0, (len(points), -1))], 1)
    return images, augment_faces(faces.flatten(0, 1), changes).view_as(faces), masks, points


def recolour(images: Tensor, colours: Tensor, tints: Tensor) -> Tensor:
    """Images (B, M, 3, S, S) in [−1, 1] in other light, the same for all of a sample.

    colours (B, 3): factors of brightness, contrast and saturation. tints (B, 3): then, factors of the colour channels.
    """
    flat = (images.flatten(0, 1) + 1) / 2
    scaled = scale_colours(flat, colours.repeat_interleave(images.shape[1], 0)).view_as(images)
    return (scaled * tints[:, None, :, None, None]).clamp_(0, 1).mul_(2).sub_(1)


def recolour_lips(images: Tensor, areas: Tensor, gains: Tensor) -> Tensor:
    """Images (n, M, 3, S, S) with another colour of lips, and another of teeth and tongue, equal in all of a sample.

    areas: as of `draw_lips`. gains: (n, 2, 3).
    """
    factor = 1 + (soft_lips(areas)[:, :, :, None] * (gains[:, None, :, :, None, None] - 1)).sum(2)
    return ((images + 1) * factor).sub_(1).clamp_(-1, 1)


def soft_lips(areas: Tensor) -> Tensor:
    """Soft masks float32 (n, M, 2, S, S) of the lips, and of what they enclose, from areas uint8 of `draw_lips`."""
    sigma = areas.shape[-1] / 96  # pixels
    flat = areas.flatten(0, 1).float() / 255
    weights = gaussian_weights(flat.new_full((len(flat),), sigma), math.ceil(3 * sigma))
    mouth, inside = blur(flat, weights).view(areas.shape).unbind(2)
    return torch.stack([(mouth - inside).clamp(min=0), inside], 2)


def deform(images: Tensor, masks: Tensor, rows: Tensor, shifts: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, M, 3, S, S) and masks (B, 1, S, S), of which `rows` are as of a face with other proportions.

    shifts (n, 2, 4, 4): of control points, in half sides; the deformation is smooth, and the same for all of a sample.
    """
    whole = torch.cat([images.flatten(1, 2), masks], 1)
    channels = change_rows(whole, rows, _deform, shifts)
    return channels[:, :-1].view_as(images), channels[:, -1:].round()


def _deform(channels: Tensor, shifts: Tensor) -> Tensor:
    offsets = _smooth(shifts, channels.shape[-1]).permute(0, 2, 3, 1)
    return sample_image(channels, torch.eye(2, 3, device=shifts.device).expand(len(shifts), 2, 3), offsets)


def deform_points(points: Tensor, shifts: Tensor) -> Tensor:
    """Points (n, M, P, 2) where `deform` moves what they mark: the x for which x + offset(x) is the old place."""
    old, offsets = points.flatten(1, 2), _smooth(shifts, INVERSION_SIDE)
    places = old
    for _ in range(INVERSION_STEPS):
        there = grid_sample(offsets, places[:, :, None], padding_mode="border", align_corners=False)
        places = old - there.squeeze(-1).transpose(1, 2)
    return places.view_as(points)


def move_points(points: Tensor, maps: Tensor) -> Tensor:
    """Points (n, P, 2) where a `sample_image` with the `maps` (n, 2, 3) moves what they mark."""
    return torch.linalg.solve(maps[:, :, :2], (points - maps[:, None, :, 2]).transpose(1, 2)).transpose(1, 2)


def _smooth(shifts: Tensor, side: int) -> Tensor:
    return interpolate(shifts, size=(side, side), mode="bicubic", align_corners=True)


def augment_faces(faces: Tensor, changes: dict[str, Tensor]) -> Tensor:
    """Face images (N, 3, S, S) in [−1, 1], recoloured, and some blurred or moved; black outside.

    changes: of `draw_face_changes`.
    """
    faces = scale_colours((faces + 1) / 2, changes["face_colours"]).mul_(2).sub_(1)
    change_rows(faces, changes["faces_blurred"], blur, changes["face_blurs"])
    return change_rows(faces, changes["faces_moved"], sample_black, changes["face_maps"])
