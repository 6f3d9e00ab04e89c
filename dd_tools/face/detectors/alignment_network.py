"""Landmarks from the package face-alignment (Bulat and Tzimiropoulos, ICCV 2017), the predictor that the paper uses.

Its weights (120 MB) are downloaded once into torch's cache. Without a GPU it takes about a second per frame.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from dd_tools.errors import DataError, first_line
from dd_tools.face.landmarks import LANDMARK_COUNT, extent
from dd_tools.reporting import Reporter

SEARCH_SIZE = 640  # pixels, longer side of the frame in a search that is not thorough
FOLLOW_REGION = 2.0  # side of the square searched around a face's last position, in units of the face's size


class AlignmentNetworkDetector:
    """The `Detector` built on the S3FD face detector and the 2-D FAN of face-alignment. device: torch device."""

    name = "face-alignment"

    def __init__(self, device: str, report: Reporter):
        import face_alignment
        from face_alignment.api import models_urls as network_urls
        from face_alignment.detection.sfd.sfd_detector import models_urls as detector_urls

        self.version = face_alignment.__version__
        with _loading_weights([detector_urls["s3fd"], network_urls["2DFAN-4"]], report):
            self._network = face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_D, device=device, compile=False
            )

    def detect(self, frame: np.ndarray, *, thorough: bool = True) -> np.ndarray:
        """See `Detector.detect`. Faces are sorted by size, largest first."""
        scale = max(1.0, max(frame.shape[:2]) / SEARCH_SIZE)
        boxes = self._boxes(frame, 1.0 if thorough else scale)
        boxes = sorted(boxes, key=lambda box: box[2] - box[0], reverse=True)
        return self._landmarks(frame, boxes)

    def follow(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
        """See `Detector.follow`."""
        centre = (landmarks.min(0) + landmarks.max(0)) / 2
        half = FOLLOW_REGION / 2 * extent(landmarks)
        left, top = np.maximum(centre - half, 0).astype(int)
        right, bottom = np.maximum(centre + half, 0).astype(int) + 1
        region = frame[top:bottom, left:right]
        if not region.size:
            return None
        faces = self.detect(region, thorough=False) + np.float32([left, top])
        return min(faces, key=lambda face: np.hypot(*(face.mean(0) - landmarks.mean(0))), default=None)

    def _boxes(self, frame: np.ndarray, scale: float) -> np.ndarray:
        """Faces found in the frame shrunk by `scale`: (N,4) left, top, right, bottom in pixels of the full frame."""
        size = round(frame.shape[1] / scale), round(frame.shape[0] / scale)
        small = frame if scale == 1 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        detections = self._network.face_detector.detect_from_image(small)
        return np.array([box[:4] for box in detections]).reshape(-1, 4) * scale

    def _landmarks(self, frame: np.ndarray, boxes: list[np.ndarray]) -> np.ndarray:
        faces = self._network.get_landmarks_from_image(frame, detected_faces=boxes) if boxes else ()
        return np.array(faces, np.float32).reshape(-1, LANDMARK_COUNT, 2)


@contextlib.contextmanager
def _loading_weights(urls: list[str], report: Reporter) -> Iterator[None]:
    """Announce downloads, silence the package's own output, and turn any failure into a `DataError`."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    missing = [url for url in urls if not (folder / Path(url).name).exists()]
    if missing:
        report.say(f"downloading {' and '.join(Path(url).name for url in missing)} to '{folder}', once")
    try:
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # the network, the disk and a damaged file raise different classes
        advice = f"put {' and '.join(urls)} into '{folder}', or use --detector mediapipe"
        raise DataError(f"cannot load the weights of face-alignment ({first_line(error)}): {advice}") from error
