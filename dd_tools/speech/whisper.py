"""All hidden states of a Whisper model's encoder; that of OpenAI's Whisper tiny.en ships and is the default.

A recogniser's features give better lip motion than log-mel. Whisper takes 30 s at once, to which shorter audio must be
padded, and its features depend on where in these 30 s a sound is. Here the encoder takes a window of 3 s that moves in
steps, what the place in the window alone contributes is subtracted, and each frame is averaged over the windows that
contain it. So the features hardly depend on where a recording begins, and not at all on how it is cut into pieces, and
short recordings are fast. They predict lip aperture almost as well as those of 30 s (see the model card).
"""

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, WhisperPreTrainedModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from dd_tools.errors import DataError
from dd_tools.media.audio import SAMPLE_RATE
from dd_tools.speech.features import Level, SpeechModel, measure_level
from dd_tools.speech.loudness import loudness
from dd_tools.speech.windows import FRAME_SAMPLES, Window

STEP = 50  # frames by which the window moves, 1 s
OVERLAP = 3  # windows that contain each frame
WINDOW = OVERLAP * STEP
LEAD = WINDOW - STEP  # frames between the start of a signal's first window and that of the signal
BATCH = 8  # windows that are encoded at once

NOISE_WINDOWS = 12  # of noise, to measure the effect of the place in the window
SYLLABLE_RATE = 4.3  # Hz; windows begin at all phases of a syllable

MEL_PER_FRAME = 2  # the stride of Whisper's convolutions
# Whisper raises the power of a mel band to at least 8 decades below the loudest. In recordings of speech, the loudest
# is 3.5 decades above the variance: the median of 177 clips, 90 % of which are between 3.1 and 3.8.
LOUDEST, RANGE = 3.5, 8
MIN_POWER = 1e-10


class EncoderOnly(WhisperPreTrainedModel):
    """An encoder by the name that it has in a whole Whisper model, so that it is also read from the files of one."""

    def __init__(self, config):
        super().__init__(config)
        self.encoder = WhisperEncoder(config)
        self.post_init()


class Whisper(SpeechModel):
    """Features (L, T, D): the input of the first layer and the output of every layer, that of the last after its norm.

    The model that ships has (5, T, 385): 384 hidden values, and `loudness`, which is the same in every layer. Loudness
    is appended because a recogniser that knows only English mistakes pauses in other languages for speech.
    """

    network_class = EncoderOnly

    def __init__(self, name: str, network: EncoderOnly, extractor):
        config, encoder = network.config, network.encoder.eval()
        _check_sizes(name, config, extractor)
        self.name = name
        self.layers, self.width = config.encoder_layers + 1, config.d_model + self.has_loudness
        self._device, self._encoder = network.device, encoder
        self._mel = _LogMel(extractor, self._device)
        # The encoder insists on as many frames as it has positions.
        encoder.embed_positions = nn.Embedding.from_pretrained(encoder.embed_positions.weight[:WINDOW].detach())
        encoder.config.max_source_positions = WINDOW
        places = (torch.arange(WINDOW, device=self._device) + 0.5) / WINDOW
        self._weights = torch.sin(torch.pi * places).square()[:, None] * (2 / OVERLAP)  # of a frame, they sum to 1
        self._place_effect = self._measure_place_effect()

    @staticmethod
    def frame_samples(config: PretrainedConfig, extractor) -> int:
        """Samples from one frame of such a model to the next."""
        return MEL_PER_FRAME * extractor.hop_length

    @torch.inference_mode()
    def _extract(self, window: Window, level: Level) -> np.ndarray:
        states = self._hidden_states(window, level) - self._place_effect
        features = self._average(states)[:, LEAD : LEAD + window.frames].cpu().numpy()
        if not self.has_loudness:
            return features
        levels = np.broadcast_to(loudness(window, level)[:, None], (self.layers, window.frames, 1))
        return np.concatenate([features, levels], axis=2)

    def _hidden_states(self, window: Window, level: Level) -> Tensor:
        """Hidden states (L, N, WINDOW, C) of the N moving windows that contain a frame of `window`."""
        count = -(-(window.frames + LEAD) // STEP)
        mel = self._mel(window, (count - 1) * STEP + WINDOW, level)
        windows = mel.unfold(1, MEL_PER_FRAME * WINDOW, MEL_PER_FRAME * STEP).transpose(0, 1)
        return torch.cat([self._encode(batch) for batch in windows.split(BATCH)], dim=1)

    def _encode(self, mel: Tensor) -> Tensor:
        """Hidden states (L, B, WINDOW, C) of log-mel windows (B, bands, 2 WINDOW)."""
        return torch.stack(self._encoder(mel, output_hidden_states=True).hidden_states)

    @torch.inference_mode()
    def _measure_place_effect(self) -> Tensor:
        """What the place in the window adds to the hidden states on average, (L, 1, WINDOW, C); its mean is zero.

        In the lower layers it is larger than what speech adds. It is measured with noise that has the rhythm of
        syllables, which gives nearly the same as speech.
        """
        frames = (NOISE_WINDOWS - 1) * STEP + WINDOW
        times = np.arange(frames * FRAME_SAMPLES) / SAMPLE_RATE
        envelope = 1 - np.cos(2 * np.pi * SYLLABLE_RATE * times)
        noise = (0.1 * envelope * np.random.default_rng(0).standard_normal(len(times))).astype(np.float32)
        states = self._hidden_states(Window(noise, LEAD, frames - 2 * LEAD), measure_level([noise]))
        effect = states.mean(1, keepdim=True)
        return effect - (effect * self._weights).sum(2, keepdim=True) / self._weights.sum()

    def _average(self, states: Tensor) -> Tensor:
        """Frames (L, T, C), each a weighted average of the windows in states (L, N, WINDOW, C) that contain it."""
        parts = (states * self._weights).unflatten(2, (OVERLAP, STEP))
        layers, count = parts.shape[:2]
        total = parts.new_zeros(layers, count + OVERLAP - 1, *parts.shape[3:])
        for place in range(OVERLAP):
            total[:, place : place + count] += parts[:, :, place]
        return total.flatten(1, 2)


def _check_sizes(name: str, config: PretrainedConfig, extractor) -> None:
    if config.num_mel_bins != extractor.feature_size:
        raise DataError(
            f"cannot use speech model '{name}': it takes {config.num_mel_bins} mel bands, its preprocessor makes "
            f"{extractor.feature_size}"
        )
    if config.max_source_positions < WINDOW:
        raise DataError(
            f"cannot use speech model '{name}': it takes {config.max_source_positions} frames, expected at least "
            f"{WINDOW}"
        )


class _LogMel:
    """Whisper's log-mel features, but with a limit that depends on the level of the whole signal.

    Whisper raises the power to at least 80 dB below the loudest of its 30 s, so silence would depend on the window
    around it.
    """

    def __init__(self, extractor, device: torch.device):
        self._size, self._hop = extractor.n_fft, extractor.hop_length
        self._hann = torch.hann_window(self._size, device=device)
        self._filters = torch.from_numpy(np.asarray(extractor.mel_filters, np.float32)).T.to(device)

    def __call__(self, window: Window, frames: int, level: Level) -> Tensor:
        """Log-mel (bands, 2 frames), beginning `LEAD` frames before those of the `window`; the ends are silence.

        Whisper's frame k is centred on mel frame 2 k, which here is (k + ½) / 50 s.
        """
        lead = LEAD * FRAME_SAMPLES + self._size // 2 - self._hop
        length = frames * FRAME_SAMPLES + self._size - self._hop
        samples = np.pad(window.samples, (lead, 0))[window.offset * FRAME_SAMPLES :][:length]
        signal = torch.from_numpy(np.pad(samples, (0, length - len(samples)))).to(self._hann.device)
        spectrum = torch.stft(signal, self._size, self._hop, window=self._hann, center=False, return_complex=True)
        power = self._filters @ spectrum.abs().square()
        limit = max(level.variance * 10 ** (LOUDEST - RANGE), MIN_POWER)
        return (power.clamp(min=limit).log10() + 4) / 4
