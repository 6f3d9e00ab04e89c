"""Open a landmark detector by name."""

from dd_tools.errors import UsageError
from dd_tools.face.detectors.protocol import Detector
from dd_tools.reporting import SILENT, Reporter

MEDIAPIPE, FACE_ALIGNMENT = DETECTORS = ("mediapipe", "face-alignment")
DEFAULT_DETECTOR = MEDIAPIPE


def open_detector(name: str = DEFAULT_DETECTOR, *, device: str = "cpu", report: Reporter = SILENT) -> Detector:
    """Load a detector.

    name: one of `DETECTORS`; ``mediapipe`` ships with this package, ``face-alignment`` downloads its weights once.
    device: torch device of face-alignment; mediapipe always runs on the CPU. report: receives a message before a
    download. Raises `UsageError` for another name and `DataError` if the weights cannot be loaded.
    """
    if name not in DETECTORS:
        raise UsageError(f"unknown detector '{name}', expected {' or '.join(DETECTORS)}")
    if name == FACE_ALIGNMENT:
        from dd_tools.face.detectors.alignment_network import AlignmentNetworkDetector

        return AlignmentNetworkDetector(device, report)
    from dd_tools.face.detectors.mesh_detector import MeshDetector

    return MeshDetector()
