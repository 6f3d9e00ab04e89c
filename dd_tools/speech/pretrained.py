"""Speech models of `transformers`, from a folder or from the Hugging Face hub."""

from pathlib import Path

import transformers

from dd_tools.errors import DataError, first_line
from dd_tools.formats.tensor_checks import check_tensors
from dd_tools.media.audio import SAMPLE_RATE
from dd_tools.reporting import SILENT, Reporter
from dd_tools.speech.features import SpeechModel
from dd_tools.speech.hubert import Hubert
from dd_tools.speech.pretrained_whisper import PretrainedWhisper
from dd_tools.speech.windows import FRAME_SAMPLES

NEEDED_FILES = "config.json, preprocessor_config.json, model.safetensors (or pytorch_model.bin)"


def open_pretrained(
    source: str, *, name: str | None = None, device: str = "cpu", report: Reporter = SILENT
) -> SpeechModel:
    """Load a Whisper-like or HuBERT-like model from a folder or from the Hugging Face hub.

    It is downloaded unless it is cached. source: the folder, or the hub name; ``NAME@COMMIT`` is the model as it was at
    a commit. name: of the speech model, if it is not the `source`. device: torch device. report: receives a message
    before a download. Pickled weights are read without running code in them. Raises `DataError` if the model cannot be
    loaded, or if it is of another type, frame rate or sample rate.
    """
    is_folder = Path(source).is_dir()
    if is_folder and not Path(source, "config.json").is_file():
        raise DataError(f"cannot open speech model '{source}': no config.json in this folder; expected {NEEDED_FILES}")
    try:
        return _load(source, name or source, device, local_files_only=True)
    except OSError as error:
        if is_folder:
            raise DataError(
                f"cannot open speech model '{source}': {first_line(error)}; expected {NEEDED_FILES}"
            ) from None
    if Path(source).is_absolute() or source.startswith(".") or source.count("/") > 1:
        raise DataError(f"cannot open speech model '{source}': no such folder")
    report.say(f"downloading speech model '{source}' from the Hugging Face hub")
    try:
        return _load(source, name or source, device, local_files_only=False)
    except OSError:
        raise DataError(
            f"cannot download speech model '{source}' from the Hugging Face hub; put its files ({NEEDED_FILES}) "
            "into a folder and pass the folder, or use 'whisper' or 'mel'"
        ) from None


def _load(source: str, name: str, device: str, *, local_files_only: bool) -> SpeechModel:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    options = {"local_files_only": local_files_only, "trust_remote_code": False}
    if not Path(source).is_dir() and "@" in source:
        source, _, options["revision"] = source.partition("@")
    try:
        config = transformers.AutoConfig.from_pretrained(source, **options)
        model_class = _model_class(source, config)
        extractor = transformers.AutoFeatureExtractor.from_pretrained(source, **options)
        _check_rates(source, extractor.sampling_rate, model_class.frame_samples(config, extractor))
        network, loading = model_class.network_class.from_pretrained(source, **options, output_loading_info=True)
    except (OSError, DataError):
        raise
    except Exception as error:  # safetensors, pickle and configuration errors have no common class
        raise DataError(f"cannot open speech model '{source}': {first_line(error)}") from None
    _check_weights(source, set(loading["missing_keys"]))
    check_tensors(network.state_dict(), source)
    return model_class(name, network.float().to(device), extractor)


def _model_class(source: str, config: transformers.PretrainedConfig) -> type[Hubert | PretrainedWhisper]:
    if config.model_type == "whisper":
        return PretrainedWhisper
    if hasattr(config, "conv_stride") and hasattr(config, "num_hidden_layers"):
        return Hubert
    raise DataError(
        f"cannot use speech model '{source}': its type is {config.model_type}, "
        "expected whisper, hubert, wav2vec2 or wavlm"
    )


def _check_rates(source: str, sample_rate: int, frame_samples: int) -> None:
    if sample_rate != SAMPLE_RATE:
        raise DataError(
            f"cannot use speech model '{source}': its sample rate is {sample_rate} Hz, expected {SAMPLE_RATE}"
        )
    if frame_samples != FRAME_SAMPLES:
        raise DataError(
            f"cannot use speech model '{source}': one frame per {frame_samples} samples, expected {FRAME_SAMPLES}"
        )


def _check_weights(source: str, missing: set[str]) -> None:
    missing = missing - {"masked_spec_embed"}  # used in training only
    if missing:
        raise DataError(
            f"cannot open speech model '{source}': {len(missing)} of its weights are missing, such as '{min(missing)}'"
        )
