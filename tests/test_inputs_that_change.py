"""An input that is replaced while a command reads it: one line, and no output made of two versions."""

import importlib
import os
import shutil
from pathlib import Path

import pytest
from factories import DummyDetector
from studio import MODELS, call_in

# Command line, the input that changes, and the function before whose call it does.
CASES = [
    ("dd-prep portrait.png -o out/x.h5 --size 32", "portrait.png", "dd_tools.face.cutting.read_frames"),
    ("dd-prep portrait.png --list-faces out/x.png", "portrait.png", "dd_tools.face.preparation.find_all_faces"),
    ("dd-audio voice.wav --model mel -o out/x.npy", "voice.wav", "dd_tools.speech.extraction.fit_length"),
    (
        "dd-render clip.h5 --latents latents.npy --renderer r.safetensors --audio voice.wav -o out/x.mp4",
        "voice.wav",
        "dd_tools.pipeline.output.join",
    ),
    (
        "dd-render clip.h5 --latents latents.npy --renderer r.safetensors -o out/%d.png",
        "portrait.png",
        "dd_tools.pipeline.output.write_image_sequence",
    ),
    (f"dd-dub portrait.png voice.wav {MODELS} -o out/x.mp4", "portrait.png", "dd_tools.pipeline.output.join"),
    ("dd-eval true.mp4 --truth other.mp4 --json out/x.json", "other.mp4", "dd_tools.evaluation.scoring.pair_frames"),
]


@pytest.mark.parametrize(("line", "name", "function"), CASES, ids=lambda text: text.split()[0])
def test_an_input_that_is_replaced_meanwhile_is_one_line(studio, monkeypatch, line, name, function):
    shutil.copy(studio / "true.mp4", studio / "other.mp4")
    module, _, attribute = function.rpartition(".")
    original = getattr(importlib.import_module(module), attribute)

    def after_a_change(*arguments, **options):
        shutil.copy(studio / name, studio / "copy")
        os.replace(studio / "copy", studio / name)
        return original(*arguments, **options)

    monkeypatch.setattr("dd_tools.evaluation.run.has_audio", lambda path: False)
    if line.startswith("dd-eval"):
        monkeypatch.setattr("dd_tools.face.detectors.registry.open_detector", lambda name, **options: DummyDetector())
    with monkeypatch.context() as patch:
        patch.setattr(function, after_a_change)
        outcome = call_in(studio, f"{line} -q")
    assert outcome.status == 1
    assert f"'{name}' changed while it was used; run the command again" in outcome.errors
    summary = line.startswith("dd-eval")
    assert outcome.errors.count("\n") == 1 + summary, outcome.errors
    if "%d" not in line:  # the images have their names already
        assert not Path(studio, "out", "x").with_suffix(Path(line.split()[-1]).suffix).exists()
