"""Visual dubbing: a video and driving audio in, and the lips in the video speak the audio.

An implementation of DiffDub (Liu et al., ICASSP 2024). ``dd_tools.dub(video, audio, output)`` does the main job; the
commands are thin modules in ``dd_tools.cli`` around the library in ``dd_tools.pipeline``.
"""

__version__ = "0.1.0"

__all__ = ["OutputSettings", "dub", "render"]

_EXPORTS = {
    "OutputSettings": "dd_tools.pipeline.output",
    "dub": "dd_tools.pipeline.dub",
    "render": "dd_tools.pipeline.render",
}


def __getattr__(name: str):
    """Import public functions on first use, so that ``import dd_tools`` and ``--help`` stay fast."""
    if name not in _EXPORTS:
        raise AttributeError(f"module 'dd_tools' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_EXPORTS[name]), name)
