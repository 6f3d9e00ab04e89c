"""The motion model: the voice asks, the references answer (section 2.2, figure 2), and how it is stored."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dd_tools.formats.checkpoint import MOTION, Checkpoint, module_with, read_checkpoint
from dd_tools.motion.config import MotionConfig
from dd_tools.motion.conformer import Conformer

PRIOR = 25  # references' worth of the training data's deviation


class CrossAttention(nn.Module):
    """The voice (query) attends to the encoded references (key, value); then linear and layer norm, no residual.

    The paper's text has the roles the other way round, which cannot give one latent per audio frame; the released
    code does this, before the speech encoder, so that whatever goes on from here is a mixture of what the references
    hold. `linear2` and `norm2` are never used, but the released weights hold them.
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(width, width), nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, voice: Tensor, reference: Tensor, valid: Tensor | None) -> Tensor:
        """voice (B, T, C), reference (B, N, C), valid (B, N): (B, T, C)."""
        padding = None if valid is None else ~valid
        attended, _ = self.self_attn(voice, reference, reference, key_padding_mask=padding, need_weights=False)
        return self.norm1(self.linear1(attended))


class MotionModel(nn.Module):
    """Stage 2: speech features and reference latents to the latents of a talking face."""

    def __init__(self, config: MotionConfig):
        super().__init__()
        self.config = config
        sizes = config.width, config.heads, config.hidden, config.kernel, config.dropout
        self.layer_weights = nn.Parameter(torch.ones(config.speech_layers))
        self.downsample = nn.Conv1d(config.speech_width, config.width, 3, stride=2, padding=1)
        same_size = config.z_size == config.width
        self.reference_proj = nn.Identity() if same_size else nn.Linear(config.z_size, config.width)
        self.reference_encoder = Conformer(config.reference_blocks, *sizes)
        self.speech_encoder = Conformer(config.speech_blocks, *sizes)
        self.cross_attention = CrossAttention(config.width, config.cross_heads)
        self.decoder = Conformer(config.decoder_blocks, *sizes)
        self.out_proj = nn.Linear(config.width, config.z_size)
        if config.residual:
            for parameter in self.out_proj.parameters():
                nn.init.zeros_(parameter)  # a new model repeats the mean reference
            self.register_buffer("latent_mean", torch.zeros(config.z_size))
            self.register_buffer("latent_deviation", torch.ones(config.z_size))

    def forward(
        self,
        speech: Tensor,
        reference: Tensor,
        speech_valid: Tensor | None = None,
        reference_valid: Tensor | None = None,
    ) -> Tensor:
        """Latents (B, T25, Z) of a face that speaks.

        speech (B, L, T50, D): all layers, or their weighted sum as L = 1; T25 = ⌈T50 / 2⌉. reference (B, N, Z): any
        number of latents of the speaker. speech_valid (B, T50), reference_valid (B, N): True where a padded batch
        holds data.
        """
        voice, valid = self._listen(speech, speech_valid)
        shown = (reference - self.latent_mean) / self.latent_deviation if self.config.residual else reference
        memory = self.reference_encoder(self.reference_proj(shown), reference_valid)
        answer = self.cross_attention(voice, memory, reference_valid)
        if self.config.residual:
            answer = answer + voice
        motion = self.out_proj(self.decoder(self.speech_encoder(answer, valid), valid))
        if self.config.residual:
            motion = mean_over(reference, reference_valid)[:, None] + motion * self.reach(reference, reference_valid)
        return motion

    def reach(self, reference: Tensor, valid: Tensor | None = None) -> Tensor:
        """How far the latents of this face move, (B, 1, Z): their deviation over the references (B, N, Z), of a model
        with residuals.

        Few references do not tell, so it is as if `PRIOR` more had the training data's deviation; so a face that was at
        rest in all of them can speak nevertheless.
        """
        count = reference.new_full((len(reference), 1), reference.shape[1]) if valid is None else valid.sum(1, True)
        mean = mean_over(reference, valid)
        typical = self.latent_deviation.square()
        variance = mean_over((reference - mean[:, None]).square(), valid)
        return ((PRIOR * typical + count * variance) / (PRIOR + count)).sqrt()[:, None]

    def _listen(self, speech: Tensor, valid: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The weighted sum over layers, at the pictures' rate: (B, T25, C), and which of it is valid."""
        voice = (
            speech[:, 0]
            if speech.shape[1] == 1
            else torch.einsum("l,bltd->btd", F.softmax(self.layer_weights, 0), speech)
        )
        if valid is not None:
            voice, valid = voice * valid[..., None], valid[:, ::2]
        return self.downsample(voice.transpose(1, 2)).transpose(1, 2), valid


def mean_over(sequence: Tensor, valid: Tensor | None) -> Tensor:
    """The mean (B, C) of a sequence (B, N, C) over its valid positions (B, N)."""
    if valid is None:
        return sequence.mean(1)
    return (sequence * valid[..., None]).sum(1) / valid.sum(1, keepdim=True)


def load_motion_model(path: str | Path) -> MotionModel:
    """A motion model from its weights file, in eval mode on the CPU. Raises `DataError` if the file is not one or
    does not fit."""
    return motion_model_from(read_checkpoint(path, MOTION), path)


def motion_model_from(checkpoint: Checkpoint, path: str | Path) -> MotionModel:
    """Build the motion model a checkpoint describes; `path` is for the error message."""
    config = MotionConfig.from_json(checkpoint.config)
    return module_with(checkpoint.tensors, lambda: MotionModel(config), path)
