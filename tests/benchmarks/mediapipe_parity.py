"""How far the landmarks are from those of mediapipe itself, and how long both take: python mediapipe_parity.py VIDEOS

Needs mediapipe 0.10.21, so Python 3.12 or older. Two frames per video are searched, and the faces found are fitted
again in the square around their landmarks. Distances are those of a face crop at 256 px.
"""

import sys
import time
from collections import defaultdict
from functools import partial
from itertools import islice

import cv2
import numpy as np

from dd_tools.face.affine import resample, transform
from dd_tools.face.detectors.face_finder import MIN_CONFIDENCE, FoundFace
from dd_tools.face.detectors.face_mesh import INPUT_SIZE, MARGIN, VERTICES, square_around
from dd_tools.face.detectors.mesh_detector import MeshDetector
from dd_tools.face.landmarks import extent
from dd_tools.media.video import read_frames

GRAPH = """
input_stream: "image"  input_stream: "roi"  input_side_packet: "with_attention"  output_stream: "landmarks"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"  input_stream: "ROI:roi"  input_side_packet: "WITH_ATTENTION:with_attention"
  output_stream: "LANDMARKS:landmarks"
}
"""
FRAMES = 3, 30


class MediaPipeFinder:
    """`FaceFinder`, run by mediapipe."""

    def __init__(self):
        from mediapipe.python.solutions.face_detection import FaceDetection

        self._graph = FaceDetection(MIN_CONFIDENCE, model_selection=1)

    def find(self, image: np.ndarray) -> list[FoundFace]:
        size = np.array(image.shape[1::-1])
        return [self._found(detection.location_data, size) for detection in self._graph.process(image).detections or ()]

    @staticmethod
    def _found(location, size: np.ndarray) -> FoundFace:
        box, eyes = location.relative_bounding_box, location.relative_keypoints[:2]
        corner, extent = np.array([box.xmin, box.ymin]), np.array([box.width, box.height])
        right_eye, left_eye = (size * (eye.x, eye.y) for eye in eyes)
        return FoundFace(size * (corner + extent / 2), size * extent, right_eye, left_eye)


class MediaPipeMesh:
    """`FaceMesh`, run by mediapipe."""

    def __init__(self):
        from google.protobuf import text_format
        from mediapipe.framework import calculator_pb2
        from mediapipe.framework.formats import rect_pb2
        from mediapipe.python.solution_base import SolutionBase

        graph = text_format.Parse(GRAPH, calculator_pb2.CalculatorGraphConfig())
        self._graph = SolutionBase(graph_config=graph, side_inputs={"with_attention": True}, outputs=["landmarks"])
        self._whole = rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=1, height=1)

    def fit(self, frame: np.ndarray, square: np.ndarray) -> np.ndarray | None:
        crop = resample(frame, square, (INPUT_SIZE, INPUT_SIZE), cv2.INTER_LINEAR)
        points = self._graph.process({"image": crop, "roi": self._whole}).landmarks
        if points is None:
            return None
        vertices = np.array([(point.x, point.y) for point in points.landmark]) * INPUT_SIZE
        return transform(vertices[VERTICES].mean(1) - 0.5, square).astype(np.float32)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """The greatest distance of two corresponding landmarks, in pixels of a face crop at 256 px."""
    return float(np.linalg.norm(one - other, axis=1).max() * 256 / MARGIN / extent(other))


def main(videos: list[str]) -> None:
    ours, theirs = MeshDetector(), MeshDetector()
    theirs._finder, theirs._mesh = MediaPipeFinder(), MediaPipeMesh()
    seconds, distances, other_count, frames = defaultdict(float), defaultdict(list), 0, 0

    def timed(name: str, function, *arguments):
        start = time.perf_counter()
        result = function(*arguments)
        seconds[name] += time.perf_counter() - start
        return result

    for video in videos:
        for image in [frame.image for frame in islice(read_frames(video), FRAMES[-1] + 1)][
            FRAMES[0] :: FRAMES[-1] - FRAMES[0]
        ]:
            frames += 1
            expected = timed("mediapipe: search", partial(theirs.detect, thorough=False), image)
            found = timed("here: search", partial(ours.detect, thorough=False), image)
            other_count += len(found) != len(expected)
            for one, other in zip(found, expected, strict=False):
                square = square_around(other)
                moved = square + np.array([[0, 0, 1e-4], [0, 0, 1e-4]])
                fitted = timed("mediapipe: follow", theirs._mesh.fit, image, square)
                distances["from the first search on"].append(distance(one, other))
                distances["same square"].append(distance(timed("here: follow", ours._mesh.fit, image, square), fitted))
                distances["mediapipe, square moved by 0.0001 px"].append(
                    distance(theirs._mesh.fit(image, moved), fitted)
                )
    print(f"OpenCV {cv2.__version__}: {frames} frames, {other_count} with another number of faces")
    for name, values in distances.items():
        print(f"{name}: max {max(values):.4f} px, 99 % {np.quantile(values, 0.99):.4f} px, {len(values)} faces")
    for name, total in seconds.items():
        print(f"{name}: {1000 * total / frames:.1f} ms per frame")


if __name__ == "__main__":
    main(sys.argv[1:])
