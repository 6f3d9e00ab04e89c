"""The motion model: the voice asks, the references answer (section 2.2, figure 2), and how it is stored."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dd_tools.formats.checkpoint import MOTION, Checkpoint, module_with, read_checkpoint
from dd_tools.motion.config import MotionConfig
from dd_tools.motion.conformer import Conformer
from dd_tools.motion.lips import at_rest, lip_opening
from dd_tools.motion.padding import counts, mean_over

PRIOR = 15  # references' worth of the training data's deviation


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


@dataclass(frozen=True)
class Motion:
    """What a voice makes of a face: latents (B, T, Z) are `base` + `movement`.

    base (B, T, Z): where the face is when it says nothing, or zero. movement (B, T, Z): what the voice adds.
    silence (B, T, 1): that it is silent, in logits.
    """

    base: Tensor
    movement: Tensor
    silence: Tensor

    @property
    def voiced(self) -> Tensor:
        """How much of the movement is speech (B, T, 1), 0 to 1."""
        return torch.sigmoid(-self.silence)


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
        if config.z_points:
            self.silence = nn.Linear(config.width, 1)
            self.register_buffer("opening_mean", torch.zeros(()))
            self.register_buffer("opening_deviation", torch.ones(()))
            self.register_buffer("opening_way", torch.zeros(config.z_size))

    def forward(
        self,
        speech: Tensor,
        reference: Tensor,
        speech_valid: Tensor | None = None,
        reference_valid: Tensor | None = None,
    ) -> Tensor:
        """Latents (B, T25, Z) of a face that speaks; see `speak`."""
        motion = self.speak(speech, reference, speech_valid, reference_valid)
        return motion.base + motion.movement

    def speak(
        self,
        speech: Tensor,
        reference: Tensor,
        speech_valid: Tensor | None = None,
        reference_valid: Tensor | None = None,
    ) -> Motion:
        """The motion of a face that speaks, T25 long.

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
        features = self.decoder(self.speech_encoder(answer, valid), valid)
        movement, silence = self.out_proj(features), torch.full_like(features[..., :1], -torch.inf)
        if not self.config.residual:
            return Motion(torch.zeros_like(movement), movement, silence)
        base = mean_over(reference, reference_valid)[:, None].expand_as(movement)
        if self.config.z_points:
            silence = self.silence(features)
            base = base + torch.sigmoid(silence) * (self.shut(reference, reference_valid)[:, None] - base)
        return Motion(base, movement * self.reach(reference, reference_valid), silence)

    def reach(self, reference: Tensor, valid: Tensor | None = None) -> Tensor:
        """How far the latents of this face move, (B, 1, Z), of a model with residuals: their deviation over the
        references (B, N, Z); with z_points that of the training data, as much more or less as these lips open and shut.
        """
        if self.config.z_points:
            return self.opening_reach(reference, valid) / self.opening_deviation * self.latent_deviation
        return _deviation(reference, valid, self.latent_deviation)

    @staticmethod
    def trust(references: int | Tensor) -> float | Tensor:
        """How far so many references tell what is usual for a face, 0 to 1."""
        return references / (references + PRIOR)

    def shut(self, reference: Tensor, valid: Tensor | None = None) -> Tensor:
        """The face with its mouth shut (B, Z), of a model with z_points: `at_rest` in the references, and as far as so
        few do not tell that these lips never meet, as of one smile, the rest of the way.
        """
        rest = at_rest(reference, valid)
        ajar = lip_opening(rest).clamp(min=0)[:, None]
        return rest - (1 - self.trust(counts(reference, valid))) * ajar * self.opening_way

    def usual_opening(self, reference: Tensor) -> Tensor:
        """How far the lips of this face are apart on the whole while it speaks (B,), of a model with z_points: as in
        the references (B, N, Z) and, as far as these do not tell, in the training data.
        """
        return torch.lerp(self.opening_mean, lip_opening(reference).mean(1), self.trust(reference.shape[1]))

    def opening_reach(self, reference: Tensor, valid: Tensor | None = None) -> Tensor:
        """How far the lips of this face open and shut, (B, 1, 1), of a model with z_points: as `reach` does."""
        return _deviation(lip_opening(reference)[..., None], valid, self.opening_deviation)

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


def _deviation(sequence: Tensor, valid: Tensor | None, typical: Tensor) -> Tensor:
    """The deviation (B, 1, C) of a sequence (B, N, C) over its valid positions (B, N).

    Few do not tell, so it is as if `PRIOR` more had the `typical` one; so a face that was at rest in all of them can
    speak nevertheless.
    """
    count = counts(sequence, valid)
    variance = mean_over((sequence - mean_over(sequence, valid)[:, None]).square(), valid)
    return ((PRIOR * typical.square() + count * variance) / (PRIOR + count)).sqrt()[:, None]


def load_motion_model(path: str | Path) -> MotionModel:
    """A motion model from its weights file, in eval mode on the CPU. Raises `DataError` if the file is not one or
    does not fit."""
    return motion_model_from(read_checkpoint(path, MOTION), path)


def motion_model_from(checkpoint: Checkpoint, path: str | Path) -> MotionModel:
    """Build the motion model a checkpoint describes; `path` is for the error message."""
    config = MotionConfig.from_json(checkpoint.config)
    return module_with(checkpoint.tensors, lambda: MotionModel(config), path)
