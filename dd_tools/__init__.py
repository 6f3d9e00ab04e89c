"""Visual dubbing: repaint the lower face in a video so that its lips speak the driving audio.

An implementation of DiffDub (Liu et al., ICASSP 2024), and a small model of its own that ships.
``dd_tools.dub(video, audio, output)`` does the main job. The commands in ``dd_tools.cli`` are thin modules around the
library in ``dd_tools.pipeline``.
"""

__version__ = "0.1.0"

# Public functions and classes, and the modules that define them.
_EXPORTS = {
    "dub": "dd_tools.pipeline.dub",
    "open_detector": "dd_tools.face.detectors.registry",
    "prepare_video": "dd_tools.face.preparation",
    "write_features": "dd_tools.speech.extraction",
    "open_speech_model": "dd_tools.speech.registry",
    "encode_clip": "dd_tools.pipeline.encode",
    "generate_motion": "dd_tools.pipeline.generate",
    "render": "dd_tools.pipeline.render",
    "load_renderer": "dd_tools.pipeline.models",
    "load_motion_model": "dd_tools.pipeline.models",
    "OutputSettings": "dd_tools.pipeline.output",
    "PrepSettings": "dd_tools.face.settings",
}

__all__ = [*_EXPORTS]


def __getattr__(name: str):
    """Import a public name on first use, so that ``import dd_tools`` and ``--help`` stay fast."""
    if name not in _EXPORTS:
        raise AttributeError(f"module 'dd_tools' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_EXPORTS[name]), name)
