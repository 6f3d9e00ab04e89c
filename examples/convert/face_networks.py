"""Convert MediaPipe's face detector and face mesh from TensorFlow Lite to the ONNX files in dd_tools/weights.

    pip install tflite onnx numpy
    pip download --no-deps --only-binary=:all: --python-version 3.11 --platform manylinux_2_28_x86_64 mediapipe==0.10.21
    python examples/convert/face_networks.py mediapipe-0.10.21-*.whl dd_tools/weights

The wheel is only read as a ZIP archive; nothing in it is run or installed. Both networks are under the Apache licence
2.0, copyright The MediaPipe Authors.
"""

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx_graph import OnnxGraph, ints, scalar
from tflite_graph import Graph, Node

DETECTOR = "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite"
MESH = "mediapipe/modules/face_landmark/face_landmark_with_attention.tflite"
# The vertices of the mesh that the network for the lips, and those for the eyes, place more accurately, in the order of
# their outputs (mediapipe/modules/face_landmark/tensors_to_face_landmarks_with_attention.pbtxt).
LIPS = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409]
LIPS += [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415]
LIPS += [76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408]
LIPS += [62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407]
RIGHT_EYE = [33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173, 130, 25, 110, 24, 23, 22, 26]
RIGHT_EYE += [112, 243, 247, 30, 29, 27, 28, 56, 190, 226, 31, 228, 229, 230, 231, 232, 233, 244, 113, 225, 224, 223]
RIGHT_EYE += [222, 221, 189, 35, 124, 46, 53, 52, 65, 143, 111, 117, 118, 119, 120, 121, 128, 245, 156, 70, 63, 105]
RIGHT_EYE += [66, 107, 55, 193]
LEFT_EYE = [263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398, 359, 255, 339, 254, 253]
LEFT_EYE += [252, 256, 341, 463, 467, 260, 259, 257, 258, 286, 414, 446, 261, 448, 449, 450, 451, 452, 453, 464, 342]
LEFT_EYE += [445, 444, 443, 442, 441, 413, 265, 353, 276, 283, 282, 295, 372, 340, 346, 347, 348, 349, 350, 357, 465]
LEFT_EYE += [383, 300, 293, 334, 296, 336, 285, 417]


class Converter(OnnxGraph):
    """Builds the ONNX graph of a TensorFlow Lite one.

    Tensors of four dimensions, (B,H,W,C) there, are (B,C,H,W) here.
    """

    def __init__(self, graph: Graph):
        super().__init__()
        self.graph = graph
        self.names: dict[int, str] = {}  # of the tensors computed so far, by their number in the original graph

    def value(self, tensor: int | str) -> str:
        """The equivalent of a computed tensor of the original, given by number or name; appends the nodes it needs."""
        number = self.graph.number(tensor) if isinstance(tensor, str) else tensor
        if number not in self.names:
            node = self.graph.producers[number]
            self.names[number] = CONVERSIONS[node.operator](self, node)
        return self.names[number]

    def face(self, outputs: dict[str, tuple[str, list]], size: int, doc: str) -> onnx.ModelProto:
        """The finished model, see `model`. size: side of the image."""
        image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", size, size, 3])
        return self.model("face", image, outputs, doc)

    def image(self, low: float, high: float) -> None:
        """Append the nodes from the model's input, uint8 (B,H,W,3), to that of the original, in [low, high]."""
        channels_first = self.add("Transpose", "image", perm=[0, 3, 1, 2])
        scaled = self.add("Mul", self.add("Cast", channels_first, to=TensorProto.FLOAT), scalar((high - low) / 255))
        self.names[self.graph.inputs[0]] = self.add("Add", scaled, scalar(low)) if low else scaled


def _activated(converter: Converter, name: str, node: Node) -> str:
    return converter.add("Relu", name) if node.options["activation"] == "RELU" else name


def _padding(node: Node) -> dict:
    # SAME_UPPER is TensorFlow's SAME.
    return {"auto_pad": "VALID" if node.options["padding"] == "VALID" else "SAME_UPPER"}


def _convolution(converter: Converter, node: Node) -> str:
    data, kernel, bias = node.inputs
    weights, group, padding = converter.graph.array(kernel), 1, _padding(node)
    producer = converter.graph.producers.get(data)
    if producer and producer.operator == "PAD":  # with spatial padding of its own, the convolution is faster
        data, padding = producer.inputs[0], {"pads": _pad_widths(converter, producer)[:, 2:].reshape(-1).tolist()}
    if node.operator == "DEPTHWISE_CONV_2D":
        weights, group = weights.transpose(3, 1, 2, 0), weights.shape[3]
    weights = np.ascontiguousarray(weights.transpose(0, 3, 1, 2))
    result = converter.add(
        "Conv",
        converter.value(data),
        weights,
        converter.graph.array(bias),
        strides=[node.options["stride"]] * 2,
        group=group,
        **padding,
    )
    return _activated(converter, result, node)


def _prelu(converter: Converter, node: Node) -> str:
    """As a x + (1 − a) max(x, 0), which keeps onnxruntime's blocked layout; its PRelu took most of the time."""
    data, slopes = converter.value(node.inputs[0]), converter.graph.array(node.inputs[1]).reshape(-1, 1, 1, 1)
    linear = converter.add("Conv", data, slopes, group=len(slopes))
    # 1 − a in float32, so that positive values stay exactly what they are.
    rectified = converter.add("Conv", converter.add("Relu", data), 1 - slopes.astype(np.float32), group=len(slopes))
    return converter.add("Add", linear, rectified)


def _add(converter: Converter, node: Node) -> str:
    total = converter.add("Add", *(converter.value(number) for number in node.inputs))
    return _activated(converter, total, node)


def _max_pool(converter: Converter, node: Node) -> str:
    size, stride = [node.options["size"]] * 2, [node.options["stride"]] * 2
    return converter.add(
        "MaxPool", converter.value(node.inputs[0]), kernel_shape=size, strides=stride, **_padding(node)
    )


def _pad(converter: Converter, node: Node) -> str:
    return converter.add("Pad", converter.value(node.inputs[0]), _pad_widths(converter, node).reshape(-1))


def _pad_widths(converter: Converter, node: Node) -> np.ndarray:
    """Widths (2,4) before and after (B,C,H,W)."""
    return converter.graph.array(node.inputs[1])[[0, 3, 1, 2]].T.astype(np.int64)


def _resize(converter: Converter, node: Node) -> str:
    factors = np.array([1, 1, node.options["factor"], node.options["factor"]], np.float32)
    # Half-pixel centres, edges repeated: ONNX's half_pixel.
    return converter.add(
        "Resize",
        converter.value(node.inputs[0]),
        np.empty(0, np.float32),
        factors,
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )


def _depth_to_space(converter: Converter, node: Node) -> str:
    return converter.add("DepthToSpace", converter.value(node.inputs[0]), blocksize=node.options["size"], mode="DCR")


def _reshape(converter: Converter, node: Node) -> str:
    data, shape = converter.value(node.inputs[0]), converter.graph.shape(node.output)
    if len(converter.graph.shape(node.inputs[0])) == 4:
        data = converter.add("Transpose", data, perm=[0, 2, 3, 1])
    return converter.add("Reshape", data, np.array([-1, *shape[1:]], np.int64))


def _multiply(converter: Converter, node: Node) -> str:
    data, factor = node.inputs
    values = converter.graph.array(factor)
    if values.shape == (1, 4, 4):  # a matrix of `_transform_matrix`
        values = values[:, :2, [0, 1, 3]]
    return converter.add("Mul", converter.value(data), values)


def _pick(converter: Converter, points: str, indices: list[int]) -> str:
    return converter.add("Gather", points, np.array(indices, np.int64), axis=1)


def _transform_matrix(converter: Converter, node: Node) -> str:
    """Landmarks2TransformMatrix, version 2: the affine map (B,2,3) from a crop around some landmarks to their plane.

    The crop is turned so that two of the landmarks are level. The original returns a 4×4 matrix.
    """
    options, add = node.options, converter.add
    points = add("Slice", converter.value(node.inputs[0]), ints(0), ints(2), ints(2))  # (B,n,2)
    right, left = (_pick(converter, points, [options[f"{side}_rotation_idx"]]) for side in ("right", "left"))
    level = add("Sub", right, left)  # (B,1,2)
    length = add("Sqrt", add("ReduceSum", add("Mul", level, level), ints(2)))
    along = add("Div", level, length)  # (cos, sin) of the angle at which the two lie
    # The unit vector perpendicular to it, (-sin, cos).
    across = add("Mul", add("Gather", along, np.array([1, 0], np.int64), axis=2), np.array([-1, 1], np.float32))
    axes = add("Concat", along, across, axis=1)  # (B,2,2), rows
    level_points = add(
        "MatMul", _pick(converter, points, options["subset_idxs"]), add("Transpose", axes, perm=[0, 2, 1])
    )
    low, high = (add(name, level_points, axes=[1], keepdims=1) for name in ("ReduceMin", "ReduceMax"))
    centre = add("MatMul", add("Mul", add("Add", low, high), scalar(0.5)), axes)  # (B,1,2)
    size = np.array([options["output_width"], options["output_height"]], np.float32)
    scale = np.array([options["scale_x"], options["scale_y"]], np.float32) / size
    scaled = add("Mul", add("Transpose", add("Sub", high, low), perm=[0, 2, 1]), scale.reshape(2, 1))  # (B,2,1)
    columns = add("Mul", axes, scaled)  # (B,2,2): the columns of the linear part, as rows
    shift = add("Sub", centre, add("MatMul", (size / 2).reshape(1, 2), columns))
    return add("Transpose", add("Concat", columns, shift, axis=1), perm=[0, 2, 1])


def _transform_points(converter: Converter, node: Node) -> str:
    """TransformLandmarks, version 2: points (B,n,2) under the affine map (B,2,3) of `_transform_matrix`."""
    points, matrix = map(converter.value, node.inputs)
    return _mapped(converter, points, matrix)


def _mapped(converter: Converter, points: str | np.ndarray, matrix: str) -> str:
    columns = converter.add("Transpose", matrix, perm=[0, 2, 1])  # (B,3,2)
    linear = converter.add("Slice", columns, ints(0), ints(2), ints(1))
    shift = converter.add("Slice", columns, ints(2), ints(3), ints(1))
    return converter.add("Add", converter.add("MatMul", points, linear), shift)


def _crop(converter: Converter, node: Node) -> str:
    """TransformTensorBilinear, version 2: a crop of a feature map, sampled at an affine map of `_transform_matrix`."""
    add, data = converter.add, converter.value(node.inputs[0])
    _, in_height, in_width, _ = converter.graph.shape(node.inputs[0])
    _, height, width, _ = converter.graph.shape(node.output)
    rows, columns = np.mgrid[:height, :width] + 0.5
    centres = np.stack([columns, rows], -1).reshape(1, -1, 2).astype(np.float32)
    places = _mapped(converter, centres, converter.value(node.inputs[1]))
    size = np.array([in_width, in_height], np.float32)
    grid = add("Sub", add("Mul", places, 2 / size), scalar(1))
    grid = add("Reshape", grid, np.array([-1, height, width, 2], np.int64))
    sampled = add("GridSample", data, grid, mode="bilinear", padding_mode="zeros", align_corners=0)
    # The original is zero wherever a sample is not between four values; GridSample blends with zero there.
    inside = add("And", add("GreaterOrEqual", places, scalar(0.5)), add("LessOrEqual", places, size - 0.5))
    inside = add("ReduceMin", add("Cast", inside, to=TensorProto.FLOAT), axes=[2], keepdims=0)
    return add("Mul", sampled, add("Reshape", inside, np.array([-1, 1, height, width], np.int64)))


CONVERSIONS: dict[str, Callable[[Converter, Node], str]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "PRELU": _prelu,
    "ADD": _add,
    "MAX_POOL_2D": _max_pool,
    "PAD": _pad,
    "RESIZE_BILINEAR": _resize,
    "DEPTH_TO_SPACE": _depth_to_space,
    "RESHAPE": _reshape,
    "MUL": _multiply,
    "Landmarks2TransformMatrix": _transform_matrix,
    "TransformLandmarks": _transform_points,
    "TransformTensorBilinear": _crop,
}


def convert_detector(data: bytes) -> onnx.ModelProto:
    """The full-range face detector: boxes (B,2304,16) and scores (B,2304), one per cell of a grid of 48 × 48."""
    converter = Converter(Graph(data))
    converter.image(-1, 1)
    boxes, logits = converter.value("Identity"), converter.value("Identity_1")
    clipped = converter.add("Clip", logits, scalar(-100), scalar(100))
    scores = converter.add("Squeeze", converter.add("Sigmoid", clipped), ints(2))
    outputs = {"boxes": (boxes, ["batch", 2304, 16]), "scores": (scores, ["batch", 2304])}
    return converter.face(outputs, 192, "MediaPipe's full-range face detector. Apache-2.0, The MediaPipe Authors.")


def convert_mesh(data: bytes) -> onnx.ModelProto:
    """The face mesh with attention: vertices (B,468,2) in pixels of the image, and the probability (B,) of a face.

    Its irises and the vertices' depths are left out.
    """
    converter = Converter(Graph(data))
    converter.image(0, 1)
    mesh, logit = converter.value("output_mesh"), converter.value("conv_faceflag")
    parts = [converter.value(f"output_{name}") for name in ("lips", "left_eye", "right_eye")]
    points = [converter.add("Slice", _points(converter, mesh, 3), ints(0), ints(2), ints(2))]
    points += [_points(converter, part, 2) for part in parts]
    vertices = _pick(converter, converter.add("Concat", *points, axis=1), _most_accurate())
    score = converter.add("Reshape", converter.add("Sigmoid", logit), ints(-1))
    outputs = {"vertices": (vertices, ["batch", 468, 2]), "score": (score, ["batch"])}
    return converter.face(outputs, 192, "MediaPipe's face mesh with attention. Apache-2.0, The MediaPipe Authors.")


def _points(converter: Converter, flat: str, dimensions: int) -> str:
    return converter.add("Reshape", flat, np.array([0, -1, dimensions], np.int64))


def _most_accurate() -> list[int]:
    """Where, among the outputs of all networks one after another, each of the 468 vertices is placed best."""
    places = list(range(468))
    for place, vertex in enumerate(LIPS + RIGHT_EYE + LEFT_EYE, start=468):
        places[vertex] = place
    return places


def main(wheel: str, folder: str) -> None:
    """Read both networks out of mediapipe's wheel and write their ONNX files into a folder."""
    with zipfile.ZipFile(wheel) as archive:
        onnx.save(convert_detector(archive.read(DETECTOR)), Path(folder, "face_detector.onnx"))
        onnx.save(convert_mesh(archive.read(MESH)), Path(folder, "face_mesh.onnx"))


if __name__ == "__main__":
    main(*sys.argv[1:])
