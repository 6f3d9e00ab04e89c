"""dd-train-seq: what it learns, what it notes, and what it refuses."""

import re

import numpy as np
import pytest
import torch
from commands import call
from factories import dummy_latents, dummy_lips, dummy_motion_model, dummy_pairs, dummy_renderer, dummy_speech

from dd_tools.diffdub.motion_data import MotionData
from dd_tools.diffdub.motion_training import PRESETS
from dd_tools.formats.arrays import write_array
from dd_tools.formats.checkpoint import MOTION, read_checkpoint
from dd_tools.pipeline.models import load_motion_model
from dd_tools.training.sequences import read_all_sequences

PAPER = PRESETS["paper"].config


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Folders ``latents`` and ``speech`` of the clips a, b and c; we are in their parent."""
    monkeypatch.chdir(tmp_path)
    dummy_pairs(tmp_path)
    return tmp_path


def train(*arguments: object):
    return call("dd-train-seq", "--speech", "speech", "--device", "cpu", "-q", *arguments)


@pytest.fixture
def lips(folders):
    """The same folders, where latents end in the landmarks of a face, as warp renderers make them."""
    for index, name in enumerate("abc"):
        write_array(folders / "latents" / f"{name}.npy", dummy_lips(30 + index, 66))
    return folders


def test_a_model_is_trained_and_its_file_tells_on_what(folders):
    options = "--preset", "tiny", "--steps", 2, "--exclude", "out.txt"
    outcome = train("latents", "-o", "motion.safetensors", *options)
    assert outcome.status == 1 and "cannot read 'out.txt'" in outcome.errors
    (folders / "out.txt").write_text("b\n")
    assert train("latents", "-o", "motion.safetensors", *options) == (0, "", "")
    checkpoint = read_checkpoint("motion.safetensors", MOTION)
    assert (checkpoint.kind, checkpoint.config["speech_model"]) == ("diffdub", "mel")
    assert checkpoint.training["clips"] == ["a", "c"]
    motion = load_motion_model("motion.safetensors").generate(dummy_speech(10), dummy_latents(2))
    assert motion.shape == (10, 16) and np.isfinite(motion).all()


def test_a_warp_motion_model_is_trained_on_latents_with_landmarks(lips):
    assert train("latents", "-o", "motion.safetensors", "--preset", "tiny-warp", "--steps", 2) == (0, "", "")
    checkpoint = read_checkpoint("motion.safetensors", MOTION)
    assert (checkpoint.kind, checkpoint.training["silence"]) == ("warp", True)
    motion = load_motion_model("motion.safetensors").generate(dummy_speech(10), dummy_lips(2, 66))
    assert motion.shape == (10, 66) and np.isfinite(motion).all()


def changes(*options: object, preset: str) -> tuple[dict, bool]:
    """What options change in the notes of a training, and whether they change what is learnt."""
    common = "latents", "--preset", preset, "--steps", 3
    assert train(*common, "-o", "plain.safetensors").status == 0
    assert train(*common, "-o", "other.safetensors", *options).status == 0
    plain, other = (read_checkpoint(f"{name}.safetensors", MOTION) for name in ("plain", "other"))
    noted = {name: value for name, value in other.training.items() if plain.training[name] != value}
    return noted, any((plain.tensors[name] != other.tensors[name]).any() for name in plain.tensors)


def test_delays_change_what_is_learnt_and_are_noted(folders):
    (folders / "late.tsv").write_text("b\t2\nunknown\t1\n")
    assert changes("--delays", "late.tsv", preset="tiny") == ({"delays": {"b": 2}}, True)


def test_augmentation_is_the_warp_models_alone(lips):
    """The paper augments nothing in stage 2, so there --no-augment is noted and changes nothing."""
    assert changes("--no-augment", preset="tiny-warp") == ({"augment": False, "silence": False}, True)
    assert changes("--no-augment", preset="tiny") == ({"augment": False}, False)


def test_names_of_no_clip_are_reported(folders):
    (folders / "late.tsv").write_text("b\t2\n" + "".join(f"b{n}\t1\n" for n in range(4)))
    (folders / "speakers.tsv").write_text("a\tone\nb\tone\nc\ttwo\n")
    outcome = call(
        "dd-train-seq", "latents/b.npy", "latents/a.npy", "latents/c.npy", "--speech", "speech", "--device", "cpu",
        "-o", "m.safetensors", "--preset", "tiny", "--steps", 1, "--delays", "late.tsv", "--speakers", "speakers.tsv",
    )  # fmt: skip
    assert outcome.status == 0
    assert "'late.tsv': 4 of 5 names match no clip: b0, b1, b2 ...\n" in outcome.errors
    assert "speakers.tsv" not in outcome.errors


def test_training_starts_from_other_weights(lips):
    for preset in ("tiny", "tiny-warp"):
        assert train("latents", "-o", "first.safetensors", "--preset", preset, "--steps", 1).status == 0
        start = read_checkpoint("first.safetensors", MOTION)
        options = "--init", "first.safetensors", "--steps", 1, "--learning-rate", 1e-9
        assert train("latents/a.npy", "-o", "second.safetensors", *options) == (0, "", "")
        end = read_checkpoint("second.safetensors", MOTION)
        assert (end.kind, end.config) == (start.kind, start.config)
        for name, tensor in start.tensors.items():
            if "conv_module.norm" not in name:  # statistics of batches are always updated
                torch.testing.assert_close(end.tensors[name], tensor, atol=1e-6, rtol=0)


def test_one_step_of_the_paper_preset(folders):
    """Its sizes at the ends come from the data, so a log-mel ablation is one option."""
    options = "--preset", "paper", "--speech-model", "mel", "--steps", 1, "--batch-size", 1
    assert train("latents", "-o", "motion.safetensors", *options) == (0, "", "")
    config = read_checkpoint("motion.safetensors", MOTION).config
    assert (config["width"], config["speech_model"], config["z_size"]) == (512, "mel", 16)


def test_one_step_of_the_paper_preset_on_the_authors_layout(folders):
    """All layers of a HuBERT-large, 10 s as target, the 3 s after them as references, the test clips kept out."""
    for name in ("RD_Radio1_000", "RD_Radio34_006"):
        write_array(f"latents/{name}.npy", dummy_latents(325, z_size=512))
        write_array(f"speech/{name}.npy", dummy_speech(325, layers=25, width=1024))
    (folders / "test-ids.txt").write_text("a\nb\nc\nRD_Radio34_006\n")
    options = "--preset", "paper", "--steps", 1, "--batch-size", 1, "--exclude", "test-ids.txt"
    assert train("latents", "-o", "motion.safetensors", *options) == (0, "", "")
    checkpoint = read_checkpoint("motion.safetensors", MOTION)
    assert checkpoint.training["clips"] == ["RD_Radio1_000"]
    assert checkpoint.config == PAPER.to_json()
    clips = read_all_sequences([folders / "latents/RD_Radio1_000.npy"], folders / "speech")
    sample = MotionData(clips, PAPER, {}).batch(torch.Generator().manual_seed(0), 1)
    latents = torch.from_numpy(dummy_latents(325, z_size=512))
    assert torch.equal(sample["target"][0], latents[:250]) and torch.equal(sample["reference"][0], latents[250:])
    assert sample["speech"].shape == (1, 25, 500, 1024)


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["latents", "-o", "m.safetensors"], 2, "speech has 1 layers of 80 features, whisper makes 5 of 385"),
        (["latents", "-o", "no/m.safetensors", "--preset", "tiny"], 1, "folder 'no' does not exist"),
        (["latents", "-o", "m.safetensors", "--preset", "huge"], 2, "unknown preset 'huge'"),
        (["latents", "-o", "m.safetensors", "--preset", "tiny", "--dtype", "int"], 2, "unknown dtype 'int'"),
        (
            ["latents", "-o", "m.safetensors", "--preset", "tiny", "--data-fraction", 0],
            2,
            "data fraction must be above 0",
        ),
        (["latents/d.npy", "-o", "m.safetensors", "--preset", "tiny"], 1, "no speech features in 'speech' for 1 of 1"),
        (["speech", "-o", "m.safetensors", "--preset", "tiny"], 1, r"'speech/a.npy': shape \(1, 60, 80\), expected"),
        ([".", "-o", "m.safetensors", "--preset", "tiny"], 1, r"nothing to train on: no \*.npy among the inputs"),
        (
            ["latents", "-o", "m.safetensors", "--init", "no.safetensors"],
            1,
            "cannot read 'no.safetensors': no such file",
        ),
        (
            ["latents", "-o", "m.safetensors", "--init", "diffdub.safetensors", "--speech-model", "mel"],
            2,
            "--init determines the speech model; leave out --speech-model",
        ),
        (
            ["latents", "-o", "m.safetensors", "--init", "diffdub.safetensors", "--preset", "warp"],
            2,
            "holds a diffdub motion model, preset 'warp' is of another kind",
        ),
        (
            ["latents", "-o", "m.safetensors", "--init", "renderer.safetensors"],
            1,
            "'renderer.safetensors': it holds a renderer, expected a motion model",
        ),
        (["latents", "-o", "m.safetensors", "--preset", "tiny-warp"], 2, "latents of 'a' do not end in the landmarks"),
    ],
)
def test_what_cannot_be_trained_on_is_one_line(folders, arguments, status, complaint):
    dummy_motion_model(folders / "diffdub.safetensors")
    dummy_renderer(folders / "renderer.safetensors")
    outcome = train(*arguments)
    assert (outcome.status, outcome.output) == (status, "")
    assert re.search(complaint, outcome.errors)
    assert outcome.errors.count("\n") == 1
    assert not (folders / "m.safetensors").exists()
