"""Open a speech model by name."""

from dd_tools.reporting import SILENT, Reporter
from dd_tools.speech.features import MEL, MOONSHINE, SpeechModel


def open_speech_model(name: str, *, device: str = "cpu", report: Reporter = SILENT) -> SpeechModel:
    """Load a speech model.

    name: ``mel``, ``moonshine``, or the folder or the Hugging Face hub name of a HuBERT-like `transformers` model.
    device: torch device of a HuBERT; the other models run on the CPU. report: receives a message before a download.
    Raises `DataError` if the model is not available.
    """
    if name == MEL:
        from dd_tools.speech.mel import LogMel

        return LogMel()
    if name == MOONSHINE:
        from dd_tools.speech.moonshine import Moonshine

        return Moonshine()
    from dd_tools.speech.hubert import open_hubert

    return open_hubert(name, device=device, report=report)
