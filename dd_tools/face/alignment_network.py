"""Landmarks from the package face-alignment (Bulat and Tzimiropoulos, ICCV 2017), the paper's own predictor.

Its weights (120 MB) download once into torch's cache. Without a GPU it is slow: a second or so a frame.
"""

import contextlib
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from dd_tools.errors import DataError
from dd_tools.face.landmarks import COUNT, extent

FIRST_LOOK = 640  # pixels, longer side of the picture faces are first searched in
REGION = 2.0  # a followed face is searched in a square of this many times its extent


class AlignmentNetworkDetector:
    """`dd_tools.face.landmarks.Detector` on face-alignment's S3FD face detector and 2-D FAN."""

    name = "face-alignment"

    def __init__(self, say: Callable[[str], None]):
        import face_alignment
        from face_alignment.api import models_urls as network_urls
        from face_alignment.detection.sfd.sfd_detector import models_urls as detector_urls

        self.version = face_alignment.__version__
        device = "cuda" if torch.cuda.is_available() else "cpu"
        urls = [detector_urls["s3fd"], network_urls["2DFAN-4"]]
        with _weights(urls, say):
            self._network = face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_D, device=device, compile=False
            )

    def detect(self, image: np.ndarray, *, thorough: bool = True) -> np.ndarray:
        """See `Detector.detect`; largest face first."""
        scale = max(1.0, max(image.shape[:2]) / FIRST_LOOK)
        boxes = self._boxes(image, 1.0 if thorough else scale)
        boxes = sorted(boxes, key=lambda box: box[2] - box[0], reverse=True)
        return self._landmarks(image, boxes)

    def follow(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray | None:
        """See `Detector.follow`."""
        middle = (landmarks.min(0) + landmarks.max(0)) / 2
        half = REGION / 2 * extent(landmarks)
        left, top = np.maximum(middle - half, 0).astype(int)
        right, bottom = np.maximum(middle + half, 0).astype(int) + 1
        region = image[top:bottom, left:right]
        if not region.size:
            return None
        faces = self.detect(region, thorough=False) + np.float32([left, top])
        return min(faces, key=lambda face: np.hypot(*(face.mean(0) - landmarks.mean(0))), default=None)

    def _boxes(self, image: np.ndarray, scale: float) -> np.ndarray:
        """Faces found in the picture shrunk by `scale`: (N,4) left, top, right, bottom in its own pixels."""
        size = round(image.shape[1] / scale), round(image.shape[0] / scale)
        small = image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        found = self._network.face_detector.detect_from_image(small)
        return np.array([box[:4] for box in found]).reshape(-1, 4) * scale

    def _landmarks(self, image: np.ndarray, boxes: list[np.ndarray]) -> np.ndarray:
        found = self._network.get_landmarks_from_image(image, detected_faces=boxes) if boxes else ()
        return np.array(found, np.float32).reshape(-1, COUNT, 2)


@contextlib.contextmanager
def _weights(urls: list[str], say: Callable[[str], None]):
    """Announce downloads before, explain a failure after, and keep the package's own chatter off standard error."""
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    missing = [url for url in urls if not (folder / Path(url).name).exists()]
    if missing:
        say(f"downloading {' and '.join(Path(url).name for url in missing)} to '{folder}', once")
    try:
        with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # whatever the network, the disk or a damaged file can raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        advice = f"put {' and '.join(urls)} into '{folder}', or use --detector mediapipe"
        raise DataError(f"cannot load the weights of face-alignment ({reason}): {advice}") from error
