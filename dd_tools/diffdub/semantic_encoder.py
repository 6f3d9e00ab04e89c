"""The semantic encoder: face image to latent, z_sem = Enc_φ(x_f) (section 2.1)."""

from torch import Tensor, nn

from dd_tools.diffdub.unet import IMAGE_CHANNELS
from dd_tools.nn.blocks import GroupNorm32
from dd_tools.nn.levels import Levels
from dd_tools.nn.unet import down_path, middle_block


class SemanticEncoder(nn.Module):
    """The down path and middle block of a U-Net without conditions, a global mean, and a 1×1 convolution."""

    def __init__(self, levels: Levels, z_size: int):
        super().__init__()
        self.input_blocks, widths, _ = down_path(IMAGE_CHANNELS, levels)
        self.middle_block = middle_block(widths[-1])
        self.out = nn.Sequential(
            GroupNorm32(widths[-1]), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(widths[-1], z_size, 1)
        )

    def forward(self, face: Tensor) -> Tensor:
        """Face images x_f (B, 3, S, S) in [−1, 1] to latents z_sem (B, Z)."""
        for block in self.input_blocks:
            face = block(face)
        return self.out(self.middle_block(face)).flatten(1)
