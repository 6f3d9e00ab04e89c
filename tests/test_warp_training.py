"""What training of warp models starts from: configurations that fit the data, statistics, silence."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from factories import dummy_clip, dummy_latents, dummy_lips, dummy_speech
from tiny_warp import MOTION, RENDERER

from dd_tools.errors import UsageError
from dd_tools.face.settings import PrepSettings
from dd_tools.formats.clip import Framing
from dd_tools.reporting import Silent
from dd_tools.training.sequences import ClipSequences
from dd_tools.warp import motion_training, renderer_training


class Notes(Silent):
    def __init__(self):
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def test_a_configuration_gets_its_ends_from_the_data():
    clip = ClipSequences("clip", dummy_lips(9, 70), dummy_speech(9, 3, 5))
    config = motion_training.configure(MOTION, clip, "./hubert")
    assert (config.speech_model, config.speech_layers, config.speech_width, config.z_size) == ("./hubert", 3, 5, 70)
    assert config == replace(MOTION, speech_model="./hubert", speech_layers=3, speech_width=5, z_size=70)


@pytest.mark.parametrize("z_size", [16, 66, 128])
def test_latents_without_landmarks_are_refused(z_size):
    clip = ClipSequences("clip", dummy_latents(20, z_size), dummy_speech(20))
    with pytest.raises(UsageError, match=r"latents of 'clip' do not end in the landmarks .*: .*--preset"):
        motion_training.configure(MOTION, clip, "mel")


def motion_task(notes: Notes, speech_model: str = "mel", width: int = 80, **options):
    clip = ClipSequences("clip", dummy_lips(60, 66), dummy_speech(60, width=width))
    network = motion_training.new_network(replace(MOTION, speech_model=speech_model, speech_width=width))
    return motion_training.motion_task(network, [clip], speakers={}, report=notes, **options), network, clip


def test_training_teaches_silence_and_sets_the_statistics_of_a_new_network():
    notes = Notes()
    task, network, clip = motion_task(notes)
    assert notes.lines == [] and task.checkpoint.training["silence"] is True
    assert "silence" in task.data.batch(torch.Generator().manual_seed(0), 2)
    np.testing.assert_allclose(network.latent_mean, clip.latents.mean(0), atol=1e-5)
    assert (task.checkpoint.stage, task.checkpoint.kind) == ("motion model", "warp")


def test_a_network_that_is_trained_on_keeps_its_statistics():
    _, network, _ = motion_task(Notes(), is_new=False)
    assert (network.latent_mean == 0).all() and (network.latent_std == 1).all()


@pytest.mark.parametrize(
    ("speech_model", "width", "complaint"),
    [("./gone", 80, "training without silence: "), ("mel", 5, "training without silence: the speech features are not")],
)
def test_where_silence_cannot_be_made_training_says_so_and_goes_on(speech_model, width, complaint):
    notes = Notes()
    task, _, _ = motion_task(notes, speech_model, width)
    assert len(notes.lines) == 1 and notes.lines[0].startswith(complaint)
    assert task.checkpoint.training["silence"] is False
    assert "silence" not in task.data.batch(torch.Generator().manual_seed(0), 2)
    unaugmented = Notes()
    assert motion_task(unaugmented, speech_model, width, augment=False)[0].checkpoint.training["silence"] is False
    assert unaugmented.lines == []


def test_a_renderer_is_trained_on_clips_of_its_framing(tmp_path):
    network = renderer_training.new_network(RENDERER)
    task = renderer_training.renderer_task(network, [dummy_clip(tmp_path / "clip.h5")], speakers={}, keep_encoder=True)
    assert (task.checkpoint.stage, task.checkpoint.kind) == ("renderer", "warp")
    assert type(RENDERER).from_json(task.checkpoint.config) == RENDERER
    assert not any(parameter.requires_grad for parameter in network.encoder.parameters())
    assert task.objective(task.data.prepare(task.data.batch(torch.Generator().manual_seed(0), 2))) > 0


def test_the_default_preset_takes_clips_as_dd_prep_makes_them_and_other_multiples_of_96():
    made, framing = PrepSettings(), renderer_training.PRESETS["warp"].config.framing
    assert framing == Framing(made.size, made.crop, made.mask, unit=96)
    sizes = [size for size in range(1, 400) if framing.accepts(replace(framing, size=size))]
    assert sizes == [96, 192, 288, 384]


@pytest.mark.parametrize("preset", ["warp", "tiny-warp"])
def test_presets_of_both_stages_fit_each_other(preset):
    assert renderer_training.PRESETS[preset].config.z_size == motion_training.PRESETS[preset].config.z_size
