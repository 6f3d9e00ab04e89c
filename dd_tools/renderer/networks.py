"""The two networks of stage 1: the conditioned U-Net and the semantic encoder, both on one down path."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dd_tools.renderer.blocks import (
    AttentionBlock,
    Downsample,
    GroupNorm32,
    ResBlock,
    Upsample,
    timestep_embedding,
    zeroed,
)
from dd_tools.renderer.config import RendererConfig
from dd_tools.renderer.deformation import Bending

IMAGE_CHANNELS = 3


class Block(nn.ModuleList):
    """Layers in a row, of which only the residual blocks take the time embedding and the latent."""

    def forward(self, h: Tensor, embedding: Tensor | None = None, z: Tensor | None = None) -> Tensor:
        """Features (B, C, H, W), time embedding (B, E), latent (B, Z) to features."""
        for layer in self:
            h = layer(h, embedding, z) if isinstance(layer, ResBlock) else layer(h)
        return h


def _down_path(
    in_channels: int, channels: int, multipliers: tuple[int, ...], size: int, config: RendererConfig, **conditions
) -> tuple[nn.ModuleList, list[int], int]:
    """The blocks from the first convolution to the deepest level, the channels each one leaves, the last size."""
    blocks = nn.ModuleList([Block([nn.Conv2d(in_channels, channels, 3, padding=1)])])
    widths = [channels]
    for level, multiplier in enumerate(multipliers):
        for _ in range(config.blocks):
            layers = [ResBlock(widths[-1], multiplier * channels, **conditions)]
            if size in config.attention_at:
                layers.append(AttentionBlock(multiplier * channels))
            blocks.append(Block(layers))
            widths.append(multiplier * channels)
        if level < len(multipliers) - 1:
            blocks.append(Block([ResBlock(widths[-1], widths[-1], resample=Downsample, **conditions)]))
            widths.append(widths[-1])
            size //= 2
    return blocks, widths, size


def _middle(channels: int, **conditions) -> Block:
    return Block(
        [
            ResBlock(channels, channels, **conditions),
            AttentionBlock(channels),
            ResBlock(channels, channels, **conditions),
        ]
    )


def _map_of(z_size: int, channels: int, size: int) -> nn.Sequential:
    """A linear map from a latent (B, Z) to features (B, C, size, size), silent at first."""
    return nn.Sequential(zeroed(nn.Linear(z_size, channels * size**2)), nn.Unflatten(1, (channels, size, size)))


class Detail(nn.Module):
    """A last look at the result, at half its size: what to add to it, nothing at first."""

    def __init__(self, channels: int, width: int, patch: int):
        super().__init__()
        self.stride = patch // 2
        pixels = IMAGE_CHANNELS * self.stride**2
        self.carry = nn.Conv2d(channels, 4 * width, 1)
        self.layers = nn.Sequential(
            nn.Conv2d(width + 2 * pixels, width, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.SiLU(),
            zeroed(nn.Conv2d(width, pixels, 3, padding=1)),
        )

    def forward(self, h: Tensor, shown: Tensor, xt: Tensor) -> Tensor:
        """The U-Net's last features (B, C, h, h), image so far and noised one (B, 3, S, S) to (B, 3, S, S)."""
        seen = F.pixel_unshuffle(torch.cat([shown, xt], dim=1), self.stride)
        known = F.pixel_shuffle(self.carry(h), 2)
        return F.pixel_shuffle(self.layers(torch.cat([known, seen.to(known.dtype)], dim=1)), self.stride)


class UNet(nn.Module):
    """Predicts the noise (or v, or the image) from the masked image, reference images, the timestep and the latent."""

    def __init__(self, config: RendererConfig):
        super().__init__()
        self.config = config
        embedding_size = config.embedding_size
        conditions = {
            "embedding_size": embedding_size,
            "z_size": config.condition_size,
            "dropout": config.dropout,
        }
        pixels = config.patch**2
        self.time_embed = nn.Sequential(
            nn.Linear(config.channels, embedding_size), nn.SiLU(), nn.Linear(embedding_size, embedding_size)
        )
        self.input_blocks, laterals, size = _down_path(
            (1 + config.references) * IMAGE_CHANNELS * pixels,
            config.channels,
            config.multipliers,
            config.size // config.patch,
            config,
            **conditions,
        )
        channels = laterals[-1]
        self.middle_block = _middle(channels, **conditions)
        self.z_map = _map_of(config.condition_size, channels, size) if config.z_map else None
        self.output_blocks = nn.ModuleList()
        for level, multiplier in reversed(list(enumerate(config.multipliers))):
            for index in range(config.blocks + 1):
                width = multiplier * config.channels
                layers = [ResBlock(channels + laterals.pop(), width, **conditions)]
                channels = width
                if size in config.attention_at:
                    layers.append(AttentionBlock(channels))
                if level > 0 and index == config.blocks:
                    layers.append(ResBlock(channels, channels, resample=Upsample, **conditions))
                    size *= 2
                self.output_blocks.append(Block(layers))
        self.out = nn.Sequential(
            GroupNorm32(channels), nn.SiLU(), zeroed(nn.Conv2d(channels, IMAGE_CHANNELS * pixels, 3, padding=1))
        )
        self.bending = Bending(channels, config.references) if config.from_reference else None
        self.detail = Detail(channels, config.detail_channels, config.patch) if config.detail_channels else None

    def forward(self, xt: Tensor, reference: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """Noised image with known pixels pasted in (B, 3, S, S), K references (B, 3 K, S, S) in [-1, 1], t (B,) and
        what `Renderer.condition` gives to (B, 3, S, S).
        """
        embedding = self.time_embed(timestep_embedding(t, self.config.channels).to(xt.dtype))
        h = F.pixel_unshuffle(torch.cat([xt, reference], dim=1), self.config.patch)
        laterals = []
        for block in self.input_blocks:
            h = block(h, embedding, z)
            laterals.append(h)
        if self.z_map:
            h = h + self.z_map(z)
        h = self.middle_block(h, embedding, z)
        for block in self.output_blocks:
            h = block(torch.cat([h, laterals.pop()], dim=1), embedding, z)
        output = F.pixel_shuffle(self.out(h), self.config.patch)
        if self.bending:
            output = output + self.bending(h, reference)
        return output + self.detail(h, output, xt) if self.detail else output


class SemanticEncoder(nn.Module):
    """The face image's latent z: z_sem = Enc(x_f), section 2.1."""

    def __init__(self, config: RendererConfig):
        super().__init__()
        self.patch = config.patch
        self.input_blocks, widths, size = _down_path(
            IMAGE_CHANNELS * config.patch**2,
            config.encoder_channels,
            config.encoder_multipliers,
            config.size // config.patch,
            config,
        )
        self.middle_block = _middle(widths[-1])
        pool = nn.AdaptiveAvgPool2d(1) if config.pool == "mean" else nn.Identity()
        kernel = 1 if config.pool == "mean" else size
        self.out = nn.Sequential(
            GroupNorm32(widths[-1]), nn.SiLU(), pool, nn.Conv2d(widths[-1], config.seen_size, kernel)
        )

    def forward(self, face: Tensor) -> Tensor:
        """Face image (B, 3, S, S) in [-1, 1] to the latent or, with z_points, all but its points (B, `seen_size`)."""
        h = F.pixel_unshuffle(face, self.patch)
        for block in self.input_blocks:
            h = block(h)
        return self.out(self.middle_block(h)).flatten(1)
