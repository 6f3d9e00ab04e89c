"""Open a speech model by name."""

from dd_tools.reporting import SILENT, Reporter
from dd_tools.speech.features import MEL, WHISPER, SpeechModel, check_not_removed


def open_speech_model(name: str, *, device: str = "cpu", report: Reporter = SILENT) -> SpeechModel:
    """Load a speech model.

    name: ``mel``, ``whisper``, or the folder or the Hugging Face hub name of a Whisper-like or HuBERT-like model of
    `transformers`. device: torch device for a model of `transformers`; ``mel`` and ``whisper`` are always computed on
    the CPU. report: receives a message before a download. Raises `DataError` if the model is not available.
    """
    check_not_removed(name)
    # Models are imported when they are opened, because onnxruntime, torch and transformers are slow to import.
    if name == MEL:
        from dd_tools.speech.mel import LogMel

        return LogMel()
    if name == WHISPER:
        from dd_tools.speech.whisper import open_shipped_whisper

        return open_shipped_whisper()
    from dd_tools.speech.pretrained import open_pretrained

    return open_pretrained(name, device=device, report=report)
