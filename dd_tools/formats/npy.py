"""The NPY format, read without believing its header. All functions raise `ValueError` for what is no sound file.

`numpy.load` takes as much memory as the header claims before it looks at the values, and lets Python's parser read the
header.
"""

import io
import math
import struct
import warnings
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

NOT_NPY = "not an NPY array file, or truncated"

_LENGTHS = {(1, 0): "<H", (2, 0): "<I", (3, 0): "<I"}  # of the header's length, by version of the format
_ZIP = b"PK\x03\x04"
_MAX_HEADER = 10_000  # bytes, the limit of numpy
_BLOCK = 1 << 20  # bytes read at once


@dataclass(frozen=True)
class Header:
    """What a file says of its array. start: of the values, in bytes."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype
    start: int

    @property
    def size(self) -> int:
        """Of the values, in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def order(self) -> str:
        """Of the axes, as numpy calls it."""
        return "F" if self.is_fortran else "C"


def read_header(stream: BinaryIO) -> Header:
    """Read the header; the values follow in the stream."""
    magic = stream.read(np.lib.format.MAGIC_LEN)
    if magic.startswith(_ZIP):
        raise ValueError("an NPZ archive, expected one NPY array")
    try:
        version = np.lib.format.read_magic(io.BytesIO(magic))
        prefix = stream.read(struct.calcsize(_LENGTHS[version]))
        text = prefix + stream.read(min(*struct.unpack(_LENGTHS[version], prefix), _MAX_HEADER))
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of types that are no numbers
            shape, is_fortran, dtype = read(io.BytesIO(text))
    except OSError:
        raise
    except Exception:  # whatever numpy and Python's parser raise for text that is no header
        raise ValueError(NOT_NPY) from None
    if any(isinstance(side, bool) or side < 0 for side in shape):
        raise ValueError(NOT_NPY)
    return Header(shape, is_fortran, dtype, len(magic) + len(text))


def read_values(stream: BinaryIO, header: Header) -> np.ndarray:
    """Read the array to the end of the stream. Takes no more memory than the stream has bytes."""
    content = bytearray()
    while block := stream.read(min(_BLOCK, header.size + 1 - len(content))):
        content += block
    if len(content) != header.size:
        raise ValueError(f"{NOT_NPY} (not {header.size} bytes of values, as it says)")
    return np.frombuffer(content, header.dtype).reshape(header.shape, order=header.order)
