"""The conversion of CTranslate2's Whisper: a small model.bin, byte by byte, to a folder that transformers reads."""

import runpy
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from dd_tools.speech.registry import open_speech_model

SCRIPT = Path(__file__).parents[1] / "examples" / "convert" / "whisper_encoder.py"
convert = runpy.run_path(str(SCRIPT))["convert"]
WIDTH, BANDS, POSITIONS = 64, 80, 200


def string(text: str) -> bytes:
    """A 16-bit length that includes the closing zero, then the characters."""
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def variable(name: str, values: np.ndarray) -> bytes:
    kind = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}[values.dtype.name]
    sizes = struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
    return string(name) + sizes + struct.pack("<BI", kind, values.nbytes) + values.tobytes()


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


def test_the_converted_encoder_is_the_original(tmp_path, encoder, model_bin):
    subprocess.run([sys.executable, SCRIPT, model_bin, tmp_path / "out"], check=True)
    found = transformers.WhisperModel.from_pretrained(tmp_path / "out").encoder.half()
    assert found.config.encoder_attention_heads == 1 and found.config.num_mel_bins == BANDS
    expected = encoder.state_dict()
    assert set(found.state_dict()) == set(expected)
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_the_folder_is_a_speech_model(tmp_path, model_bin):
    convert(model_bin, tmp_path / "out")
    noise = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    features = open_speech_model(str(tmp_path / "out")).features(noise)
    assert features.shape == (3, 50, WIDTH) and np.ptp(features.astype(float)) > 1


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
    ],
)
def test_another_file_is_an_error(tmp_path, model_bin, damage, message):
    model_bin.write_bytes(damage(model_bin.read_bytes()))
    with pytest.raises(SystemExit, match=message):
        convert(model_bin, tmp_path / "out")
