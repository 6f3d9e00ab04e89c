"""Open a landmark detector by name."""

import sys
from importlib.util import find_spec

from dd_tools.errors import DataError, UsageError
from dd_tools.face.detectors.protocol import Detector
from dd_tools.reporting import SILENT, Reporter

AUTO, MEDIAPIPE, FACE_ALIGNMENT = DETECTORS = ("auto", "mediapipe", "face-alignment")


def open_detector(name: str = AUTO, *, report: Reporter = SILENT) -> Detector:
    """Load a detector. ``auto`` is mediapipe where it is installed, face-alignment otherwise.

    name: one of `DETECTORS`. report: receives a message before a download. Raises `UsageError` for another name and
    `DataError` if the detector is not installed or its weights cannot be loaded.
    """
    if name not in DETECTORS:
        raise UsageError(f"unknown detector '{name}', expected {', '.join(DETECTORS)}")
    if name == AUTO:
        name = MEDIAPIPE if find_spec("mediapipe") else FACE_ALIGNMENT
    if name == FACE_ALIGNMENT:
        from dd_tools.face.detectors.alignment_network import AlignmentNetworkDetector

        return AlignmentNetworkDetector(report)
    if not find_spec("mediapipe"):
        python = ".".join(map(str, sys.version_info[:2]))
        raise DataError(
            f"detector 'mediapipe' is not installed (it needs Python 3.12 or older, this is {python}): "
            "use --detector face-alignment"
        )
    from dd_tools.face.detectors.mediapipe_mesh import MeshDetector

    return MeshDetector()
