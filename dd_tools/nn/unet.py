"""Down path, middle block and up path of a U-Net (Dhariwal & Nichol 2021). Semantic encoders have the first two."""

from torch import Tensor, nn

from dd_tools.nn.blocks import AttentionBlock, Downsample, ResBlock, Upsample
from dd_tools.nn.levels import Levels


class Block(nn.ModuleList):
    """Layers in sequence; only residual blocks take the conditions."""

    def forward(self, h: Tensor, z: Tensor | None = None, embedding: Tensor | None = None) -> Tensor:
        """Features (B, C, H, W), latent (B, Z), time embedding (B, E) to features."""
        for layer in self:
            h = layer(h, z, embedding) if isinstance(layer, ResBlock) else layer(h)
        return h


def down_path(in_channels: int, levels: Levels, **conditions) -> tuple[nn.ModuleList, list[int], int]:
    """Build the blocks from the first convolution to the deepest level.

    conditions: the conditioning arguments of `ResBlock`. Returns the blocks, the channels that each one outputs, and
    the side of the last feature map.
    """
    channels, size = levels.channels, levels.size
    blocks = nn.ModuleList([Block([nn.Conv2d(in_channels, channels, 3, padding=1)])])
    widths = [channels]
    for level, multiplier in enumerate(levels.multipliers):
        for _ in range(levels.blocks):
            layers = [ResBlock(widths[-1], multiplier * channels, **conditions)]
            if size in levels.attention_at:
                layers.append(AttentionBlock(multiplier * channels))
            blocks.append(Block(layers))
            widths.append(multiplier * channels)
        if level < len(levels.multipliers) - 1:
            blocks.append(Block([ResBlock(widths[-1], widths[-1], resample=Downsample, **conditions)]))
            widths.append(widths[-1])
            size //= 2
    return blocks, widths, size


def middle_block(channels: int, **conditions) -> Block:
    """Build the block at the deepest level: residual block, attention, residual block."""
    first, last = (ResBlock(channels, channels, **conditions) for _ in range(2))
    return Block([first, AttentionBlock(channels), last])


def up_path(widths: list[int], size: int, levels: Levels, **conditions) -> nn.ModuleList:
    """Build the blocks from the deepest level back to full size.

    Each takes the features concatenated with the output of a block of the down path, its lateral, last in first out.
    widths, size: as `down_path` returns them.
    """
    laterals, channels = list(widths), widths[-1]
    blocks = nn.ModuleList()
    for level, multiplier in reversed(list(enumerate(levels.multipliers))):
        for index in range(levels.blocks + 1):
            width = multiplier * levels.channels
            layers = [ResBlock(channels + laterals.pop(), width, **conditions)]
            channels = width
            if size in levels.attention_at:
                layers.append(AttentionBlock(channels))
            if level > 0 and index == levels.blocks:
                layers.append(ResBlock(channels, channels, resample=Upsample, **conditions))
                size *= 2
            blocks.append(Block(layers))
    return blocks
