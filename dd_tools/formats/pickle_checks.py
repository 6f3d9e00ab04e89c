"""What a PyTorch file would do when it is read, found without reading it.

PyTorch's own restricted reader runs no foreign code. But a pickle is a program, and a few bytes of it can ask for any
amount of memory, or for a structure of references that takes forever to hash or print. So its instructions are followed
here first, without building anything.
"""

import io
import pickletools
import re
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

PROTOCOL = 2  # of pickles in files of PyTorch
LEGACY_PICKLES = 5  # in files of PyTorch before 1.6: magic number, version, machine, content, names of the storages

# What tensors, and the numbers and names around them, are made of; all of it is on PyTorch's own list of safe names.
_BUILDING = re.compile(
    r"torch\._utils\._rebuild_(tensor|tensor_v2|parameter|parameter_with_state)|torch\.nn\.parameter\.Parameter"
    r"|torch\.[A-Z][A-Za-z0-9]*Storage(?<!UntypedStorage)(?<!TypedStorage)|torch\.b?float\d+|torch\.u?int\d+|torch\.bool"
    r"|torch\.Size|torch\.device|torch\.serialization\._get_layout"
    r"|collections\.(OrderedDict|Counter)|_codecs\.encode|builtins\.(set|complex)"
)
_GROWTH = 100  # times that a structure may be larger than its pickle, as parts of it may be shared
_ALLOWANCE = 1_000_000
_LARGEST = 1 << 62

_ADDING = {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"}  # instructions that change a value
# Instructions that PyTorch's restricted reader does not know, and that name or copy values in other ways.
_FOREIGN = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "DUP", "MEMOIZE"}


@dataclass(eq=False)
class _Part:
    """A value that the pickle makes. parts: the values in it, or that it is made of. size: without them, at least 1.

    name: of a class or function, None for everything else.
    """

    parts: list["_Part"] = field(default_factory=list)
    size: int = 1
    name: str | None = None


_MARK = _Part()


def names_in_zip(path: Path) -> set[str]:
    """The classes and functions that a file of `torch.save` names, other than those that tensors are made of.

    Raises `ValueError` for a file that is compressed, and for a pickle that would call anything but a named function or
    grow beyond measure; `zipfile.BadZipFile` and others for a damaged file.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len({entry.filename for entry in entries}) < len(entries):
            raise ValueError("two entries have the same name")
        for entry in entries:
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise ValueError("its entries are compressed")
        (content,) = (entry for entry in entries if entry.filename.endswith("/data.pkl"))
        return names_in_pickle(io.BytesIO(archive.read(content)))


def names_in_pickle(stream: BinaryIO) -> set[str]:
    """The same for one pickle, which ends where the stream is then."""
    parts = list(_made_by(stream))
    sizes = _sizes(parts)
    if sum(sizes.values()) > _ALLOWANCE + _GROWTH * sum(part.size for part in parts):
        raise ValueError("it grows beyond measure")
    return {part.name for part in parts if part.name and not _BUILDING.fullmatch(part.name)}


def _made_by(stream: BinaryIO) -> Iterator[_Part]:
    """Every value that the pickle makes. Follows its instructions as `pickletools.dis` does."""
    stack: list[_Part] = []
    memo: dict[int, _Part] = {}
    for instruction, argument, _ in pickletools.genops(stream):
        code = instruction.name
        if code in _FOREIGN or (code == "PROTO" and argument != PROTOCOL):
            raise ValueError(f"it is no pickle of protocol {PROTOCOL}")
        if code.endswith("PUT"):
            memo[argument] = stack[-1]
        elif code.endswith("GET"):
            stack.append(memo[argument])
        elif code == "MARK":
            stack.append(_MARK)
        else:
            taken = _take(stack, instruction.stack_before)
            if code in ("REDUCE", "NEWOBJ") and taken[0].name is None:
                raise ValueError("it calls what is no function")
            if code in _ADDING:
                taken[0].parts += taken[1:]
                stack.append(taken[0])
            elif instruction.stack_after:
                size = len(argument) if isinstance(argument, str | bytes) else 1
                stack.append(_Part(taken, max(1, size), _name(argument) if code == "GLOBAL" else None))
                yield stack[-1]


def _name(argument: str) -> str:
    """The name in Python 3 of a class or function that a pickle names as in Python 2: module, space, name."""
    module, _, name = argument.partition(" ")
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
    return f"{module}.{name}"


def _take(stack: list[_Part], before: list) -> list[_Part]:
    """Take from the stack what an instruction takes."""
    count = len(before)
    if pickletools.markobject in before:
        count = before.index(pickletools.markobject)
        count += len(stack) - next(place for place in range(len(stack) - 1, -1, -1) if stack[place] is _MARK)
    taken = stack[len(stack) - count :] if count else []
    if len(taken) < count:
        raise ValueError("it takes more than it made")
    del stack[len(stack) - count :]
    return [part for part in taken if part is not _MARK]


def _sizes(parts: list[_Part]) -> dict[_Part, int]:
    """The size of every part with all that is in it, as often as it is referred to. One in itself counts as empty."""
    sizes: dict[_Part, int] = {}
    waiting = [(part, False) for part in parts]
    while waiting:
        part, is_measured = waiting.pop()
        if is_measured:
            sizes[part] = min(part.size + sum(sizes[inner] for inner in part.parts), _LARGEST)
        elif part not in sizes:
            sizes[part] = part.size
            waiting.append((part, True))
            waiting += [(inner, False) for inner in part.parts]
    return sizes
