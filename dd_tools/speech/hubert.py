"""Every hidden state of a HuBERT-like model (hubert, wav2vec2, wavlm, … of `transformers`), as the paper uses them.

Windows of a long signal see `windows.CONTEXT` samples on both sides. The convolutions at the model's entrance do not
notice the cut; its attention is global in principle, so later layers differ slightly from one pass near a window's
ends.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from dd_tools.errors import DataError
from dd_tools.media.audio import SAMPLE_RATE
from dd_tools.speech.features import Level, SpeechModel
from dd_tools.speech.windows import FRAME, Window

REACH = 400  # samples one frame sees
NEEDED_FILES = "config.json, preprocessor_config.json, model.safetensors (or pytorch_model.bin)"


class Hubert(SpeechModel):
    """Features (L, T, D): the embedding output, then every layer's (25, T, 1024 for HuBERT-large).

    Frame k is the model's own k-th, which sees samples 320 k … 320 k + 399; the last is repeated up to T, as in the
    released DiffDub (once, for a whole number of pictures).
    """

    def __init__(self, name: str, network: torch.nn.Module, normalise: bool):
        self.name = name
        self.layers = network.config.num_hidden_layers + 1
        self.width = network.config.hidden_size
        self._network = network.eval()
        self._normalise = normalise

    @torch.inference_mode()
    def _describe(self, window: Window, level: Level) -> np.ndarray:
        samples = level.normalise(window.samples) if self._normalise else window.samples
        samples = np.pad(samples, (0, max(0, REACH - len(samples))))
        signal = torch.from_numpy(samples)[None].to(self._network.device)
        states = torch.cat(self._network(signal, output_hidden_states=True).hidden_states)
        wanted = states[:, window.offset : window.offset + window.frames].float().cpu().numpy()
        return np.pad(wanted, ((0, 0), (0, window.frames - wanted.shape[1]), (0, 0)), mode="edge")


def open_hubert(name: str, *, device: str = "cpu", message: Callable[[str], None]) -> Hubert:
    """The model in folder `name`, or of that name on the Hugging Face hub (from the cache, else downloaded after a
    `message`).

    Pickled weights are read without running their code. Raises `DataError`.
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
        raise DataError(f"no speech model '{name}': no such folder")
    message(f"downloading speech model '{name}' from the Hugging Face hub")
    try:
        return _load(name, device, local_files_only=False)
    except OSError:
        raise DataError(
            f"cannot get speech model '{name}' from the Hugging Face hub; put its files ({NEEDED_FILES}) "
            "into a folder and name that folder, or use 'moonshine' or 'mel'"
        ) from None


def _load(name: str, device: str, *, local_files_only: bool) -> Hubert:
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    options = {"local_files_only": local_files_only, "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(name, **options)
        _check(name, config)
        extractor = transformers.AutoFeatureExtractor.from_pretrained(name, **options)
        if extractor.sampling_rate != SAMPLE_RATE:
            raise DataError(
                f"cannot use speech model '{name}': it hears {extractor.sampling_rate} Hz, expected {SAMPLE_RATE}"
            )
        network, report = transformers.AutoModel.from_pretrained(name, **options, output_loading_info=True)
    except (OSError, DataError):
        raise
    except Exception as error:  # safetensors, pickle and configuration errors have no common class
        raise DataError(f"cannot open speech model '{name}': {_first_line(error)}") from None
    missing = set(report["missing_keys"]) - {"masked_spec_embed"}  # used in training only
    if missing:
        raise DataError(
            f"cannot open speech model '{name}': weights '{min(missing)}' and {len(missing) - 1} others are missing"
        )
    return Hubert(name, network.to(device), extractor.do_normalize)


def _check(name: str, config) -> None:
    strides = getattr(config, "conv_stride", None)
    if strides is None or not hasattr(config, "num_hidden_layers"):
        raise DataError(
            f"cannot use '{name}' as speech model: it is a {config.model_type}, expected hubert, wav2vec2 or wavlm"
        )
    if math.prod(strides) != FRAME:
        raise DataError(
            f"cannot use speech model '{name}': a frame every {math.prod(strides)} samples, expected {FRAME}"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
