"""Pickles that no program would write, instruction by instruction, and files of `torch.save` around them."""

import zipfile
from pathlib import Path

START, END = b"\x80\x02", b"."


def put(number: int) -> bytes:
    return b"r" + number.to_bytes(4, "little")


def get(number: int) -> bytes:
    return b"j" + number.to_bytes(4, "little")


def text(value: str) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value.encode()


def integer(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(content)]) + content


def call(name: str, *arguments: bytes) -> bytes:
    module, _, function = name.rpartition(".")
    return f"c{module}\n{function}\n".encode() + b"(" + b"".join(arguments) + b"tR"


def nested(depth: int, pair: bytes = b"\x86") -> bytes:
    """A tuple of twice a tuple of twice a tuple and so on: a hundred bytes that stand for 2 ** depth values."""
    levels = (get(level) * 2 + pair + put(level + 1) for level in range(depth))
    return b"K\1K\1" + pair + put(0) + b"0" + b"0".join(levels)


def nested_lists(depth: int) -> bytes:
    """The same of lists, made empty and filled from the outermost to the innermost."""
    made = b"".join(b"]" + put(level) + b"0" for level in range(depth))
    filled = (get(level) + b"(" + get(level + 1) * 2 + b"e0" for level in range(depth - 1))
    return made + b"".join(filled) + get(0)


def dictionary(*items: bytes) -> bytes:
    return b"}(" + b"".join(items) + b"u"


def storage(kind: str = "FloatStorage", key: str = "0", count: int = 1) -> bytes:
    return b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + integer(count) + b"tQ"


def tensor(shape: tuple[int, ...], strides: tuple[int, ...], stored: bytes | None = None) -> bytes:
    """A tensor of any shape and strides over one stored number."""
    sizes, steps = (b"(" + b"".join(map(integer, values)) + b"t" for values in (shape, strides))
    hooks = b"ccollections\nOrderedDict\n)R"
    return call("torch._utils._rebuild_tensor_v2", stored or storage(), integer(0), sizes, steps, b"\x89", hooks)


def write(path: Path, content: bytes, compression: int = zipfile.ZIP_STORED, *, twice: bool = False) -> Path:
    """A file as `torch.save` makes it, with one stored number."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("a/data.pkl", START + content + END)
        archive.writestr("a/byteorder", "little")
        archive.writestr("a/data/0", b"\0\0\x80\x3f")
        archive.writestr("a/version", "3\n")
        if twice:
            archive.writestr("a/data.pkl", START + b"}" + END)
    return path
