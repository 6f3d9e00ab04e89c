"""Reads ONNX files of others, and refuses those whose tensors lie outside the file.

An ONNX file is a protobuf message. A tensor in it can name another file, or even an address in memory, from which its
values are read: then what is computed depends on more than this file, and a stranger's file reads yours.
"""

from collections.abc import Iterator
from pathlib import Path

from dd_tools.errors import DataError, reason

MAX_BYTES = 2**31 - 1  # of a protobuf message
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types

# The messages that can contain tensors, and the numbers of their fields that are such messages (onnx.proto).
_PARTS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "tensor": {},
}
_GRAPH, _EXTERNAL_DATA, _DATA_LOCATION = 7, 13, 14  # fields of a model and of a tensor


def read_onnx(path: str | Path) -> bytes:
    """The bytes of an ONNX file all of whose tensors are in it.

    Raises `DataError` if the file cannot be read, is no ONNX file, or has tensors elsewhere.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"cannot read '{path}': {reason(error)}") from None
    try:
        if not any(number == _GRAPH for number, _ in _fields(memoryview(data))):
            raise ValueError("no graph")
        is_complete = not _has_external_data(memoryview(data), "model")
    except (ValueError, RecursionError):
        raise DataError(f"cannot read '{path}': not an ONNX file") from None
    if not is_complete:
        raise DataError(f"cannot use '{path}': its tensors are in other files; save the network as one file")
    return data


def _has_external_data(message: memoryview, kind: str) -> bool:
    """Whether a message, of a kind in `_PARTS`, has a tensor that lies elsewhere."""
    for number, value in _fields(message):
        if kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0)):
            return True
        part = _PARTS[kind].get(number)
        if part and not isinstance(value, memoryview):
            raise ValueError("a number in the place of a message")
        if part and _has_external_data(value, part):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message. Raises `ValueError` if it is none."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, wire_type = tag >> 3, tag & 7
        value: int | memoryview = 0
        if wire_type == _VARINT:
            value, position = _varint(message, position)
        elif wire_type in (_FIXED64, _FIXED32):
            position += 8 if wire_type == _FIXED64 else 4
        elif wire_type == _BYTES:
            length, start = _varint(message, position)
            position = start + length
            value = message[start:position]
        else:
            raise ValueError("unknown wire type")
        if not 0 < number < 2**29 or position > len(message):
            raise ValueError("not a message")
        yield number, value


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """A number of up to 64 bits at the position, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise ValueError("incomplete")
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & (2**64 - 1), position
    raise ValueError("too long a number")
