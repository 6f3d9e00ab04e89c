"""Whisper-like models of `transformers`."""

import numpy as np
import torch
from torch import nn
from transformers import PretrainedConfig, WhisperPreTrainedModel
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from dd_tools.errors import DataError
from dd_tools.speech.whisper import MEL_PER_FRAME, WINDOW, Encoder, Whisper, place_effect


class EncoderOnly(WhisperPreTrainedModel):
    """An encoder by the name that it has in a whole Whisper model, so that it is also read from the files of one."""

    def __init__(self, config):
        super().__init__(config)
        self.encoder = WhisperEncoder(config)
        self.post_init()


class PretrainedWhisper(Whisper):
    """The features of a Whisper-like model, computed on the device of its network."""

    network_class = EncoderOnly

    def __init__(self, name: str, network: EncoderOnly, extractor):
        _check_sizes(name, network.config, extractor)
        encode, filters = _encoder_of(network), np.asarray(extractor.mel_filters)
        super().__init__(name, encode, filters, place_effect(encode, filters))

    @staticmethod
    def frame_samples(config: PretrainedConfig, extractor) -> int:
        """Samples from one frame of such a model to the next."""
        return MEL_PER_FRAME * extractor.hop_length


def _encoder_of(network: EncoderOnly) -> Encoder:
    """The hidden states of a network."""
    encoder = network.encoder.eval()
    # The encoder insists on as many frames as it has positions.
    encoder.embed_positions = nn.Embedding.from_pretrained(encoder.embed_positions.weight[:WINDOW].detach())
    encoder.config.max_source_positions = WINDOW

    @torch.inference_mode()
    def encode(mel: np.ndarray) -> np.ndarray:
        states = encoder(torch.from_numpy(mel).to(network.device), output_hidden_states=True).hidden_states
        return torch.stack(states).cpu().numpy()

    return encode


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
