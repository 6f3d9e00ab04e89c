"""Augmentation of the training images (section 3.1), every draw from a given generator.

`augment_face` is the paper's: it changes the semantic encoder's input alone, so that the latent learns what the face does and
not its pixels. `augment_pair` mirrors and recolours everything of a sample alike: more speakers than there are.
"""

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

JITTER = 0.3
BLUR_PROBABILITY = 0.1
AFFINE_PROBABILITY = 0.5
SHIFT = (0.1, 0.2)  # of the image's side, either way
SCALE = (0.9, 1.1)
ROTATION = 20.0  # degrees, either way


def augment_face(face: Tensor, generator: torch.Generator) -> Tensor:
    """A face image (3, S, S) in [-1, 1], flipped, recoloured, blurred, shifted, scaled and turned, each by chance."""
    if _chance(0.5, generator):
        face = F.horizontal_flip(face)
    face = recolour(face, JITTER, generator)
    if _chance(BLUR_PROBABILITY, generator):
        face = F.gaussian_blur(face, kernel_size=[5, 5], sigma=[_uniform(0.5, 1.5, generator)])
    if _chance(AFFINE_PROBABILITY, generator):
        side = face.shape[-1]
        shift = [side * _uniform(*SHIFT, generator) * (1 if _chance(0.5, generator) else -1) for _ in range(2)]
        face = F.affine(
            face, angle=_uniform(-ROTATION, ROTATION, generator), translate=shift, scale=_uniform(*SCALE, generator),
            shear=[0.0], interpolation=F.InterpolationMode.BILINEAR, fill=[-1.0],
        )
    return face


def augment_pair(sample: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
    """A sample of `RendererData` before its face is augmented: mirrored half the time, its images recoloured alike."""
    if _chance(0.5, generator):
        sample = {name: F.horizontal_flip(tensor) for name, tensor in sample.items()}
    state = generator.get_state()
    for name in ("image", "face", "reference"):
        generator.set_state(state)  # the same draws for each
        sample[name] = recolour(sample[name], JITTER / 2, generator)
    return sample


def recolour(image: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """An image (3, S, S) in [-1, 1] with brightness, contrast and saturation scaled by factors in 1 +- amount."""
    image = (image + 1) / 2
    for adjust in (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation):
        image = adjust(image, _uniform(1 - amount, 1 + amount, generator))
    return image * 2 - 1


def _uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * torch.rand((), generator=generator).item()


def _chance(probability: float, generator: torch.Generator) -> bool:
    return torch.rand((), generator=generator).item() < probability
