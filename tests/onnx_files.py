"""Tiny ONNX files, written without the package onnx: a protobuf message is a list of numbered fields."""

from collections.abc import Sequence
from pathlib import Path

FLOAT, GRAPH, INTS, INT = 1, 5, 7, 2
Shape = Sequence[int | str]


def varint(value: int) -> bytes:
    parts = []
    while True:
        parts.append(value & 127 | (128 if value > 127 else 0))
        value >>= 7
        if not value:
            return bytes(parts)


def field(number: int, value: "int | bytes | str") -> bytes:
    """A field with a number, or with text or a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, INT)
    return field(1, name) + b"".join(field(8, one) for one in value) + field(20, INTS)


def node(kind: str, source: str, target: str, **attributes: int | Sequence[int]) -> bytes:
    own = b"".join(field(5, attribute(name, value)) for name, value in attributes.items())
    return field(1, source) + field(2, target) + field(4, kind) + own


def value_info(name: str, shape: Shape, element: int = FLOAT) -> bytes:
    sizes = b"".join(field(1, field(1 if isinstance(size, int) else 2, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, element) + field(2, sizes)))


def tensor(name: str = "w", **fields: "int | bytes") -> bytes:
    """A tensor of one zero. fields: further ones by number, such as ``f14``."""
    more = b"".join(field(int(number[1:]), value) for number, value in fields.items())
    return field(1, 1) + field(2, FLOAT) + field(8, name) + (more or field(9, bytes(4)))


def model(
    nodes: Sequence[bytes], shape: Shape, output: Shape, tensors: Sequence[bytes] = (), element: int = FLOAT
) -> bytes:
    """A network from its input ``x`` to its output ``y``."""
    parts = [field(1, one) for one in nodes] + [field(2, "tiny")] + [field(5, one) for one in tensors]
    parts += [field(11, value_info("x", shape, element)), field(12, value_info("y", output, element))]
    return field(1, 8) + field(7, b"".join(parts)) + field(8, field(1, "") + field(2, 13))


def write_colours(path: Path, shape: Shape) -> Path:
    """A network that returns the mean colour of each image or video."""
    nodes = [node("GlobalAveragePool", "x", "m"), node("Flatten", "m", "y", axis=1)]
    path.write_bytes(model(nodes, shape, ("n", "d")))
    return path


def write_mouth_parts(path: Path, shape: Shape = (1, "T", 1, 88, 88)) -> Path:
    """A network that returns the mean of each quarter of each frame."""
    nodes = [
        node("AveragePool", "x", "a", kernel_shape=(1, 44, 44), strides=(1, 44, 44)),
        node("Flatten", "a", "y", axis=2),
    ]
    path.write_bytes(model(nodes, shape, ("t", "d")))
    return path
