"""Build ONNX graphs node by node."""

import numpy as np
import onnx
from onnx import TensorProto, helper

OPSET = 17  # the first one with everything needed here; onnxruntime has read it since 1.12
IR_VERSION = 8


class OnnxGraph:
    """A graph that grows. Weights stay float16 in the file and become float32 when it is loaded."""

    def __init__(self):
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def add(self, operator: str, *inputs: str | np.ndarray, output: str | None = None, **attributes) -> str:
        """Append a node with one output, whose name is returned. Arrays become constants."""
        name = output or f"{operator}_{len(self.nodes)}"
        names = [self.constant(value) if isinstance(value, np.ndarray) else value for value in inputs]
        self.nodes.append(helper.make_node(operator, names, [name], name, **attributes))
        return name

    def constant(self, values: np.ndarray) -> str:
        """A constant. Float16 values are stored as such and cast."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = values
        return self.add("Cast", name, to=TensorProto.FLOAT) if values.dtype == np.float16 else name

    def model(
        self, name: str, source: onnx.ValueInfoProto, outputs: dict[str, tuple[str, list]], doc: str
    ) -> onnx.ModelProto:
        """The finished model. source: its input. outputs: name to the tensor that it names, float32, and its shape."""
        for output, (tensor, _) in outputs.items():
            if tensor != output:
                self.nodes.append(helper.make_node("Identity", [tensor], [output], output))
        results = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, (_, shape) in outputs.items()]
        constants = [onnx.numpy_helper.from_array(values, name) for name, values in self.constants.items()]
        graph = helper.make_graph(self.nodes, name, [source], results, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        model.doc_string = doc
        onnx.checker.check_model(model, full_check=True)
        return model


def scalar(value: float) -> np.ndarray:
    """A float32 constant without dimensions."""
    return np.array(value, np.float32)


def ints(*values: int) -> np.ndarray:
    """An int64 constant, such as a shape."""
    return np.array(values, np.int64)
