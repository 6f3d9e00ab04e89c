"""dd-info: one description per file, as text and as JSON."""

import json
import os

import h5py
import numpy as np
import pytest
import torch
from commands import call
from factories import dummy_clip, dummy_renderer, dummy_video
from PIL import Image

from dd_tools.cli.info import _format_lines, describe
from dd_tools.formats.checkpoint import RENDERER, read_checkpoint, write_checkpoint

LATENTS = np.array([[1, 2, 3], [3, 4, 5]], np.float32)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    dummy_clip(folder / "clip.h5", unusable=[1, 2])
    dummy_renderer(folder / "renderer.safetensors")
    dummy_video(folder / "video.mp4", seconds=0.2)
    np.save(folder / "latents.npy", LATENTS)
    np.save(folder / "speech.npy", np.zeros((2, 10, 4), np.float16))
    Image.new("RGB", (6, 4)).save(folder / "image.png")
    return folder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clip.h5", {"kind": "clip", "frames": 6, "size": 32, "status": {"ok": 4, "no_face": 2}, "history": []}),
        ("renderer.safetensors", {"kind": "diffdub renderer", "history": []}),
        ("video.mp4", {"kind": "video", "width": 64, "height": 48, "frame_rate": 25.0, "has_audio": True}),
        ("image.png", {"kind": "image", "width": 6, "height": 4, "frame_rate": 0.0, "has_audio": False}),
        ("speech.npy", {"kind": "speech features", "shape": [2, 10, 4], "type": "float16", "seconds": 0.2}),
        ("latents.npy", {"kind": "latents", "shape": [2, 3], "seconds": 0.08, "mean": 3.0,
                         "standard_deviation": pytest.approx(np.sqrt(10 / 6))}),
    ],
)  # fmt: skip
def test_every_kind_of_file_is_described(files, name, expected):
    description = describe(files / name)
    assert {key: description[key] for key in expected} == expected
    (line,) = call("dd-info", "--json", files / name).output.splitlines()
    assert json.loads(line) == {"file": str(files / name)} | description


def test_text_is_indented_and_long_lists_are_cut(files):
    outcome = call("dd-info", files / "clip.h5", files / "latents.npy")
    assert (outcome.status, outcome.errors) == (0, "")
    lines = outcome.output.splitlines()
    assert lines[:2] == [f"file: {files / 'clip.h5'}", "kind: clip"]
    assert lines[lines.index("status:") + 1] == "  ok: 4"
    assert "shape: 2, 3" in lines
    assert _format_lines({"a": list(range(14)), "b": [{"c": 1}]}) == [
        "a: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 … (14 in all)", "b:", "  0:", "    c: 1",
    ]  # fmt: skip


def test_names_in_a_file_cannot_write_to_the_terminal(tmp_path):
    """They may hold colours, new lines and more, in what is shown and in errors."""
    clip, weights = dummy_clip(tmp_path / "clip.h5"), dummy_renderer(tmp_path / "r.safetensors")
    with h5py.File(clip, "r+") as file:
        file.attrs["source"] = json.dumps(json.loads(file.attrs["source"]) | {"name": "a\u001b[31m\nstatus: b.mp4"})
    output = call("dd-info", clip).output
    assert r"name: a\u001b[31m\nstatus: b.mp4" in output and "\x1b" not in output and "\nstatus: b" not in output
    checkpoint = read_checkpoint(weights, RENDERER)
    checkpoint.tensors["more\n\x1b[2J"] = torch.zeros(1)
    write_checkpoint(weights, checkpoint)
    outcome = call("dd-encode", clip, "--renderer", weights, "-o", tmp_path / "l.npy", "-q")
    assert outcome.errors == (f"dd-encode: cannot use '{weights}': tensor 'more\\n\\u001b[2J' is (1,), expected none\n")


def test_the_other_files_are_described_after_a_failure(files):
    outcome = call("dd-info", files / "missing.npy", files / "latents.npy")
    assert outcome.status == 1
    assert outcome.errors == f"dd-info: cannot read '{files / 'missing.npy'}': no such file\n"
    assert "kind: latents" in outcome.output


def test_a_pipe_is_no_missing_file(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    outcome = call("dd-info", tmp_path / "pipe.npy")
    assert outcome.errors == f"dd-info: cannot read '{tmp_path / 'pipe.npy'}': it is not a regular file\n"
