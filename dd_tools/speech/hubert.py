"""All hidden states of a HuBERT-like model of `transformers` (hubert, wav2vec2, wavlm), as the paper uses them.

A window of a long signal has `windows.CONTEXT` samples of context on both sides. That is enough for the convolutional
layers. Attention sees the whole window and nothing else, so the hidden states of the transformer layers differ slightly
from those of a single pass over the signal.
"""

import math
from pathlib import Path

import numpy as np
import torch

from dd_tools.errors import DataError
from dd_tools.media.audio import SAMPLE_RATE
from dd_tools.reporting import SILENT, Reporter
from dd_tools.speech.features import Level, SpeechModel
from dd_tools.speech.windows import FRAME_SAMPLES, Window

RECEPTIVE_FIELD = 400  # samples per frame
NEEDED_FILES = "config.json, preprocessor_config.json, model.safetensors (or pytorch_model.bin)"


class Hubert(SpeechModel):
    """Features (L, T, D): the embedding output and the output of every layer, (25, T, 1024) for HuBERT-large.

    Frame k is the model's own frame k, computed from samples 320 k … 320 k + 399. The last one is repeated up to frame
    T, as in the released DiffDub: once, if the length of the signal is a whole number of latents.
    """

    def __init__(self, name: str, network: torch.nn.Module, normalise: bool):
        self.name = name
        self.layers = network.config.num_hidden_layers + 1
        self.width = network.config.hidden_size
        self._network = network.eval()
        self._normalise = normalise

    @torch.inference_mode()
    def _extract(self, window: Window, level: Level) -> np.ndarray:
        samples = level.normalise(window.samples) if self._normalise else window.samples
        samples = np.pad(samples, (0, max(0, RECEPTIVE_FIELD - len(samples))))
        signal = torch.from_numpy(samples)[None].to(self._network.device)
        states = torch.cat(self._network(signal, output_hidden_states=True).hidden_states)
        features = states[:, window.offset : window.offset + window.frames].float().cpu().numpy()
        return np.pad(features, ((0, 0), (0, window.frames - features.shape[1]), (0, 0)), mode="edge")


def open_hubert(name: str, *, device: str = "cpu", report: Reporter = SILENT) -> Hubert:
    """Load a HuBERT-like model from a folder or from the Hugging Face hub; it is downloaded unless it is cached.

    name: the folder or the hub name. device: torch device. report: receives a message before a download. Pickled
    weights are read without running code in them. Raises `DataError` if the model cannot be loaded, or if it is of
    another type, frame rate or sample rate.
    """
    if Path(name).is_dir() and not Path(name, "config.json").is_file():
        raise DataError(f"cannot open speech model '{name}': no config.json in this folder; expected {NEEDED_FILES}")
    try:
        return _load(name, device, local_files_only=True)
    except OSError as error:
        if Path(name).is_dir():
            raise DataError(
                f"cannot open speech model '{name}': {_first_line(error)}; expected {NEEDED_FILES}"
            ) from None
    if Path(name).is_absolute() or name.startswith(".") or name.count("/") > 1:
        raise DataError(f"cannot open speech model '{name}': no such folder")
    report.say(f"downloading speech model '{name}' from the Hugging Face hub")
    try:
        return _load(name, device, local_files_only=False)
    except OSError:
        raise DataError(
            f"cannot download speech model '{name}' from the Hugging Face hub; put its files ({NEEDED_FILES}) "
            "into a folder and pass the folder, or use 'moonshine' or 'mel'"
        ) from None


def _load(name: str, device: str, *, local_files_only: bool) -> Hubert:
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    options = {"local_files_only": local_files_only, "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(name, **options)
        _check_config(name, config)
        extractor = transformers.AutoFeatureExtractor.from_pretrained(name, **options)
        _check_sample_rate(name, extractor.sampling_rate)
        network, loading = transformers.AutoModel.from_pretrained(name, **options, output_loading_info=True)
    except (OSError, DataError):
        raise
    except Exception as error:  # safetensors, pickle and configuration errors have no common class
        raise DataError(f"cannot open speech model '{name}': {_first_line(error)}") from None
    _check_weights(name, set(loading["missing_keys"]))
    return Hubert(name, network.to(device), extractor.do_normalize)


def _check_config(name: str, config) -> None:
    strides = getattr(config, "conv_stride", None)
    if strides is None or not hasattr(config, "num_hidden_layers"):
        raise DataError(
            f"cannot use speech model '{name}': its type is {config.model_type}, expected hubert, wav2vec2 or wavlm"
        )
    if math.prod(strides) != FRAME_SAMPLES:
        raise DataError(
            f"cannot use speech model '{name}': one frame per {math.prod(strides)} samples, expected {FRAME_SAMPLES}"
        )


def _check_sample_rate(name: str, sample_rate: int) -> None:
    if sample_rate != SAMPLE_RATE:
        raise DataError(
            f"cannot use speech model '{name}': its sample rate is {sample_rate} Hz, expected {SAMPLE_RATE}"
        )


def _check_weights(name: str, missing: set[str]) -> None:
    missing = missing - {"masked_spec_embed"}  # used in training only
    if missing:
        raise DataError(
            f"cannot open speech model '{name}': weights '{min(missing)}' and {len(missing) - 1} others are missing"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
