"""Speech features and reference latents to motion, with either kind of model, and what does not fit."""

import numpy as np
import pytest
import torch
from both_kinds import fitting_latents, of_both_kinds, tiny_motion_model
from factories import dummy_latents, dummy_lips, dummy_motion_model, dummy_speech, dummy_warp_motion_model

from dd_tools.diffdub.motion_network import MotionNetwork
from dd_tools.diffdub.motion_training import PRESETS
from dd_tools.errors import DataError, UsageError
from dd_tools.formats.checkpoint import MOTION, read_checkpoint, write_checkpoint
from dd_tools.pipeline.generate import generate_from, generate_motion
from dd_tools.pipeline.models import load_motion_model

NAMES = ("s.npy", "r.npy", "m.safetensors")


@of_both_kinds
@pytest.mark.parametrize("references", [1, 5, 500])
def test_the_references_that_the_model_chooses_are_used(kind, references):
    model = tiny_motion_model(kind)
    speech, latents = dummy_speech(20), fitting_latents(kind, 100)
    chosen = latents[model.choose_references(100, references)]
    assert len(chosen) == min(references, 100)
    motion = generate_motion(model, speech, latents, references=references)
    assert (motion.shape, motion.dtype) == ((20, model.z_size), np.float32)
    np.testing.assert_array_equal(motion, generate_from(model, speech, chosen, names=NAMES))


@pytest.mark.parametrize(("dtype", "limit"), [("bf16", 2e-2), ("fp16", 3e-3)])
@of_both_kinds
def test_half_precision_generates_nearly_the_same(kind, dtype, limit):
    """By a network as it is before training; the weights of the tiny diffdub model magnify every rounding."""
    torch.manual_seed(0)
    network = tiny_motion_model("warp").network if kind == "warp" else MotionNetwork(PRESETS["tiny"].config)
    model_class = type(tiny_motion_model(kind))
    motions = [
        generate_motion(model_class(network, "cpu", one), dummy_speech(60), fitting_latents(kind, 30))
        for one in ("fp32", dtype)
    ]
    assert motions[1].dtype == np.float32
    assert 0 < np.abs(motions[1] - motions[0]).max() < limit * np.abs(motions[0]).max()


@of_both_kinds
def test_options_that_are_not_given_are_the_models(kind):
    model = tiny_motion_model(kind)
    speech, latents = dummy_speech(20), fitting_latents(kind, 100)
    motion = generate_motion(model, speech, latents, expression=None)
    np.testing.assert_array_equal(motion, generate_motion(model, speech, latents))


def test_a_warp_model_has_an_expression():
    model, speech, latents = tiny_motion_model("warp"), dummy_speech(20), fitting_latents("warp", 9)
    plain, still = generate_motion(model, speech, latents), generate_motion(model, speech, latents, expression=0.0)
    assert still.std(0).max() < plain.std(0).max()


@pytest.mark.parametrize(
    ("kind", "option"),
    [("diffdub", "expression"), ("diffdub", "steps"), ("warp", "steps"), ("warp", "follow_syllables")],
)
def test_options_that_the_model_does_not_have_are_refused(kind, option):
    with pytest.raises(UsageError, match=f"^this motion model has no option --{option.replace('_', '-')}$"):
        generate_motion(tiny_motion_model(kind), dummy_speech(9), fitting_latents(kind, 9), **{option: 0.5})


@pytest.mark.parametrize(
    ("kind", "speech", "latents", "complaint"),
    [
        (
            "warp", dummy_speech(20, width=24), dummy_lips(5, 66),
            "'s.npy' holds 1 layers of 24 features, 'm.safetensors' takes 1 of 80: make it with dd-audio --model mel",
        ),
        (
            "diffdub", dummy_speech(20, layers=2), dummy_latents(5),
            "'s.npy' holds 2 layers of 80 features, 'm.safetensors' takes 1 of 80",
        ),
        (
            "diffdub", dummy_speech(20), dummy_latents(5, 8),
            "'r.npy' holds latents of 8 values, 'm.safetensors' takes 16: the renderer is not the one that",
        ),
        (
            "warp", dummy_speech(20), dummy_latents(5, 66),
            "'r.npy' does not end in the landmarks of a frontal face, which 'm.safetensors' needs: make it anew",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(kind, speech, latents, complaint):
    with pytest.raises(DataError, match=complaint):
        generate_motion(tiny_motion_model(kind), speech, latents, names=NAMES)


@pytest.mark.parametrize("make", [dummy_motion_model, dummy_warp_motion_model])
def test_weights_that_need_a_speech_model_of_earlier_versions_say_which(tmp_path, make):
    path = make(tmp_path / "old.safetensors")
    checkpoint = read_checkpoint(path, MOTION)
    checkpoint.config |= {"speech_model": "moonshine", "speech_width": 289}
    write_checkpoint(path, checkpoint)
    with pytest.raises(DataError, match=r"cannot use '.*old.safetensors': speech model 'moonshine' is no longer part"):
        load_motion_model(path)
