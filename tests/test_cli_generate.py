"""dd-generate from the command line, with motion models of both kinds."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from both_kinds import fitting_latents, of_both_kinds
from commands import call
from factories import dummy_latents, dummy_motion_model, dummy_speech, dummy_warp_motion_model
from tiny_warp import DOWN, tiny_motion_network

from dd_tools.formats.arrays import write_array
from dd_tools.formats.checkpoint import MOTION, Checkpoint, write_checkpoint
from dd_tools.pipeline.models import load_motion_model

AGAIN = "make it with dd-audio --model mel"
OTHER = "the renderer is not the one that the motion model was trained with"
ZS = "expected (T frames, Z values)"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Weights, speech of 20 latents, and 100 latents of a speaker, of both kinds."""
    monkeypatch.chdir(tmp_path)
    dummy_motion_model(Path("diffdub.safetensors"))
    dummy_warp_motion_model(Path("warp.safetensors"))
    write_array("speech.npy", dummy_speech(20))
    for kind in ("diffdub", "warp"):
        write_array(f"{kind}.npy", fitting_latents(kind, 100))


def dd_generate(kind: str, *arguments: object, **streams: bytes):
    options = ("--motion", f"{kind}.safetensors", "--reference", f"{kind}.npy", "--device", "cpu", "-q")
    return call("dd-generate", *options, *arguments, **streams)


@pytest.mark.parametrize(
    ("kind", "options", "references"),
    [
        ("warp", ["--references", 5], [0, 25, 50, 74, 99]),
        ("warp", ["--references", 1], [0]),
        ("warp", ["--references", 500], range(100)),
        ("diffdub", ["--references", 9], range(9)),
        ("diffdub", ["--references", 1], [0]),
        ("diffdub", [], range(75)),
    ],
)
def test_motion_is_that_of_the_library_with_these_references(kind, options, references):
    """From all over the file, or the first ones as the authors take them."""
    assert dd_generate(kind, "speech.npy", "-o", "motion.npy", *options) == (0, "", "")
    model = load_motion_model(f"{kind}.safetensors")
    chosen = np.load(f"{kind}.npy")[list(references)]
    expected = model.generate(np.load("speech.npy"), chosen)
    motion = np.load("motion.npy")
    assert motion.dtype == np.float32
    np.testing.assert_allclose(motion, expected, atol=1e-5)


def test_expression_reaches_the_warp_model():
    network = tiny_motion_network()
    network.aperture_direction.copy_(torch.from_numpy(DOWN))
    write_checkpoint("warp.safetensors", Checkpoint(MOTION, "warp", network.config.to_json(), network.state_dict()))
    model = load_motion_model("warp.safetensors")
    reference = np.load("warp.npy")[model.choose_references(100, 75)]
    motions = [model.generate(np.load("speech.npy"), reference)]
    for expression in (0.3, 2.0):
        options = ["--expression", expression]
        assert dd_generate("warp", "speech.npy", "-o", "motion.npy", *options) == (0, "", "")
        motions.append(np.load("motion.npy"))
        expected = model.generate(np.load("speech.npy"), reference, expression=expression)
        np.testing.assert_allclose(motions[-1], expected, atol=1e-5)
    for one, other in itertools.combinations(motions, 2):
        assert np.abs(one - other).max() > 1e-2


def test_a_model_of_the_paper_has_no_expression():
    outcome = dd_generate("diffdub", "speech.npy", "-o", "motion.npy", "--expression", "0.5")
    assert outcome == (2, "", "dd-generate: this motion model has no option --expression\n")
    assert not Path("motion.npy").exists()


@pytest.mark.parametrize("command", ["dd-generate", "dd-dub"])
def test_the_option_follow_syllables_of_earlier_versions_is_refused(command):
    outcome = call(command, "a", "b", "-o", "motion.npy", "--follow-syllables", "0.5")
    assert (outcome.status, outcome.output) == (2, "") and "--follow-syllables" in outcome.errors
    assert not Path("motion.npy").exists()


@of_both_kinds
def test_speech_comes_and_motion_goes_through_pipes(kind):
    dd_generate(kind, "speech.npy", "-o", "motion.npy")
    outcome = dd_generate(kind, "-", "-o", "-", stdin=Path("speech.npy").read_bytes())
    assert outcome == (0, Path("motion.npy").read_bytes().decode(errors="replace"), "")


@of_both_kinds
@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["wide.npy"], 1, "'wide.npy' holds 1 layers of 90 features, '{weights}' takes 1 of 80: " + AGAIN),
        (["{latents}"], 1, "cannot read '{latents}': shape (100, {z}), expected (L layers, T frames, D features)"),
        (["nan.npy"], 1, "cannot read 'nan.npy': holds NaN or infinite values"),
        (["text.npy"], 1, "cannot read 'text.npy': not an NPY array file, or truncated"),
        (
            ["half.npy"],
            1,
            "cannot read 'half.npy': not an NPY array file, or truncated (872 bytes of values, 6400 expected)",
        ),
        (["no.npy"], 1, "cannot read 'no.npy': no such file"),
        (["speech.npy", "--dtype", "fp8"], 2, "unknown dtype 'fp8', expected auto, fp32, bf16, fp16"),
        (["speech.npy", "--device", "gpu"], 2, "unknown device 'gpu', expected auto, cpu, cuda, mps or cuda:N"),
        (
            ["speech.npy", "--reference", "other.npy"], 1,
            "'other.npy' holds latents of 8 values, '{weights}' takes {z}: " + OTHER,
        ),
        (["speech.npy", "--reference", "speech.npy"], 1, "cannot read 'speech.npy': shape (1, 40, 80), " + ZS),
        (["speech.npy", "-o", "speech.npy"], 2, "'speech.npy' is both input and output"),
        (["speech.npy", "-o", "{latents}"], 2, "'{latents}' is both input and output"),
        (["speech.npy", "-o", "no/motion.npy"], 1, "cannot write 'no/motion.npy': folder 'no' does not exist"),
        (["speech.npy", "--motion", "{latents}"], 1, "cannot read '{latents}': not a safetensors file"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(kind, arguments, status, complaint):
    names = {"weights": f"{kind}.safetensors", "latents": f"{kind}.npy", "z": {"diffdub": 16, "warp": 66}[kind]}
    write_array("wide.npy", dummy_speech(20, width=90))
    write_array("nan.npy", np.full((1, 4, 80), np.nan, np.float16))
    write_array("other.npy", dummy_latents(5, 8))
    Path("text.npy").write_text("speech")
    Path("half.npy").write_bytes(Path("speech.npy").read_bytes()[:1000])
    before = {name: os.stat(name).st_mtime_ns for name in os.listdir()}
    outcome = dd_generate(kind, "-o", "motion.npy", *(argument.format(**names) for argument in arguments))
    assert outcome == (status, "", f"dd-generate: {complaint.format(**names)}\n")
    assert {name: os.stat(name).st_mtime_ns for name in os.listdir()} == before


def test_latents_of_another_renderer_of_the_same_width_are_refused():
    write_array("other.npy", dummy_latents(20, 66))
    outcome = dd_generate("warp", "speech.npy", "-o", "motion.npy", "--reference", "other.npy")
    assert outcome.status == 1 and outcome.errors.count("\n") == 1
    assert "'other.npy' does not end in the landmarks of a frontal face" in outcome.errors
