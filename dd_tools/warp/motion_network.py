"""Stage 2: speech features and reference latents to motion around the speaker's own face at rest.

It differs from the paper's network in three ways. The audio is added to the output of the attention to the references:
attention to a single reference is constant, and would leave the audio no influence. It predicts a difference from a
base face, in units of this face's amplitude: otherwise identity would have to be learnt from hundreds of speakers. And
it is the mean of small conformers and of a linear filter, whose errors partly cancel out.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dd_tools.nn.padding import masked_mean, valid_count
from dd_tools.nn.weighted_sum import weighted_sum
from dd_tools.speech.features import MODELS_WITH_LOUDNESS
from dd_tools.warp.latents import closed_mouth, latent_aperture
from dd_tools.warp.linear_filter import LinearFilter
from dd_tools.warp.motion_members import Member, MotionConfig

# Standardised loudness above which speech features count for the mean that is subtracted for the filter, and the number
# of features (0.5 s) at which half of it is.
SPOKEN, CENTRING_COUNT = -0.5, 25
UPPER_LAYER = (
    3.0  # initial logit of the last layer but one, which tells unseen speakers' lips best, against 0 of others
)
FILTER_SHARE = 2 / 3  # of the movement; the filter moves the lips about half as far as the conformers
PRIOR_COUNT = 15  # weight of the training data's statistics, as a number of references
# The same for the amplitude. It differs between speakers by about 40 %, and N references show it to within 1 / √(2 N).
AMPLITUDE_PRIOR = 4


@dataclass(frozen=True)
class Motion:
    """A generated motion.

    base (B, T, Z): the face at rest and, in silence, with its mouth closed.
    movement (B, T, Z): what the speech adds to it, as far as somebody speaks.
    silence (B, T, 1): logits of the probability that nobody speaks.
    """

    base: Tensor
    movement: Tensor
    silence: Tensor

    @property
    def latents(self) -> Tensor:
        """The latents (B, T, Z)."""
        return self.base + self.speech_probability * self.movement

    @property
    def speech_probability(self) -> Tensor:
        """The probability (B, T, 1) that somebody speaks, 0 to 1."""
        return torch.sigmoid(-self.silence)


class MotionNetwork(nn.Module):
    """Speech features and reference latents to a `Motion`.

    Buffers hold statistics of the training data: speech_mean and speech_std (L, D); latent_mean and latent_std (Z,);
    face_mean (Z,), the mean of the clips' mean latents, with face_between (Z, Z), the covariance of these means, and
    face_within (Z, Z), the covariance of a clip's latents about their own mean, both in units of latent_std;
    aperture_mean and aperture_std (); and aperture_direction (Z,), the change of a latent as the lip aperture grows by
    one interocular distance.
    """

    def __init__(self, config: MotionConfig):
        super().__init__()
        self.config = config
        # On the meta device, torch.arange and torch.eye would import a compiler: a second and 70 MB.
        layer_weights = torch.zeros(config.speech_layers)
        layer_weights[max(config.speech_layers - 2, 0)] = UPPER_LAYER
        self.layer_weights = nn.Parameter(layer_weights)
        self.filter = LinearFilter(config.speech_width, config.z_size)
        self.members = nn.ModuleList(Member(config) for _ in range(config.members))
        self.register_buffer("speech_mean", torch.zeros(config.speech_layers, config.speech_width))
        self.register_buffer("speech_std", torch.ones(config.speech_layers, config.speech_width))
        self.register_buffer("latent_mean", torch.zeros(config.z_size))
        self.register_buffer("latent_std", torch.ones(config.z_size))
        self.register_buffer("face_mean", torch.zeros(config.z_size))
        self.register_buffer("face_between", torch.zeros(config.z_size, config.z_size).fill_diagonal_(1))
        self.register_buffer("face_within", torch.zeros(config.z_size, config.z_size))
        self.register_buffer("aperture_mean", torch.zeros(()))
        self.register_buffer("aperture_std", torch.ones(()))
        self.register_buffer("aperture_direction", torch.zeros(config.z_size))

    def forward(
        self,
        speech: Tensor,
        reference: Tensor,
        speech_valid: Tensor | None = None,
        reference_valid: Tensor | None = None,
        spoken_mean: Tensor | None = None,
    ) -> Motion:
        """The mean of the filter's movement and the conformers' mean movement, see `member_motions`.

        spoken_mean: `spoken_mean` of the whole recording, if `speech` is a part of it.
        """
        audio = self.standardised_sum(speech)
        outputs = self._member_outputs(audio, reference, speech_valid, reference_valid)
        movement, silence = (torch.stack(tracks).mean(0) for tracks in zip(*outputs, strict=True))
        movement = torch.lerp(movement, self.filtered(audio, speech_valid, spoken_mean), FILTER_SHARE)
        (motion,) = self._around_the_base([(movement, silence)], reference, reference_valid)
        return motion

    def member_motions(
        self,
        speech: Tensor,
        reference: Tensor,
        speech_valid: Tensor | None = None,
        reference_valid: Tensor | None = None,
    ) -> list[Motion]:
        """The motion of each conformer, T₂₅ = ⌈T₅₀ / 2⌉ latents.

        speech (B, L, T₅₀, D): speech features; L may also be 1, see `standardised_sum`. reference (B, N, Z), any N ≥ 1.
        speech_valid (B, T₅₀), reference_valid (B, N): True where a padded batch holds data.
        """
        outputs = self._member_outputs(self.standardised_sum(speech), reference, speech_valid, reference_valid)
        return self._around_the_base(outputs, reference, reference_valid)

    def _member_outputs(
        self, audio: Tensor, reference: Tensor, speech_valid: Tensor | None, reference_valid: Tensor | None
    ) -> list[tuple[Tensor, Tensor]]:
        reference = (reference - self.latent_mean) / self.latent_std
        return [member(audio, reference, speech_valid, reference_valid) for member in self.members]

    def filtered(self, audio: Tensor, valid: Tensor | None = None, spoken_mean: Tensor | None = None) -> Tensor:
        """The filter's movement (B, T₂₅, Z) in standard deviations for `standardised_sum`s (B, T₅₀, D), without noise.

        spoken_mean: that of the whole recording, if the audio is a part of it.
        """
        centred = self.centred(audio, valid, spoken_mean)
        return self.filter(centred if valid is None else centred * valid[..., None])

    def centred(self, audio: Tensor, valid: Tensor | None = None, spoken_mean: Tensor | None = None) -> Tensor:
        """What the filter hears: `standardised_sum`s (B, T₅₀, D) less their `spoken_mean`, see `filtered`."""
        return audio - (self.spoken_mean([audio], valid) if spoken_mean is None else spoken_mean)

    def spoken_mean(self, parts: Iterable[Tensor], valid: Tensor | None = None) -> Tensor:
        """Mean (B, 1, D) of a recording while somebody speaks, which tells voice and room rather than sounds.

        The linear filter cannot ignore them, so this is subtracted. It is less if there is little speech, and 0 for the
        loudness, if the features have one. parts (B, T, D): those of the recording, as of `standardised_sum`. valid
        (B, T): True where a padded part holds data.
        """
        has_loudness = self.config.speech_model in MODELS_WITH_LOUDNESS
        total = count = 0
        for audio in parts:
            weights = torch.ones_like(audio[..., :1]) if valid is None else valid[..., None].to(audio.dtype)
            if has_loudness:
                weights = weights * (audio[..., -1:] > SPOKEN)
            total, count = total + (audio * weights).sum(1, True), count + weights.sum(1, True)
        mean = total / (count + CENTRING_COUNT)
        return torch.cat([mean[..., :-1], 0 * mean[..., -1:]], 2) if has_loudness else mean

    def _around_the_base(
        self, outputs: list[tuple[Tensor, Tensor]], reference: Tensor, valid: Tensor | None
    ) -> list[Motion]:
        scale, rest = self.movement_scale(reference, valid), self.face_at_rest(reference, valid)
        rest, closed = rest[:, None], self.closed_mouth(reference, rest, valid)[:, None]
        return [
            Motion(rest + torch.sigmoid(silence) * (closed - rest), movement * scale, silence)
            for movement, silence in outputs
        ]

    def standardised_sum(self, speech: Tensor) -> Tensor:
        """Sum (B, T, D) over the layers of speech features (B, L, T, D), each of whose values is first standardised.

        If L = 1, it is the model's only layer, or the sum with `summing_weights`, which dd-audio can take beforehand.
        """
        if speech.shape[1] > 1:
            standardised = (speech - self.speech_mean[:, None]) / self.speech_std[:, None]
            return weighted_sum(standardised, self.layer_weights)
        mean = (self.summing_weights * self.speech_mean).sum(0)
        return (speech[:, 0] - mean) / self.speech_std.mean(0)

    @property
    def summing_weights(self) -> Tensor:
        """Weights (L, D) for values that are not standardised, which give a sum at the scale of one layer."""
        weights = self.layer_weights.softmax(0)
        return weights[:, None] * self.speech_std.mean(0) / self.speech_std

    @staticmethod
    def confidence(count: int | Tensor) -> float | Tensor:
        """Weight, 0 to 1, of statistics of `count` references; the training data's have the rest."""
        return count / (count + PRIOR_COUNT)

    def movement_scale(self, reference: Tensor, valid: Tensor | None = None) -> Tensor:
        """Standard deviations (B, 1, Z) of the latents of this face, estimated from its references (B, N, Z).

        They are those of the training data, scaled by the ratio of the standard deviations of the lip aperture.
        """
        return self.speaker_aperture_std(reference, valid) / self.aperture_std * self.latent_std

    def face_at_rest(self, reference: Tensor, valid: Tensor | None = None) -> Tensor:
        """The mean latent (B, Z) that this face is expected to have, from its references (B, N, Z).

        The fewer references there are, the less their mean tells: a single one may show a smile. For Gaussian faces
        with a covariance `face_between` of speakers and `face_within` of each, the expected mean of a speaker is
        μ + B (B + W / N)⁻¹ (mean − μ): it moves towards the average face μ, most in what varies within a speaker.
        """
        difference = (masked_mean(reference, valid) - self.face_mean) / self.latent_std
        within = self.face_within / valid_count(reference, valid)[:, None]
        weighted = torch.linalg.solve(self.face_between + within, difference[..., None])
        kept = (self.face_between * weighted.mT).sum(2)  # not a matrix product, which autocast would round
        return self.face_mean + kept * self.latent_std

    def closed_mouth(self, reference: Tensor, rest: Tensor, valid: Tensor | None = None) -> Tensor:
        """The latent (B, Z) of the face with its mouth closed, from its references (B, N, Z) and its `face_at_rest`.

        It is the closed mouth of the references, as far from `rest` (B, Z) as from their mean. A few references may not
        show the mouth closed. So the fewer they are, the more of the remaining aperture is removed along
        `aperture_direction`.
        """
        closed = closed_mouth(reference, valid) + rest - masked_mean(reference, valid)
        remaining = latent_aperture(closed).clamp(min=0)[:, None]
        missing = 1 - self.confidence(valid_count(reference, valid))
        return closed - missing * remaining * self.aperture_direction

    def speaker_aperture_mean(self, reference: Tensor) -> Tensor:
        """Mean lip aperture (B,) of this face while it speaks, from its references (B, N, Z) and the training data."""
        return torch.lerp(self.aperture_mean, latent_aperture(reference).mean(1), self.confidence(reference.shape[1]))

    def speaker_aperture_std(self, reference: Tensor, valid: Tensor | None = None) -> Tensor:
        """Standard deviation (B, 1, 1) of the lip aperture of this face, from its references and the training data.

        The variances are averaged, that of the training data with the weight of `AMPLITUDE_PRIOR` references. So a face
        that is at rest in all references can still speak.
        """
        aperture = latent_aperture(reference)[..., None]
        count = valid_count(aperture, valid)
        variance = masked_mean((aperture - masked_mean(aperture, valid)[:, None]).square(), valid)
        pooled = (AMPLITUDE_PRIOR * self.aperture_std.square() + count * variance) / (AMPLITUDE_PRIOR + count)
        return pooled.sqrt()[:, None]
