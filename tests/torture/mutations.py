"""Seeded damage to the bytes of a file."""

import io
import json
import re
import struct
import zipfile

import h5py
import numpy as np

TEXTS = (".tsv", ".txt", ".json")
ENDS = 512  # bytes at both ends of a file where headers and indices are
EXTREMES = (0, 1, -1, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 255, 65535)
TOKENS = (
    "nan", "inf", "-1", "0", "1e999", "99999999999999999999", "", "null", "true", "[]", "{}", '"', "\\", "\t", "\n",
    "\r", "../../x", "/", "\x00", "é", "😀", "a" * 5000, "[" * 3000,
)  # fmt: skip


def mutate(content: bytes, other: bytes, suffix: str, random: np.random.Generator) -> tuple[str, bytes]:
    """Damage a file in one to three ways; returns the names of the ways, too.

    content: of the file. other: of another file of the same kind. suffix: of its name.
    """
    ways = [flip_bits, truncate, zero_block, duplicate_block, swap_blocks, extreme_integer]
    if suffix in TEXTS:
        ways += [replace_token] * 6
    if suffix in (".safetensors", ".npy"):
        ways += [damage_header] * 6
    names = []
    if suffix in PARTED and random.random() < 0.6:  # first, as nobody but the sandbox should open damaged files
        content = PARTED[suffix](content, random)
        names.append(PARTED[suffix].__name__)
    for _ in range(int(random.choice([1, 1, 1, 2, 3])) if not names else 0):
        if random.random() < 0.1:
            content, name = splice(content, other, random), "splice"
        else:
            way = ways[int(random.integers(len(ways)))]
            content, name = way(content, random), way.__name__
        names.append(name)
    return "+".join(names), content


def flip_bits(content: bytes, random: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for _ in range(int(random.choice([1, 2, 8, 64]))):
        if damaged:
            damaged[_place(len(damaged), random)] ^= 1 << int(random.integers(8))
    return bytes(damaged)


def truncate(content: bytes, random: np.random.Generator) -> bytes:
    return content[: _place(len(content), random)]


def zero_block(content: bytes, random: np.random.Generator) -> bytes:
    start, stop = _block(content, random)
    return content[:start] + bytes(stop - start) + content[stop:]


def duplicate_block(content: bytes, random: np.random.Generator) -> bytes:
    start, stop = _block(content, random)
    return content[:stop] + content[start:]


def swap_blocks(content: bytes, random: np.random.Generator) -> bytes:
    """Two neighbouring blocks of the same length."""
    start, stop = _block(content, random)
    middle = (start + stop) // 2
    end = 2 * middle - start
    return content[:start] + content[middle:end] + content[start:middle] + content[end:]


def extreme_integer(content: bytes, random: np.random.Generator) -> bytes:
    size = int(random.choice([4, 8]))
    value = int(random.choice(np.array(EXTREMES, object))) % 2 ** (8 * size)
    place = _place(len(content), random)
    order = "little" if random.random() < 0.5 else "big"
    return content[:place] + value.to_bytes(size, order) + content[place + size :]


def splice(content: bytes, other: bytes, random: np.random.Generator) -> bytes:
    """The beginning of one file and the end of another."""
    share = random.random()
    return content[: int(share * len(content))] + other[int(share * len(other)) :]


def replace_token(content: bytes, random: np.random.Generator) -> bytes:
    """Replace, remove or repeat a number, a word or a separator."""
    tokens = re.findall(rb"[\w.+-]+|\s|.", content, re.DOTALL) or [b""]
    place = int(random.integers(len(tokens)))
    new = str(random.choice(np.array(TOKENS, object))).encode()
    tokens[place] = (new, new, b"", tokens[place] * 2)[int(random.integers(4))]
    return b"".join(tokens)


def damage_header(content: bytes, random: np.random.Generator) -> bytes:
    """Replace a token of the header of a safetensors or an NPY file, whose length stays or becomes right."""
    if content.startswith(b"\x93NUMPY"):
        start, pack = 10, "<H"
        stop = start + struct.unpack_from("<H", content, 8)[0]
    else:
        start, pack = 8, "<Q"
        stop = start + struct.unpack_from("<Q", content.ljust(8, b"\0"))[0]
    if not start < stop <= len(content):
        return flip_bits(content, random)
    header = (
        _damaged_values(content[start:stop], random) if pack == "<Q" else replace_token(content[start:stop], random)
    )
    length = struct.pack(pack, min(len(header), 65535 if pack == "<H" else 2**40))
    return content[: start - len(length)] + length + header + content[stop:]


def _damaged_values(header: bytes, random: np.random.Generator) -> bytes:
    """A JSON header, as often as not damaged inside a JSON text that is one of its values."""
    try:
        values = json.loads(header)
        texts = values["__metadata__"]
        name = str(random.choice(sorted(texts)))
    except (ValueError, KeyError, TypeError):
        return replace_token(header, random)
    if random.random() < 0.5:
        return replace_token(header, random)
    texts[name] = replace_token(texts[name].encode(), random).decode(errors="replace")
    return json.dumps(values).encode()


def damage_member(content: bytes, random: np.random.Generator) -> bytes:
    """Damage one file of a ZIP archive, whose checksums become right; a PyTorch file is one."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    # The pickle, which describes all tensors, as often as the others together.
    pickles = [name for name in members if name.endswith(".pkl")]
    names = pickles if pickles and random.random() < 0.5 else list(members)
    name = names[int(random.integers(len(names)))]
    way = (flip_bits, truncate, zero_block, swap_blocks, extreme_integer)[int(random.integers(5))]
    members[name] = way(members[name], random)
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name), member)  # without the time, for the same bytes
    return written.getvalue()


def damage_item(content: bytes, random: np.random.Generator) -> bytes:
    """Remove or replace a data set or an attribute of an HDF5 file, or write an extreme value into it."""
    stream = io.BytesIO(content)
    with h5py.File(stream, "r+") as file:
        items = [(file, name) for name in file] + [(file.attrs, name) for name in file.attrs]
        holder, name = items[int(random.integers(len(items)))]
        value = np.asarray(holder[name])
        del holder[name]
        way, is_text = int(random.integers(4)), value.dtype.kind in "OSU"
        if is_text and way < 2:
            holder[name] = replace_token(str(value).encode(), random).replace(b"\0", b"").decode(errors="replace")
        elif way == 0:
            holder[name] = value.reshape(-1)[: value.size // 2].astype("f8")
        elif way == 1 and value.size:
            extreme = np.nan if value.dtype.kind == "f" and random.random() < 0.5 else np.iinfo("i2").max
            value.reshape(-1)[int(random.integers(value.size))] = np.asarray(extreme).astype(value.dtype)
            holder[name] = value
        elif way == 2:
            holder[name] = int(random.choice(EXTREMES[:6]))
    return stream.getvalue()


PARTED = {".h5": damage_item, ".ckpt": damage_member, ".pth": damage_member}


def _place(length: int, random: np.random.Generator) -> int:
    """An index, more often near the beginning and the end."""
    ends = [(0, min(ENDS, length)), (max(length - ENDS, 0), length), (0, length)]
    low, high = ends[int(random.choice(3, p=(0.4, 0.2, 0.4)))]
    return int(random.integers(low, max(high, low + 1)))


def _block(content: bytes, random: np.random.Generator) -> tuple[int, int]:
    start = _place(len(content), random)
    return start, min(len(content), start + int(2 ** random.uniform(2, 12)))
