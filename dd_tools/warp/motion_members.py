"""The conformers of the motion model. `motion_network` averages their motions."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dd_tools.errors import UsageError
from dd_tools.nn.config import Config
from dd_tools.nn.conformer import Conformer, check_attention_sizes
from dd_tools.speech.features import check_not_removed
from dd_tools.warp.latents import LANDMARK_VALUES

# Standard deviation of noise that is added to standardised speech features in training. Without it, the voices of a few
# dozen speakers are memorised.
SPEECH_NOISE = 1.0


@dataclass(frozen=True)
class MotionConfig(Config):
    """Sizes of the motion model; the defaults are those of the model that ships.

    speech_model: name of the speech model whose features it takes.
    speech_layers, speech_width: L and D of these features.
    z_size: width of the latents.
    width: of the sequences inside the network.
    heads, cross_heads: of the self-attention, and of the attention to references.
    hidden: width of the feed-forward layers.
    kernel: of the depthwise convolution, odd.
    reference_blocks, speech_blocks, decoder_blocks: number of conformer blocks.
    dropout: in the conformers.
    members: conformers whose motions are averaged.
    window: latents generated at once; longer motion is generated in windows that are cross-faded.
    expression: default scale of the lip motion.
    """

    speech_model: str = "whisper"
    speech_layers: int = 5
    speech_width: int = 385
    z_size: int = 128
    width: int = 64
    heads: int = 2
    cross_heads: int = 4
    hidden: int = 128
    kernel: int = 13
    reference_blocks: int = 1
    speech_blocks: int = 1
    decoder_blocks: int = 1
    dropout: float = 0.2
    members: int = 4
    window: int = 125
    expression: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        check_not_removed(self.speech_model)
        check_attention_sizes(self.width, self.heads, self.cross_heads, self.kernel)
        if self.z_size <= LANDMARK_VALUES:
            raise UsageError(
                f"motion model needs latents of more than {LANDMARK_VALUES} values, got {self.z_size}: "
                "they do not come from a warp renderer"
            )
        if not self.expression >= 0:
            raise UsageError(f"expression must be 0 or more, got {self.expression}")


class ReferenceAttention(nn.Module):
    """The audio (query) attends to the encoded references (key, value); then linear and layer norm."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.linear, self.norm = nn.Linear(width, width), nn.LayerNorm(width)

    def forward(self, audio: Tensor, reference: Tensor, valid: Tensor | None) -> Tensor:
        """Audio (B, T, C) and references (B, N, C), valid where `valid` (B, N), to (B, T, C)."""
        padding = None if valid is None else ~valid
        attended, _ = self.attention(audio, reference, reference, key_padding_mask=padding, need_weights=False)
        return self.norm(self.linear(attended))


class Member(nn.Module):
    """One of the conformers that are averaged: audio and references to movement and silence."""

    def __init__(self, config: MotionConfig):
        super().__init__()
        sizes = config.width, config.heads, config.hidden, config.kernel, config.dropout
        self.downsample = nn.Conv1d(config.speech_width, config.width, 3, stride=2, padding=1)
        self.reference_proj = nn.Linear(config.z_size, config.width)
        self.reference_encoder = Conformer(config.reference_blocks, *sizes)
        self.reference_attention = ReferenceAttention(config.width, config.cross_heads)
        self.speech_encoder = Conformer(config.speech_blocks, *sizes)
        self.decoder = Conformer(config.decoder_blocks, *sizes)
        self.out_proj = nn.Linear(config.width, config.z_size)
        for parameter in self.out_proj.parameters():
            nn.init.zeros_(parameter)  # a new member repeats the base face
        self.silence_head = nn.Linear(config.width, 1)

    def forward(
        self, audio: Tensor, reference: Tensor, speech_valid: Tensor | None, reference_valid: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Movement (B, T₂₅, Z) in standard deviations, and silence (B, T₂₅, 1) as in `Motion`.

        audio (B, T₅₀, D), reference (B, N, Z): standardised.
        """
        audio = with_noise(audio, SPEECH_NOISE * self.training)
        if speech_valid is not None:
            audio, speech_valid = audio * speech_valid[..., None], speech_valid[:, ::2]
        audio = self.downsample(audio.transpose(1, 2)).transpose(1, 2)
        encoded = self.reference_encoder(self.reference_proj(reference), reference_valid)
        h = self.reference_attention(audio, encoded, reference_valid) + audio
        h = self.decoder(self.speech_encoder(h, speech_valid), speech_valid)
        return self.out_proj(h), self.silence_head(h)


def with_noise(audio: Tensor, std: float) -> Tensor:
    """The audio with Gaussian noise of standard deviation `std`."""
    return audio + std * torch.randn_like(audio) if std else audio
