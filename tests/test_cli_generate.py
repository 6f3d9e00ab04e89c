"""dd-generate from the command line."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import call
from factories import dummy_latents, dummy_speech

from dd_tools.formats.arrays import write_array
from dd_tools.formats.checkpoint import MOTION, Checkpoint, write_checkpoint
from dd_tools.motion.config import PRESETS
from dd_tools.motion.generation import generate
from dd_tools.motion.model import MotionModel, load_motion_model

TAKES = "'motion.safetensors' takes"
AGAIN = "make it with dd-audio --model mel"
OTHER = "the renderer is not the one the motion model was trained with"
ZS = "expected (T frames, Z values)"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    model = MotionModel(PRESETS["tiny"])
    torch.nn.init.normal_(model.out_proj.weight)
    write_checkpoint("motion.safetensors", Checkpoint(MOTION, model.config.to_json(), model.state_dict()))
    write_array("speech.npy", dummy_speech(20))
    write_array("latents.npy", dummy_latents(100))
    return tmp_path


def dd_generate(*arguments: object, **streams: bytes):
    return call("dd-generate", "--motion", "motion.safetensors", "--device", "cpu", "-q", *arguments, **streams)


@pytest.mark.parametrize(
    ("options", "references"),
    [(["--references", 5], [0, 25, 50, 74, 99]), (["--references", 1], [0]), (["--references", 500], range(100))],
)
def test_motion_is_that_of_the_library_with_references_from_all_over_the_file(options, references):
    assert dd_generate("speech.npy", "-o", "motion.npy", "--reference", "latents.npy", *options) == (0, "", "")
    model = load_motion_model("motion.safetensors")
    expected = generate(model, np.load("speech.npy"), np.load("latents.npy")[list(references)])
    motion = np.load("motion.npy")
    assert motion.dtype == np.float32
    np.testing.assert_allclose(motion, expected, atol=1e-5)


def test_a_model_of_the_authors_is_shown_the_first_latents():
    model = MotionModel(replace(PRESETS["tiny"], residual=False))
    write_checkpoint("motion.safetensors", Checkpoint(MOTION, model.config.to_json(), model.state_dict()))
    dd_generate("speech.npy", "-o", "motion.npy", "--reference", "latents.npy", "--references", 9)
    expected = generate(load_motion_model("motion.safetensors"), np.load("speech.npy"), np.load("latents.npy")[:9])
    np.testing.assert_allclose(np.load("motion.npy"), expected, atol=1e-5)


def test_expression_scales_the_motion_about_its_mean():
    for name, options in (("still.npy", ["--expression", 0]), ("twice.npy", ["--expression", 2]), ("once.npy", [])):
        dd_generate("speech.npy", "-o", name, "--reference", "latents.npy", *options)
    once = np.load("once.npy")
    mean = once.mean(0)
    np.testing.assert_allclose(np.load("still.npy"), np.tile(mean, (20, 1)), atol=1e-5)
    np.testing.assert_allclose(np.load("twice.npy") - mean, 2 * (once - mean), atol=1e-5)


def test_speech_comes_and_motion_goes_through_pipes():
    dd_generate("speech.npy", "-o", "motion.npy", "--reference", "latents.npy")
    outcome = dd_generate("-", "-o", "-", "--reference", "latents.npy", stdin=Path("speech.npy").read_bytes())
    assert outcome == (0, Path("motion.npy").read_bytes().decode(errors="replace"), "")


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["wide.npy"], 1, f"'wide.npy' holds 1 layers of 90 features, {TAKES} 1 of 80: {AGAIN}"),
        (["latents.npy"], 1, "cannot read 'latents.npy': shape (100, 16), expected (L layers, T frames, D features)"),
        (["nan.npy"], 1, "cannot read 'nan.npy': holds NaN or infinite values"),
        (["text.npy"], 1, "cannot read 'text.npy': not an NPY array file, or truncated"),
        (["half.npy"], 1, "cannot read 'half.npy': not an NPY array file, or truncated"),
        (["no.npy"], 1, "cannot read 'no.npy': no such file"),
        (["speech.npy", "--reference", "other.npy"], 1, f"'other.npy' holds latents of 8 values, {TAKES} 16: {OTHER}"),
        (["speech.npy", "--reference", "speech.npy"], 1, f"cannot read 'speech.npy': shape (1, 40, 80), {ZS}"),
        (["speech.npy", "-o", "speech.npy"], 2, "'speech.npy' is both input and output"),
        (["speech.npy", "-o", "latents.npy"], 2, "'latents.npy' is both input and output"),
        (["speech.npy", "-o", "no/motion.npy"], 1, "cannot write 'no/motion.npy': folder 'no' does not exist"),
        (["speech.npy", "--motion", "latents.npy"], 1, "cannot read 'latents.npy': not a safetensors file"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(arguments, status, complaint):
    write_array("wide.npy", dummy_speech(20, width=90))
    write_array("nan.npy", np.full((1, 4, 80), np.nan, np.float16))
    write_array("other.npy", dummy_latents(5, 8))
    with open("text.npy", "w") as text:
        text.write("speech")
    with open("speech.npy", "rb") as whole, open("half.npy", "wb") as half:
        half.write(whole.read()[:1000])
    before = {name: os.stat(name).st_mtime_ns for name in os.listdir()}
    outcome = dd_generate("-o", "motion.npy", "--reference", "latents.npy", *arguments)
    assert outcome == (status, "", f"dd-generate: {complaint}\n")
    assert {name: os.stat(name).st_mtime_ns for name in os.listdir()} == before
