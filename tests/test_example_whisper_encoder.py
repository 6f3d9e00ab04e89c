"""The conversion of CTranslate2's Whisper: a small model.bin, byte by byte, to an ONNX file."""

import copy
import importlib
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from dd_tools.formats.onnx_network import open_session

SCRIPT = Path(__file__).parents[1] / "examples" / "convert" / "whisper_encoder.py"
WIDTH, BANDS, POSITIONS = 64, 80, 200


def string(text: str) -> bytes:
    """A 16-bit length that includes the closing zero, then the characters."""
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def variable(name: str, values: np.ndarray) -> bytes:
    kind = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}[values.dtype.name]
    sizes = struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
    return string(name) + sizes + struct.pack("<BI", kind, values.nbytes) + values.tobytes()


# A table of positions, before its values, and the same as rows of twice the length.
TABLE, SHORT_TABLE = (
    string("encoder/position_encodings/encodings") + struct.pack("<B2I", 2, POSITIONS // part, part * WIDTH)
    for part in (1, 2)
)
BIAS = string("encoder/conv1/bias") + struct.pack("<BI", 1, WIDTH)  # what is before the type of its values


@pytest.fixture(scope="module")
def encoder():
    """An encoder of two layers as transformers has it, in half precision."""
    config = transformers.WhisperConfig(
        d_model=WIDTH, encoder_layers=2, encoder_attention_heads=1, encoder_ffn_dim=4 * WIDTH, decoder_layers=1,
        decoder_attention_heads=1, decoder_ffn_dim=8, vocab_size=8, num_mel_bins=BANDS, init_std=0.2, pad_token_id=0,
        max_source_positions=POSITIONS,
    )  # fmt: skip
    torch.manual_seed(0)
    encoder = transformers.WhisperModel(config).encoder.half().eval()
    for parameter in encoder.parameters():  # norms and biases, which begin as ones and zeros
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter)
    return encoder


@pytest.fixture
def convert(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPT.parent)
    return importlib.import_module("whisper_encoder").convert


@pytest.fixture
def model_bin(tmp_path, encoder) -> Path:
    """What CTranslate2 would have written of it, between a variable of the decoder and an alias."""
    state = {name: tensor.numpy() for name, tensor in encoder.state_dict().items()}
    parts = {"decoder/embeddings/weight": np.ones((8, WIDTH), np.float16), "encoder/num_heads": np.array(1, np.int16)}
    for layer in range(2):
        old, new = f"layers.{layer}.", f"encoder/layer_{layer}/"
        queries, keys, values = (state[f"{old}self_attn.{one}_proj.weight"] for one in "qkv")
        biases = state[f"{old}self_attn.q_proj.bias"], np.zeros(WIDTH, np.float16), state[f"{old}self_attn.v_proj.bias"]
        parts[f"{new}self_attention/linear_0/weight"] = np.concatenate([queries, keys, values])
        parts[f"{new}self_attention/linear_0/bias"] = np.concatenate(biases)
        for theirs, ours in (
            ("self_attention/linear_1", "self_attn.out_proj"), ("ffn/linear_0", "fc1"), ("ffn/linear_1", "fc2"),
        ):  # fmt: skip
            parts |= {f"{new}{theirs}/{kind}": state[f"{old}{ours}.{kind}"] for kind in ("weight", "bias")}
        for theirs, ours in (("self_attention", "self_attn_layer_norm"), ("ffn", "final_layer_norm")):
            parts[f"{new}{theirs}/layer_norm/gamma"] = state[f"{old}{ours}.weight"]
            parts[f"{new}{theirs}/layer_norm/beta"] = state[f"{old}{ours}.bias"]
    for one in ("conv1", "conv2"):
        parts |= {f"encoder/{one}/{kind}": state[f"{one}.{kind}"] for kind in ("weight", "bias")}
    parts["encoder/layer_norm/gamma"], parts["encoder/layer_norm/beta"] = (
        state[f"layer_norm.{kind}"] for kind in ("weight", "bias")
    )
    parts["encoder/position_encodings/encodings"] = state["embed_positions.weight"]
    header = struct.pack("<I", 6) + string("WhisperSpec") + struct.pack("<II", 3, len(parts))
    aliases = struct.pack("<I", 1) + string("decoder/projection/weight") + string("decoder/embeddings/weight")
    path = tmp_path / "model.bin"
    path.write_bytes(header + b"".join(variable(name, values) for name, values in parts.items()) + aliases)
    return path


@torch.inference_mode()
def test_the_converted_encoder_computes_what_the_original_does(tmp_path, encoder, model_bin):
    """But for windows of 150 frames, the first of its 200 positions."""
    subprocess.run([sys.executable, SCRIPT, model_bin, tmp_path], check=True)
    mel = torch.randn(3, BANDS, 300, generator=torch.Generator().manual_seed(0))
    short = copy.deepcopy(encoder).float()
    short.embed_positions = torch.nn.Embedding.from_pretrained(short.embed_positions.weight[:150])
    short.config.max_source_positions = 150
    expected = torch.stack(short(mel, output_hidden_states=True).hidden_states).numpy()
    (found,) = open_session(tmp_path / "encoder.onnx", "encoder.onnx").run(None, {"mel": mel.numpy()})
    assert found.shape == (3, 3, 150, WIDTH) and expected.std() > 0.5
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_weights_are_stored_in_half_precision_with_their_place_effect(tmp_path, convert, model_bin):
    convert(model_bin, tmp_path)
    values = WIDTH * (3 * BANDS + 3 * WIDTH + 150) + 2 * 12 * WIDTH**2  # without biases and norms
    assert 2 * values < (tmp_path / "encoder.onnx").stat().st_size < 2.3 * values
    effect = np.load(tmp_path / "place_effect.npy")
    assert effect.shape == (3, 50, WIDTH)
    np.testing.assert_allclose(effect.mean(1), 0, atol=1e-5)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: -WIDTH * POSITIONS], "truncated"),
        (
            lambda data: data.replace(b"WhisperSpec", b"WhisperSpek"),
            "holds 'WhisperSpek'.*expected WhisperSpec",
        ),
        (lambda data: data.replace(BIAS + b"\4", BIAS + b"\2"), "encoder/conv1/bias: int16 values, expected"),
        (lambda data: data.replace(BIAS + b"\4", BIAS + b"\5"), "encoder/conv1/bias: values of unknown type 5"),
        (lambda data: data.replace(TABLE, SHORT_TABLE), "takes 100 frames, expected at least 150"),
    ],
)
def test_another_file_is_an_error(tmp_path, convert, model_bin, damage, message):
    model_bin.write_bytes(damage(model_bin.read_bytes()))
    with pytest.raises(SystemExit, match=message):
        convert(model_bin, tmp_path)
