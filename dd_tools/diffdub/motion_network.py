"""Stage 2 (section 2.2, figure 2): weighted sum, reference encoder, cross-attention and motion generator.

Sequences are (B, T, C). There are 50 audio latents a per second (T₅₀) and 25 visual latents z (T₂₅ = ⌈T₅₀ / 2⌉).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dd_tools.nn.config import Config
from dd_tools.nn.conformer import Conformer, check_attention_sizes
from dd_tools.nn.weighted_sum import weighted_sum
from dd_tools.speech.features import check_not_removed


@dataclass(frozen=True)
class MotionConfig(Config):
    """Sizes of the motion model; the defaults are the authors' (35.1 M parameters).

    speech_model: name of the speech model whose features it takes.
    speech_layers, speech_width: L and D of these features.
    z_size: width of the latents.
    width: of the sequences inside the network.
    heads: of the conformers' self-attention.
    cross_heads: of the cross-attention.
    hidden: width of the conformers' feed-forward layers.
    kernel: of the conformers' depthwise convolution, odd.
    reference_blocks: conformer blocks of the reference encoder.
    speech_blocks, decoder_blocks: conformer blocks of the motion generator, the paper's "8-layer conformer" together.
    dropout: in the conformers.
    """

    speech_model: str = "TencentGameMate/chinese-hubert-large"
    speech_layers: int = 25
    speech_width: int = 1024
    z_size: int = 512
    width: int = 512
    heads: int = 2
    cross_heads: int = 8
    hidden: int = 512
    kernel: int = 13
    reference_blocks: int = 2
    speech_blocks: int = 4
    decoder_blocks: int = 4
    dropout: float = 0.2

    def __post_init__(self):
        super().__post_init__()
        check_not_removed(self.speech_model)
        check_attention_sizes(self.width, self.heads, self.cross_heads, self.kernel)


class CrossAttention(nn.Module):
    """The audio (query) attends to the encoded references (key, value); then linear and layer norm, no residual.

    The paper's text has the audio as key and value, which cannot give one latent per audio frame. This follows the
    released code, also in its two dropouts. `linear2` and `norm2` are unused, but the released weights contain them.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.1):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(width, width), nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, audio: Tensor, reference: Tensor, valid: Tensor | None) -> Tensor:
        """Audio (B, T, C) and references (B, N, C), valid where `valid` (B, N), to (B, T, C)."""
        padding = None if valid is None else ~valid
        attended, _ = self.self_attn(audio, reference, reference, key_padding_mask=padding, need_weights=False)
        return self.norm1(self.linear1(self.dropout(attended)))


class MotionNetwork(nn.Module):
    """Audio latents a_{1:T} and reference latents z_{1:N} to visual latents z'_{1:T}."""

    def __init__(self, config: MotionConfig):
        super().__init__()
        self.config = config
        sizes = config.width, config.heads, config.hidden, config.kernel, config.dropout
        self.weights = nn.Parameter(torch.ones(config.speech_layers))
        self.down_sample_audio_nar = nn.Conv1d(config.speech_width, config.width, 3, stride=2, padding=1)
        # The released network has no such projection, as its latents have the width of its sequences.
        same_size = config.z_size == config.width
        self.reference_proj = nn.Identity() if same_size else nn.Linear(config.z_size, config.width)
        self.reference_encoder = Conformer(config.reference_blocks, *sizes)
        self.cross_attention = CrossAttention(config.width, config.cross_heads)
        # The motion generator.
        self.speech_encoder = Conformer(config.speech_blocks, *sizes)
        self.coarse_decoder = Conformer(config.decoder_blocks, *sizes)
        self.out_proj = nn.Linear(config.width, config.z_size)

    def forward(
        self,
        speech: Tensor,
        reference: Tensor,
        speech_valid: Tensor | None = None,
        reference_valid: Tensor | None = None,
    ) -> Tensor:
        """Latents (B, T₂₅, Z) for speech features (B, L, T₅₀, D) and reference latents (B, N, Z), any N ≥ 1.

        L may also be 1, see `weighted_sum`. speech_valid (B, T₅₀), reference_valid (B, N): True where a padded batch
        holds data.
        """
        audio = weighted_sum(speech, self.weights)
        if speech_valid is not None:
            audio, speech_valid = audio * speech_valid[..., None], speech_valid[:, ::2]
        audio = self.down_sample_audio_nar(audio.transpose(1, 2)).transpose(1, 2)
        encoded = self.reference_encoder(self.reference_proj(reference), reference_valid)
        h = self.cross_attention(audio, encoded, reference_valid)
        return self.out_proj(self.coarse_decoder(self.speech_encoder(h, speech_valid), speech_valid))
