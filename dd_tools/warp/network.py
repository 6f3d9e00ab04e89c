"""Stage 1: a semantic encoder, and a U-Net that warps, blends and corrects reference images in one forward pass.

The network sees small images, but flow and blend weights apply to reference images of any size: so teeth and skin keep
the detail of the references. Before, `alignment` moves the landmarks of the references to those of the painted image.

In a new network, flow, residual and refinement are zero, so the output is a blend of the aligned reference images.
Training starts from the detail of real skin, not from noise.
"""

from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dd_tools.nn.blocks import GroupNorm32, SiLU, zero_init
from dd_tools.nn.interpolation import resize
from dd_tools.nn.unet import down_path, middle_block, up_path
from dd_tools.warp.alignment import alignment
from dd_tools.warp.flow import FlowBlend, warp
from dd_tools.warp.latents import LANDMARK_VALUES
from dd_tools.warp.lip_maps import MAPS, lip_maps
from dd_tools.warp.renderer_config import RendererConfig

IMAGE_CHANNELS = 3


class SemanticEncoder(nn.Module):
    """Face image to appearance code. The last feature map is flattened, not averaged, so that positions are kept."""

    def __init__(self, config: RendererConfig):
        super().__init__()
        self.patch = config.patch
        self.input_blocks, widths, size = down_path(IMAGE_CHANNELS * config.patch**2, config.encoder_levels)
        self.middle_block = middle_block(widths[-1])
        code = nn.Conv2d(widths[-1], config.z_size - LANDMARK_VALUES, size)
        self.out = nn.Sequential(GroupNorm32(widths[-1]), SiLU(), code)

    def forward(self, face: Tensor) -> Tensor:
        """Face images (B, 3, S, S) in [−1, 1] to codes (B, Z − `LANDMARK_VALUES`)."""
        h = F.pixel_unshuffle(face, self.patch)
        for block in self.input_blocks:
            h = block(h)
        return self.out(self.middle_block(h)).flatten(1)


class Refinement(nn.Module):
    """Convolutions at half the image's resolution that correct the blended image; zero before training."""

    def __init__(self, channels: int, width: int, patch: int):
        super().__init__()
        self.stride = patch // 2
        pixels = IMAGE_CHANNELS * self.stride**2
        self.features = nn.Conv2d(channels, 4 * width, 1)
        self.layers = nn.Sequential(
            nn.Conv2d(width + 2 * pixels + MAPS * self.stride**2, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
            zero_init(nn.Conv2d(width, pixels, 3, padding=1)),
        )

    def forward(self, h: Tensor, blended: Tensor, masked: Tensor, maps: Tensor) -> Tensor:
        """Last U-Net features (B, C, h, h), blended and masked images (B, 3, S, S) to corrections (B, 3, S, S).

        maps (B, 2, S, S): `lip_maps`.
        """
        images = F.pixel_unshuffle(torch.cat([blended, masked, maps], dim=1), self.stride)
        features = F.pixel_shuffle(self.features(h), 2)
        return F.pixel_shuffle(self.layers(torch.cat([features, images.to(features.dtype)], dim=1)), self.stride)


class UNet(nn.Module):
    """Paints: masked image and reference images to the painted image, conditioned on relative codes."""

    def __init__(self, config: RendererConfig):
        super().__init__()
        self.size, self.patch = config.size, config.patch
        condition = config.references * (config.z_size - LANDMARK_VALUES)
        pixels = IMAGE_CHANNELS * config.patch**2
        in_channels = (1 + config.references) * pixels + MAPS * config.patch**2 + 2 * config.references
        self.input_blocks, widths, size = down_path(in_channels, config.unet_levels, z_size=condition)
        self.middle_block = middle_block(widths[-1], z_size=condition)
        self.z_map = nn.Sequential(
            zero_init(nn.Linear(condition, widths[-1] * size**2)), nn.Unflatten(1, (widths[-1], size, size))
        )
        self.output_blocks = up_path(widths, size, config.unet_levels, z_size=condition)
        channels = config.channels * config.multipliers[0]
        self.residual = nn.Sequential(
            GroupNorm32(channels), SiLU(), zero_init(nn.Conv2d(channels, pixels, 3, padding=1))
        )
        self.flow_blend = FlowBlend(channels, config.references)
        self.refinement = Refinement(channels, config.refinement_channels, config.patch)

    def forward(self, masked: Tensor, maps: Tensor, references: Tensor, aligning: Tensor, z: Tensor) -> Tensor:
        """The painted image (B, 3, D, D).

        masked (B, 3, S, S), maps (B, 2, S, S): masked image and `lip_maps` at the network's size. references
        (B, K, 3, D, D): of any multiple of that size. aligning: flow (B, K, 2, h, h) that aligns them, with two cells
        per patch. z (B, K C): `relative_codes`.
        """
        h = self._features(masked, maps, references, aligning, z)
        blended = self.flow_blend(h, references, aligning)
        coarse = F.pixel_shuffle(self.residual(h), self.patch)
        correction = coarse + self.refinement(h, shrink(blended, self.size) + coarse, masked, maps)
        return blended + enlarge(correction, references.shape[-1])

    def _features(self, masked: Tensor, maps: Tensor, references: Tensor, aligning: Tensor, z: Tensor) -> Tensor:
        flow = aligning.flatten(0, 1)
        aligned = warp(shrink(references.flatten(0, 1), self.size), flow).view(len(masked), -1, self.size, self.size)
        images = F.pixel_unshuffle(torch.cat([masked, aligned, maps], dim=1), self.patch)
        h = torch.cat([images, F.avg_pool2d(flow, 2).view(len(masked), -1, *images.shape[-2:])], dim=1)
        laterals = []
        for block in self.input_blocks:
            h = block(h, z)
            laterals.append(h)
        h = self.middle_block(h + self.z_map(z), z)
        for block in self.output_blocks:
            h = block(torch.cat([h, laterals.pop()], dim=1), z)
        return h


class WarpNetwork(nn.Module):
    """Stage 1 as one module: `encode` gives latents, `forward` paints.

    fill (3, S, S): the values of masked pixels in the input. It is not trained and zero in a new network; the weights
    that ship hold other values.
    """

    def __init__(self, config: RendererConfig):
        super().__init__()
        self.config = config
        self.encoder = SemanticEncoder(config)
        self.normalise = nn.BatchNorm1d(config.z_size - LANDMARK_VALUES, affine=False)
        self.unet = UNet(config)
        self.register_buffer("fill", torch.zeros(IMAGE_CHANNELS, config.size, config.size))

    def encode(self, face: Tensor, landmarks: Tensor) -> Tensor:
        """Face images (B, 3, F, F) in [−1, 1] and their `MOUTH_REGION` (B, 25, 2) to latents (B, Z).

        F is a multiple of the network's size.
        """
        return torch.cat([self.encoder(subsample(face, self.config.size)), landmarks.flatten(1)], dim=1)

    def forward(self, image: Tensor, mask: Tensor, references: Tensor, codes: Tensor, points: Tensor) -> Tensor:
        """The painted image (B, 3, D, D), not composited.

        image (B, 3, D, D) in [−1, 1], of which the masked pixels (B, 1, D, D) are not seen. references (B, K, 3, D, D).
        D is a multiple of the network's size. Of the image and its references, codes (B, 1 + K, C) are the appearance
        codes, and points (B, 1 + K, 46, 2) the `alignment_points` from −1 to 1 across the crop.
        """
        size = self.config.size
        hidden = F.adaptive_max_pool2d(mask, size) > 0
        masked = torch.where(hidden, self.fill, shrink(image, size))
        aligning = alignment(points[:, 0], points[:, 1:], 2 * size // self.config.patch)
        maps = lip_maps(points[:, 0], size)
        return self.unet(masked, maps, references, aligning, self.relative_codes(codes))

    def relative_codes(self, codes: Tensor) -> Tensor:
        """Normalised differences (B, K C) between the code of the image and those of its references, (B, 1 + K, C).

        Identity cancels out in them. A few dozen training speakers could not teach a network to ignore it.
        """
        codes = self.normalise(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])
        return (codes[:, :1] - codes[:, 1:]).flatten(1)


def shrink(images: Tensor, size: int) -> Tensor:
    """Images (B, C, D, D) averaged to (B, C, size, size), where D is a multiple of `size`.

    On a CPU, this takes a quarter of the time of `avg_pool2d`.
    """
    step = images.shape[-1] // size
    if step == 1:
        return images
    rows = reduce(torch.add, (images[..., place::step, :] for place in range(step)))
    return reduce(torch.add, (rows[..., place::step] for place in range(step))) / step**2


def subsample(faces: Tensor, size: int) -> Tensor:
    """Face images (B, C, F, F) at (B, C, size, size) by nearest-neighbour interpolation, as they were made."""
    return faces if faces.shape[-1] == size else F.interpolate(faces, size=(size, size))


def enlarge(images: Tensor, size: int) -> Tensor:
    """Images (B, C, S, S) interpolated bicubically to (B, C, size, size)."""
    if images.shape[-1] == size:
        return images
    return resize(images, size, "bicubic")
