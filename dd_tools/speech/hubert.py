"""All hidden states of a HuBERT-like model of `transformers` (hubert, wav2vec2, wavlm), as the paper uses them.

A window of a long signal has `windows.CONTEXT` samples of context on both sides. That is enough for the convolutional
layers. Attention sees the whole window and nothing else, so the hidden states of the transformer layers differ slightly
from those of a single pass over the signal.
"""

import math

import numpy as np
import torch
from transformers import AutoModel, PretrainedConfig

from dd_tools.speech.features import Level, SpeechModel
from dd_tools.speech.windows import Window

RECEPTIVE_FIELD = 400  # samples per frame


class Hubert(SpeechModel):
    """Features (L, T, D): the embedding output and the output of every layer, (25, T, 1024) for HuBERT-large.

    Frame k is the model's own frame k, computed from samples 320 k … 320 k + 399. The last one is repeated up to frame
    T, as in the released DiffDub: once, if the length of the signal is a whole number of latents.
    """

    network_class = AutoModel

    def __init__(self, name: str, network: torch.nn.Module, extractor):
        self.name = name
        self.layers = network.config.num_hidden_layers + 1
        self.width = network.config.hidden_size
        self._network = network.eval()
        self._normalise = extractor.do_normalize

    @staticmethod
    def frame_samples(config: PretrainedConfig, extractor) -> int:
        """Samples from one frame of such a model to the next."""
        return math.prod(config.conv_stride)

    @torch.inference_mode()
    def _extract(self, window: Window, level: Level) -> np.ndarray:
        samples = level.normalise(window.samples) if self._normalise else window.samples
        samples = np.pad(samples, (0, max(0, RECEPTIVE_FIELD - len(samples))))
        signal = torch.from_numpy(samples)[None].to(self._network.device)
        states = torch.cat(self._network(signal, output_hidden_states=True).hidden_states)
        features = states[:, window.offset : window.offset + window.frames].float().cpu().numpy()
        return np.pad(features, ((0, 0), (0, window.frames - features.shape[1]), (0, 0)), mode="edge")
