"""Read the graph of a TensorFlow Lite file: operators with their options, and constant tensors."""

from functools import cached_property
from typing import NamedTuple

import numpy as np
import tflite
from flatbuffers import flexbuffers

TYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
OPTIONS = {
    "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
    "ADD": tflite.AddOptions,
    "MAX_POOL_2D": tflite.Pool2DOptions,
    "DEPTH_TO_SPACE": tflite.DepthToSpaceOptions,
}
PADDINGS = {tflite.Padding.SAME: "SAME", tflite.Padding.VALID: "VALID"}
ACTIVATIONS = {tflite.ActivationFunctionType.NONE: "NONE", tflite.ActivationFunctionType.RELU: "RELU"}
OPERATORS = {number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)}


class Node(NamedTuple):
    """An operator of the graph. Tensors are numbered."""

    operator: str
    inputs: list[int]
    output: int
    options: dict


class Graph:
    """The graph in the bytes of a TensorFlow Lite file. Raises `ValueError` for what the two networks do not use."""

    def __init__(self, data: bytes):
        self._model = tflite.Model.GetRootAs(data, 0)
        self._graph = self._model.Subgraphs(0)
        self.inputs: list[int] = self._graph.InputsAsNumpy().tolist()

    @cached_property
    def producers(self) -> dict[int, Node]:
        """The operator that computes a tensor, by the tensor's number."""
        operators = (self._graph.Operators(index) for index in range(self._graph.OperatorsLength()))
        return {node.output: node for node in map(self._node, operators)}

    def number(self, name: str) -> int:
        """The number of the tensor with this name."""
        for number in range(self._graph.TensorsLength()):
            if self._graph.Tensors(number).Name().decode() == name:
                return number
        raise ValueError(f"no tensor '{name}'")

    def shape(self, number: int) -> list[int]:
        """Shape of a tensor."""
        return self._graph.Tensors(number).ShapeAsNumpy().tolist()

    def array(self, number: int) -> np.ndarray:
        """The values of a constant tensor, as they are stored: float16 before DEQUANTIZE, sparse ones made dense."""
        producer = self.producers.get(number)
        if producer:  # DEQUANTIZE or DENSIFY, which only unpack
            return self.array(producer.inputs[0])
        tensor = self._graph.Tensors(number)
        values = self._model.Buffers(tensor.Buffer()).DataAsNumpy().view(TYPES[tensor.Type()])
        if tensor.Sparsity():
            return _dense(values, tensor.Sparsity(), self.shape(number))
        return values.reshape(self.shape(number))

    def _node(self, operator: tflite.Operator) -> Node:
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        name = OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        if name == "CUSTOM":
            name = code.CustomCode().decode()
            options = _custom_options(operator)
        elif name == "RESIZE_BILINEAR":
            options = {"factor": self._factor(operator)}
        else:
            options = _options(operator, OPTIONS[name]) if name in OPTIONS else {}
        return Node(name, operator.InputsAsNumpy().tolist(), operator.Outputs(0), options)

    def _factor(self, operator: tflite.Operator) -> int:
        before, after = (self.shape(number)[1] for number in (operator.Inputs(0), operator.Outputs(0)))
        options = _table(operator, tflite.ResizeBilinearOptions)
        if not options.HalfPixelCenters() or options.AlignCorners() or after % before:
            raise ValueError("RESIZE_BILINEAR is supported with half-pixel centres and whole factors")
        return after // before


def _table(operator: tflite.Operator, kind: type):
    options, table = kind(), operator.BuiltinOptions()
    options.Init(table.Bytes, table.Pos)
    return options


def _options(operator: tflite.Operator, kind: type) -> dict:
    table, found = _table(operator, kind), {}
    if hasattr(table, "Padding"):
        found["padding"] = PADDINGS[table.Padding()]
        found["stride"] = table.StrideW()
    if hasattr(table, "FusedActivationFunction"):
        found["activation"] = ACTIVATIONS[table.FusedActivationFunction()]
    if hasattr(table, "FilterWidth"):
        found["size"] = table.FilterWidth()
    if hasattr(table, "BlockSize"):
        found["size"] = table.BlockSize()
    return found


def _custom_options(operator: tflite.Operator) -> dict:
    """MediaPipe's own operators have a FlexBuffers map of options."""
    if not operator.CustomOptionsLength():
        return {}
    return flexbuffers.Loads(operator.CustomOptionsAsNumpy().tobytes())


def _dense(values: np.ndarray, sparsity: tflite.SparsityParameters, shape: list[int]) -> np.ndarray:
    """A constant whose last dimension is stored in compressed sparse rows, all others densely."""
    last = sparsity.DimMetadata(len(shape) - 1)
    if sparsity.TraversalOrderAsNumpy().tolist() != list(range(len(shape))) or last.Format() != 1:
        raise ValueError("sparse constants are supported with a compressed last dimension only")
    segments, columns = (
        _integers(last.ArraySegments, last.ArraySegmentsType()),
        _integers(last.ArrayIndices, last.ArrayIndicesType()),
    )
    dense = np.zeros((len(segments) - 1, shape[-1]), values.dtype)
    dense[np.repeat(np.arange(len(segments) - 1), np.diff(segments)), columns] = values
    return dense.reshape(shape)


def _integers(table_of, kind: int) -> np.ndarray:
    names = {1: tflite.Int32Vector, 2: tflite.Uint16Vector, 3: tflite.Uint8Vector}
    vector, table = names[kind](), table_of()
    vector.Init(table.Bytes, table.Pos)
    return vector.ValuesAsNumpy().astype(np.int64)
