"""The motion model: the voice asks, the references answer (section 2.2, figure 2), and how it is stored."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dd_tools.face.landmarks import CHIN, LOWER_INNER_LIP, MOUTH_CORNERS, MOUTH_REGION, REGION_VALUES, UPPER_INNER_LIP
from dd_tools.formats.checkpoint import MOTION, Checkpoint, module_with, read_checkpoint
from dd_tools.motion.config import MotionConfig
from dd_tools.motion.conformer import Conformer

PRIOR = 15  # references' worth of the training data's deviation
RESTING = 0.1  # the share of references that tell what the shut mouth looks like

_UPPER, _LOWER = ([MOUTH_REGION.index(point) for point in lip] for lip in (UPPER_INNER_LIP, LOWER_INNER_LIP))


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
            self.register_buffer("opening_deviation", torch.ones(()))

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
            base = base + torch.sigmoid(silence) * (at_rest(reference, reference_valid)[:, None] - base)
        return Motion(base, movement * self.reach(reference, reference_valid), silence)

    def reach(self, reference: Tensor, valid: Tensor | None = None) -> Tensor:
        """How far the latents of this face move, (B, 1, Z), of a model with residuals: their deviation over the
        references (B, N, Z); with z_points that of the training data, as much more or less as these lips open and shut.
        """
        if self.config.z_points:
            return self.opening_reach(reference, valid) / self.opening_deviation * self.latent_deviation
        return _deviation(reference, valid, self.latent_deviation)

    @staticmethod
    def trust(references: int) -> float:
        """How far so many references tell what is usual for a face, 0 to 1."""
        return references / (references + PRIOR)

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


def lip_opening(latents: Tensor) -> Tensor:
    """How far the inner rims of the lips are apart (...), interocular distances, below 0 where they overlap; of latents
    (..., Z) with z_points.
    """
    height = latents[..., -REGION_VALUES + 1 :: 2]
    return (height[..., _LOWER] - height[..., _UPPER]).mean(-1)


def end_in_lips(latents: np.ndarray) -> bool:
    """Whether latents (N, Z) are of a renderer with z_points: the corners of the mouth on either side of the nose, on
    the whole, and the chin below, about where they are in frontal faces.
    """
    if latents.shape[1] <= REGION_VALUES:
        return False
    points = latents[:, -REGION_VALUES:].mean(0).reshape(-1, 2)
    right, left, chin = (points[MOUTH_REGION.index(landmark)] for landmark in (*MOUTH_CORNERS, CHIN))
    return bool(-1 < right[0] < 0 < left[0] < 1 and max(right[1], left[1], 1) < chin[1] < 3)


def at_rest(latents: Tensor, valid: Tensor | None = None) -> Tensor:
    """The face with its mouth shut, (B, Z): the mean of the `RESTING` share of latents (B, N, Z) whose lips are
    closest, at least one, among the valid (B, N).
    """
    opening = lip_opening(latents)
    if valid is None:
        valid = torch.ones_like(opening, dtype=torch.bool)
    rank = torch.where(valid, opening, torch.inf).argsort(1).argsort(1)
    return mean_over(latents, rank < (RESTING * valid.sum(1, True)).clamp(min=1))


def _deviation(sequence: Tensor, valid: Tensor | None, typical: Tensor) -> Tensor:
    """The deviation (B, 1, C) of a sequence (B, N, C) over its valid positions (B, N).

    Few do not tell, so it is as if `PRIOR` more had the `typical` one; so a face that was at rest in all of them can
    speak nevertheless.
    """
    count = sequence.new_full((len(sequence), 1), sequence.shape[1]) if valid is None else valid.sum(1, True)
    variance = mean_over((sequence - mean_over(sequence, valid)[:, None]).square(), valid)
    return ((PRIOR * typical.square() + count * variance) / (PRIOR + count)).sqrt()[:, None]


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
