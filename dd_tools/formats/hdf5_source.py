"""A file that HDF5 reads from, which looks at what it reads first.

HDF5 believes two things that it should not: the length of a text, for which it takes as much memory as the attribute
says, and the sizes of the objects in a heap of texts, through which it walks, if need be without end. The library
cannot be interrupted, so both are checked before it gets them to see.
"""

import io
import os
import re
import struct
from pathlib import Path

_HEAP_NAME = b"GCOL"
_HEAP, _OBJECT = struct.Struct("<4sB3xQ"), struct.Struct("<HH4xQ")  # name, version, size; index, references, size
# Of an attribute, before its name: version, flags, sizes of name, type and space; version 3 also has an encoding.
_ATTRIBUTE, _ENCODING = struct.Struct("<BBHHH"), 1
_ALIGNMENT = 8  # bytes, of the objects in a heap and of the parts of an attribute of version 1
_TEXT_CLASS = 9  # of types whose values have a length of their own
_SHARED = 3  # flags of an attribute whose type or space is somewhere else


class DamagedHdf5(OSError):
    """A file that HDF5 must not read."""


class Hdf5Source(io.FileIO):
    """A file object for h5py, open for reading.

    names: of the attributes that will be read. longest: characters that one may have. Reading raises `DamagedHdf5`
    for an attribute or a heap of texts that is damaged.
    """

    def __init__(self, path: Path, names: tuple[str, ...], longest: int):
        super().__init__(path)
        self._size, self._longest = os.fstat(self.fileno()).st_size, longest
        self._names = re.compile(b"|".join(re.escape(name.encode()) + b"\0" for name in names))
        self._heaps: dict[int, int] = {}  # sizes of those that were checked, by their places
        self._margin = max(len(_HEAP_NAME), *(len(name) + 1 for name in names)) - 1

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer from the current position. Returns the number of bytes."""
        start = self.tell()
        count = super().readinto(buffer) or 0
        first = max(0, start - self._margin)  # what is looked for may begin in one block and end in the next
        content = os.pread(self.fileno(), start + count + self._margin - first, first)
        for found in re.finditer(_HEAP_NAME, content):
            self._check_heap(first + found.start())
        for found in self._names.finditer(content):
            self._check_attribute(first + found.start(), len(found.group()))
        return count

    def _unpack(self, fields: struct.Struct, place: int) -> tuple | None:
        content = os.pread(self.fileno(), fields.size, place) if place >= 0 else b""
        return fields.unpack(content) if len(content) == fields.size else None

    def _check_heap(self, start: int) -> None:
        """Raise `DamagedHdf5` unless the objects of a heap follow each other to its end."""
        header = self._unpack(_HEAP, start)
        if header is None or header[1] != 1 or start in self._heaps:
            return
        size, place = header[2], _HEAP.size
        if size > self._size - start:
            raise DamagedHdf5("a heap that is longer than the file")
        self._heaps[start] = size
        if sum(self._heaps.values()) > self._size:
            raise DamagedHdf5("heaps that overlap")
        heap = os.pread(self.fileno(), size, start)
        while place + _OBJECT.size <= len(heap):
            index, _, length = _OBJECT.unpack_from(heap, place)
            step = _aligned(length) + _OBJECT.size if index else length
            if not _OBJECT.size <= step <= size - place:
                raise DamagedHdf5("a heap whose objects do not follow each other")
            place += step

    def _check_attribute(self, start: int, length: int) -> None:
        """Raise `DamagedHdf5` if these bytes are the name of an attribute whose text is too long, or kept elsewhere."""
        for versions, before in (((1, 2), 0), ((3,), _ENCODING)):
            header = self._unpack(_ATTRIBUTE, start - before - _ATTRIBUTE.size)
            if header is None or header[0] not in versions or header[2] != length:
                continue
            version, flags, _, *sizes = header
            if version > 1 and flags & _SHARED:
                raise DamagedHdf5("an attribute whose type is somewhere else")
            name, kind, space = (_aligned(size) if version == 1 else size for size in (length, *sizes))
            type_class = self._unpack(struct.Struct("<B"), start + name)
            text_length = self._unpack(struct.Struct("<I"), start + name + kind + space)
            if type_class and text_length and type_class[0] & 15 == _TEXT_CLASS and text_length[0] > self._longest:
                raise DamagedHdf5(f"an attribute of {text_length[0]} characters")


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
