"""Augmentation of the training images (section 3.1), every draw from a given generator.

`augment_face` is the paper's: it changes the semantic encoder's input alone, so that the latent learns what the face
does and not its pixels. `augment_sample` mirrors and recolours everything of a sample alike, makes up the lips of image
and references and bends both and the mask, as if there were more speakers, and moves the references, as if heads moved
more.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms.v2 import functional as F

from dd_tools.face.landmarks import INNER_LIPS, MOUTH_REGION, OUTER_LIPS
from dd_tools.renderer.deformation import follow

SAMPLE_JITTER, SAMPLE_TINT = 0.25, 0.2
# Of lips, and of what is between them: most change of their light and, beside it, of each colour, as exponents of e.
LIPS_LIGHT, LIPS_COLOUR = 0.4, 0.25
# Of the random bend of a face: points a side that are moved, and most, as a share of half the side.
BEND_POINTS, BEND = 4, 0.08
# Of the reference against the image: most shift as a share of half the side, most change of scale, most turn.
REFERENCE_SHIFT, REFERENCE_SCALE, REFERENCE_TURN = 0.06, 0.05, math.radians(5)

# Where the iBUG landmarks of chin and lips go in a mirror.
_MIRROR = dict(zip(range(6, 11), range(10, 5, -1), strict=True))
_MIRROR |= dict(zip([*range(48, 60)], [*range(54, 47, -1), *range(59, 54, -1)], strict=True))
_MIRROR |= dict(zip([*range(60, 68)], [*range(64, 59, -1), *range(67, 64, -1)], strict=True))
MIRRORED = [MOUTH_REGION.index(_MIRROR[point]) for point in MOUTH_REGION]
_SUBPIXEL = 4  # bits
_OUTER, _INNER = (
    [MOUTH_REGION.index(point) for point in range(lips.start, lips.stop)] for lips in (OUTER_LIPS, INNER_LIPS)
)


@dataclass(frozen=True)
class FaceAugmentation:
    """How far a face image is changed. flip, blur, affine: probabilities. jitter: brightness, contrast and saturation
    are scaled by 1 +- this. shift: least and most, either way, as shares of the side. scale: least and most. rotation:
    most, in degrees.
    """

    flip: float
    jitter: float
    blur: float
    affine: float
    shift: tuple[float, float]
    scale: tuple[float, float]
    rotation: float


PAPER = FaceAugmentation(flip=0.5, jitter=0.3, blur=0.1, affine=0.5, shift=(0.1, 0.2), scale=(0.9, 1.1), rotation=20.0)
# For networks too small to see through all of that.
GENTLE = FaceAugmentation(
    flip=0.0, jitter=0.3, blur=0.1, affine=0.5, shift=(0.0, 0.04), scale=(0.95, 1.05), rotation=4.0
)


def augment_face(face: Tensor, amount: FaceAugmentation, generator: torch.Generator) -> Tensor:
    """A face image (3, S, S) in [-1, 1], flipped, recoloured, blurred, shifted, scaled and turned, each by chance."""
    if _chance(amount.flip, generator):
        face = F.horizontal_flip(face)
    face = recolour(face, amount.jitter, generator)
    if _chance(amount.blur, generator):
        face = F.gaussian_blur(face, kernel_size=[5, 5], sigma=[_uniform(0.5, 1.5, generator)])
    if _chance(amount.affine, generator):
        side = face.shape[-1]
        shift = [side * _uniform(*amount.shift, generator) * (1 if _chance(0.5, generator) else -1) for _ in range(2)]
        face = F.affine(
            face,
            angle=_uniform(-amount.rotation, amount.rotation, generator),
            translate=shift,
            scale=_uniform(*amount.scale, generator),
            shear=[0.0],
            interpolation=F.InterpolationMode.BILINEAR,
            fill=[-1.0],
        )
    return face


def augment_sample(sample: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """A sample of `RendererData` before its faces are augmented: mirrored half the time, its images recoloured alike,
    the lips of its image and references made up alike most of the time, image, references and mask bent alike half the
    time, and each reference moved half the time.
    """
    sample = dict(sample)
    if _chance(0.5, generator):
        mirrored = {name: F.horizontal_flip(tensor) for name, tensor in sample.items() if name != "points"}
        sample = mirrored | {"points": sample["points"][..., MIRRORED, :] * torch.tensor([-1.0, 1.0])}
    state = generator.get_state()
    for name in ("image", "faces", "references"):
        generator.set_state(state)  # the same draws for each
        sample[name] = _tinted(recolour(sample[name], SAMPLE_JITTER, generator), generator)
    if _chance(0.7, generator):
        sample |= made_up(sample, generator)
    if _chance(0.5, generator):
        sample |= _bent(sample, generator)
    moved = [_moved(image, generator) if _chance(0.5, generator) else image for image in sample["references"]]
    return sample | {"references": torch.stack(moved)}


def made_up(sample: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Image and references of a sample with lips, teeth and tongue of another colour, the same in all of them: few
    speakers teach what lips look like, and only the references can tell of these.
    """
    light = LIPS_LIGHT * (2 * torch.rand(2, 1, 1, 1, generator=generator) - 1)
    colour = LIPS_COLOUR * (2 * torch.rand(2, 3, 1, 1, generator=generator) - 1)
    gains = (light + colour).exp()
    images = torch.cat([sample["image"][None], sample["references"]])
    places = torch.from_numpy(np.stack([_lips_and_between(points, images.shape[-1]) for points in sample["points"]]))
    factor = 1 + (places[:, :, None] * (gains - 1)).sum(1)
    image, *references = ((images + 1) * factor - 1).clamp(-1, 1)
    return {"image": image, "references": torch.stack(references)}


def _lips_and_between(points: Tensor, size: int) -> np.ndarray:
    """Of `MOUTH_REGION` (25, 2) in [-1, 1]: where the lips are and what they enclose, soft, (2, S, S) in [0, 1]."""
    pixels = ((points.numpy() + 1) * size / 2 - 0.5) * 2**_SUBPIXEL
    filled = []
    for polygon in (_OUTER, _INNER):
        area = np.zeros((size, size), np.uint8)
        cv2.fillPoly(area, [np.rint(pixels[polygon]).astype(np.int32)], 255, cv2.LINE_AA, _SUBPIXEL)
        filled.append(cv2.GaussianBlur(area, (0, 0), size / 96).astype(np.float32) / 255)
    mouth, between = filled
    return np.stack([np.maximum(mouth - between, 0), between])


def _bent(sample: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """Image, references and mask of a sample as those of a face of slightly other proportions."""
    draws = BEND * (2 * torch.rand(1, 2, BEND_POINTS, BEND_POINTS, generator=generator) - 1)
    side = sample["image"].shape[-1]
    offsets = interpolate(draws, size=(side, side), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    whole = torch.cat([sample["image"][None], sample["references"]]).flatten(0, 1)
    picture = follow(torch.cat([whole, sample["mask"]])[None], torch.eye(2, 3)[None], offsets)[0]
    image, *references = picture[:-1].split(3)
    return {"image": image, "references": torch.stack(references), "mask": picture[-1:].round()}


def _tinted(image: Tensor, generator: torch.Generator) -> Tensor:
    """An image (..., 3, S, S) in [-1, 1] under light of a slightly different colour."""
    gains = 1 + SAMPLE_TINT * (2 * torch.rand(3, 1, 1, generator=generator) - 1)
    return ((image + 1) * gains - 1).clamp(-1, 1)


def _moved(image: Tensor, generator: torch.Generator) -> Tensor:
    """An image (3, S, S) shifted, scaled and turned a little, its border drawn out."""
    scale = _uniform(1 - REFERENCE_SCALE, 1 + REFERENCE_SCALE, generator)
    turn = _uniform(-REFERENCE_TURN, REFERENCE_TURN, generator)
    x, y = (_uniform(-REFERENCE_SHIFT, REFERENCE_SHIFT, generator) for _ in range(2))
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    return follow(image[None], torch.tensor([[[cos, -sin, x], [sin, cos, y]]]))[0]


def recolour(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Images (..., 3, S, S) in [-1, 1] with brightness, contrast and saturation scaled by factors in 1 +- amount."""
    image = (image + 1) / 2
    for adjust in (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation):
        image = adjust(image, _uniform(1 - amount, 1 + amount, generator))
    return image * 2 - 1


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * torch.rand((), generator=generator).item()


def _chance(probability: float, generator: torch.Generator) -> bool:
    return torch.rand((), generator=generator).item() < probability
