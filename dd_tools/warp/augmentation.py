"""Augmentation of stage 1's samples, which makes few speakers look like many.

`augment_sample` makes the same change of light, proportions and lip and teeth colours in the image and its references,
so that only the references tell what this mouth looks like. `augment_face` then changes each face image separately, so
that the appearance code describes the mouth and not pixels.
"""

import math

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms.v2 import functional as F

from dd_tools.face.landmarks import INNER_LIPS, MOUTH_REGION, OUTER_LIPS
from dd_tools.training.chance import happens, uniform
from dd_tools.warp.flow import sample_image

# Of a sample as a whole.
FLIP_PROBABILITY, LIPS_PROBABILITY, DEFORM_PROBABILITY = 0.5, 0.7, 0.5
COLOUR = 0.25  # largest relative change of brightness, contrast and saturation
TINT = 0.2  # largest relative change of each colour channel
LIP_BRIGHTNESS, LIP_COLOUR = 0.4, 0.25  # largest logarithm of the gain of lips, and of each of their colour channels
DEFORM_POINTS, DEFORM_SHIFT = 4, 0.08  # control points per side, and their largest shift in half sides

# Of each reference.
REFERENCE_PROBABILITY = 0.5
REFERENCE_SHIFT, REFERENCE_SCALE, REFERENCE_ROTATION = 0.06, 0.05, math.radians(5)  # largest; the shift in half sides

# Of each face image.
FACE_COLOUR = 0.3  # as `COLOUR`
FACE_BLUR_PROBABILITY, FACE_AFFINE_PROBABILITY = 0.1, 0.5
FACE_SHIFT, FACE_SCALE, FACE_ROTATION = 0.04, 0.05, 4.0  # largest; the shift in sides, the rotation in degrees

# The landmark of chin and lips that each one becomes in a mirror image.
_MIRROR = dict(zip(range(6, 11), range(10, 5, -1), strict=True))
_MIRROR |= dict(zip([*range(48, 60)], [*range(54, 47, -1), *range(59, 54, -1)], strict=True))
_MIRROR |= dict(zip([*range(60, 68)], [*range(64, 59, -1), *range(67, 64, -1)], strict=True))
MIRRORED = [MOUTH_REGION.index(_MIRROR[point]) for point in MOUTH_REGION]
_SUBPIXEL_BITS = 4
_OUTER, _INNER = (
    [MOUTH_REGION.index(point) for point in range(lips.start, lips.stop)] for lips in (OUTER_LIPS, INNER_LIPS)
)


def augment_sample(sample: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """A sample of `RendererData`, flipped, recoloured and deformed as a whole, each at random.

    References are also moved a little, each separately, as if heads moved more.
    """
    sample = dict(sample)
    if happens(FLIP_PROBABILITY, generator):
        mirrored = {name: F.horizontal_flip(tensor) for name, tensor in sample.items() if name != "landmarks"}
        sample = mirrored | {"landmarks": sample["landmarks"][..., MIRRORED, :] * torch.tensor([-1.0, 1.0])}
    state = generator.get_state()
    for name in ("image", "faces", "references"):
        generator.set_state(state)  # the same draws for each
        sample[name] = tint(recolour(sample[name], COLOUR, generator), generator)
    if happens(LIPS_PROBABILITY, generator):
        sample |= recolour_lips(sample, generator)
    if happens(DEFORM_PROBABILITY, generator):
        sample |= deform(sample, generator)
    references = [
        move(image, generator) if happens(REFERENCE_PROBABILITY, generator) else image for image in sample["references"]
    ]
    return sample | {"references": torch.stack(references)}


def augment_face(face: Tensor, generator: torch.Generator) -> Tensor:
    """A face image (3, S, S) in [−1, 1], recoloured, and blurred and moved at random; black outside."""
    face = recolour(face, FACE_COLOUR, generator)
    if happens(FACE_BLUR_PROBABILITY, generator):
        face = F.gaussian_blur(face, kernel_size=[5, 5], sigma=[uniform(0.5, 1.5, generator)])
    if happens(FACE_AFFINE_PROBABILITY, generator):
        side = face.shape[-1]
        face = F.affine(
            face,
            angle=uniform(-FACE_ROTATION, FACE_ROTATION, generator),
            translate=[side * uniform(-FACE_SHIFT, FACE_SHIFT, generator) for _ in range(2)],
            scale=uniform(1 - FACE_SCALE, 1 + FACE_SCALE, generator),
            shear=[0.0],
            interpolation=F.InterpolationMode.BILINEAR,
            fill=[-1.0],
        )
    return face


def recolour_lips(sample: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Image and references of a sample with another colour of lips, and another of teeth and tongue, equal in all."""
    brightness = LIP_BRIGHTNESS * (2 * torch.rand(2, 1, 1, 1, generator=generator) - 1)
    colour = LIP_COLOUR * (2 * torch.rand(2, 3, 1, 1, generator=generator) - 1)
    gains = (brightness + colour).exp()
    images = torch.cat([sample["image"][None], sample["references"]])
    masks = torch.from_numpy(np.stack([_lip_masks(points, images.shape[-1]) for points in sample["landmarks"]]))
    factor = 1 + (masks[:, :, None] * (gains - 1)).sum(1)
    image, *references = ((images + 1) * factor - 1).clamp(-1, 1)
    return {"image": image, "references": torch.stack(references)}


def _lip_masks(landmarks: Tensor, size: int) -> np.ndarray:
    """Soft masks float32 (2, S, S) of the lips, and of what they enclose.

    landmarks (25, 2): `MOUTH_REGION`, from −1 to 1 across the image.
    """
    pixels = ((landmarks.numpy() + 1) * size / 2 - 0.5) * 2**_SUBPIXEL_BITS
    filled = []
    for polygon in (_OUTER, _INNER):
        area = np.zeros((size, size), np.uint8)
        cv2.fillPoly(area, [np.rint(pixels[polygon]).astype(np.int32)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        filled.append(cv2.GaussianBlur(area, (0, 0), size / 96).astype(np.float32) / 255)
    mouth, inside = filled
    return np.stack([np.maximum(mouth - inside, 0), inside])


def deform(sample: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Image, references and mask of a sample under the same smooth deformation, as of a face with other proportions."""
    shifts = DEFORM_SHIFT * (2 * torch.rand(1, 2, DEFORM_POINTS, DEFORM_POINTS, generator=generator) - 1)
    side = sample["image"].shape[-1]
    offsets = interpolate(shifts, size=(side, side), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    images = torch.cat([sample["image"][None], sample["references"]]).flatten(0, 1)
    moved = sample_image(torch.cat([images, sample["mask"]])[None], torch.eye(2, 3)[None], offsets)[0]
    image, *references = moved[:-1].split(3)
    return {"image": image, "references": torch.stack(references), "mask": moved[-1:].round()}


def tint(image: Tensor, generator: torch.Generator) -> Tensor:
    """Images (..., 3, S, S) in [−1, 1] in light of a slightly different colour."""
    gains = 1 + TINT * (2 * torch.rand(3, 1, 1, generator=generator) - 1)
    return ((image + 1) * gains - 1).clamp(-1, 1)


def move(image: Tensor, generator: torch.Generator) -> Tensor:
    """An image (3, S, S) shifted, scaled and rotated a little; its border is repeated outside."""
    scale = uniform(1 - REFERENCE_SCALE, 1 + REFERENCE_SCALE, generator)
    angle = uniform(-REFERENCE_ROTATION, REFERENCE_ROTATION, generator)
    x, y = (uniform(-REFERENCE_SHIFT, REFERENCE_SHIFT, generator) for _ in range(2))
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    return sample_image(image[None], torch.tensor([[[cos, -sin, x], [sin, cos, y]]]))[0]


def recolour(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Images (..., 3, S, S) in [−1, 1] with brightness, contrast and saturation scaled by factors in 1 ± amount."""
    image = (image + 1) / 2
    for adjust in (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation):
        image = adjust(image, uniform(1 - amount, 1 + amount, generator))
    return image * 2 - 1
