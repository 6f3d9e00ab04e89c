"""Augmentation of the face image (section 3.1), so that the latent describes facial motion and not pixels.

Operators and amounts are those of the released code, which uses the library albumentations: horizontal flip, colour
jitter, blur, and shift, scale and rotation together. The paper says Gaussian blur; the released code uses a box blur.
Image, mask and reference are not augmented.
"""

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from dd_tools.training.chance import happens, uniform

FLIP_PROBABILITY = 0.5
JITTER_PROBABILITY = 0.3
JITTER_AMOUNT = 0.2  # largest relative change of brightness, contrast and saturation; of hue, in turns
BLUR_PROBABILITY = 0.1
BLUR_KERNELS = (3, 5, 7)  # pixels
AFFINE_PROBABILITY = 0.5
SHIFT = (0.1, 0.2)  # of the side; only to the right and down, as in the released code
SCALE = (0.9, 1.1)
ROTATION = 20.0  # degrees, either way

_COLOUR = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation)


def augment_face(face: Tensor, generator: torch.Generator) -> Tensor:
    """A face image (3, S, S) in [−1, 1], flipped, recoloured, blurred and moved, each at random; black outside."""
    if happens(FLIP_PROBABILITY, generator):
        face = F.horizontal_flip(face)
    if happens(JITTER_PROBABILITY, generator):
        face = jitter_colour(face, generator)
    if happens(BLUR_PROBABILITY, generator):
        face = box_blur(face, BLUR_KERNELS[int(torch.randint(len(BLUR_KERNELS), (), generator=generator))])
    if happens(AFFINE_PROBABILITY, generator):
        face = shift_scale_rotate(face, generator)
    return face


def jitter_colour(image: Tensor, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast, saturation and hue of an image (3, S, S) in [−1, 1], in random order."""
    image = (image + 1) / 2
    for index in torch.randperm(len(_COLOUR) + 1, generator=generator).tolist():
        if index < len(_COLOUR):
            image = _COLOUR[index](image, uniform(1 - JITTER_AMOUNT, 1 + JITTER_AMOUNT, generator))
        else:
            image = F.adjust_hue(image, uniform(-JITTER_AMOUNT, JITTER_AMOUNT, generator))
    return image * 2 - 1


def box_blur(image: Tensor, kernel: int) -> Tensor:
    """Mean over kernel × kernel pixels of an image (3, S, S), with the border reflected. kernel: odd."""
    padded = torch.nn.functional.pad(image[None], (kernel // 2,) * 4, mode="reflect")
    return torch.nn.functional.avg_pool2d(padded, kernel, stride=1)[0]


def shift_scale_rotate(image: Tensor, generator: torch.Generator) -> Tensor:
    """Shift an image (3, S, S) in [−1, 1], and scale and rotate it about its centre; black outside."""
    side = image.shape[-1]
    return F.affine(
        image,
        angle=uniform(-ROTATION, ROTATION, generator),
        translate=[side * uniform(*SHIFT, generator) for _ in range(2)],
        scale=uniform(*SCALE, generator),
        shear=[0.0],
        interpolation=F.InterpolationMode.BILINEAR,
        fill=[-1.0],
    )
