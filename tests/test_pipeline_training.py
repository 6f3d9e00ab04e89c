"""What a training starts from: presets, weights of either kind, and options that fit it."""

from dataclasses import replace

import pytest
import torch
from factories import (
    dummy_clip,
    dummy_latents,
    dummy_lips,
    dummy_motion_model,
    dummy_renderer,
    dummy_speech,
    dummy_trunk,
    dummy_warp_motion_model,
    dummy_warp_renderer,
)

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.checkpoint import MOTION, RENDERER, read_checkpoint, write_checkpoint
from dd_tools.pipeline.training import (
    PRESETS,
    motion_training,
    renderer_training,
    set_up_motion_training,
    set_up_renderer_training,
    with_choices,
)
from dd_tools.training.sequences import ClipSequences
from dd_tools.training.settings import TrainingSettings


def dummy_sequences(z_size: int = 16, speech=(1, 80)) -> list[ClipSequences]:
    latents = dummy_latents(20, z_size) if z_size < 66 else dummy_lips(20, z_size)
    return [ClipSequences("a", latents, dummy_speech(20, *speech))]


@pytest.fixture
def clip(tmp_path):
    return dummy_clip(tmp_path / "a.h5")


def test_both_stages_have_the_same_presets():
    for kind in ("diffdub", "warp"):
        assert list(renderer_training(kind).PRESETS) == list(motion_training(kind).PRESETS)
    assert sorted(PRESETS) == ["paper", "small", "tiny", "tiny-warp", "warp"]


def test_the_paper_is_trained_as_the_authors_did():
    """Adam at a constant rate of 1e-4, no weight decay, gradients clipped at 1, a moving average of 0.9999."""
    for room in (renderer_training("diffdub"), motion_training("diffdub")):
        settings = room.PRESETS["paper"].settings
        assert (settings.learning_rate, settings.warmup, settings.decay) == (1e-4, 0, 0)
        assert (settings.weight_decay, settings.clip, settings.ema) == (0, 1, 0.9999)


def test_motion_presets_take_the_latents_of_their_renderers():
    for kind in ("diffdub", "warp"):
        for name, preset in motion_training(kind).PRESETS.items():
            assert preset.config.z_size == renderer_training(kind).PRESETS[name].config.z_size


def test_the_seed_decides_the_weights_of_a_new_network(clip):
    def weight(seed):
        return set_up_renderer_training([clip], preset="tiny", seed=seed)[0].objective.model.input_blocks[0][0].weight

    assert torch.equal(weight(3), weight(3)) and not torch.equal(weight(3), weight(4))


@pytest.mark.parametrize(
    ("preset", "kind", "make"), [("tiny", "diffdub", dummy_renderer), ("tiny-warp", "warp", dummy_warp_renderer)]
)
def test_weights_decide_kind_and_sizes_and_a_preset_only_the_settings(tmp_path, clip, preset, kind, make):
    weights = make(tmp_path / "r.safetensors", blocks=2)
    for chosen in (None, preset):
        task, settings = set_up_renderer_training([clip], preset=chosen, init=weights)
        assert (task.checkpoint.kind, task.checkpoint.config["blocks"]) == (kind, 2)
        assert task.checkpoint.training["init"] == "r.safetensors"
        presets = renderer_training(kind).PRESETS
        assert settings == presets[chosen or next(iter(presets))].settings
        start = read_checkpoint(weights, RENDERER).tensors
        assert all(torch.equal(tensor, start[name]) for name, tensor in task.objective.model.state_dict().items())


@pytest.mark.parametrize(("preset", "make"), [("tiny-warp", dummy_renderer), ("tiny", dummy_warp_renderer)])
def test_weights_of_one_kind_and_a_preset_of_another_are_refused(tmp_path, clip, preset, make):
    weights = make(tmp_path / "r.safetensors")
    kind = read_checkpoint(weights, RENDERER).kind
    with pytest.raises(UsageError, match=rf"r.safetensors' holds a {kind} renderer, preset '{preset}' is of another"):
        set_up_renderer_training([clip], preset=preset, init=weights)


def test_the_same_holds_for_motion_models(tmp_path):
    for preset, make in (("tiny-warp", dummy_motion_model), ("tiny", dummy_warp_motion_model)):
        weights = make(tmp_path / "m.safetensors")
        with pytest.raises(UsageError, match=rf"holds a \w+ motion model, preset '{preset}' is of another kind"):
            set_up_motion_training(dummy_sequences(66), preset=preset, init=weights)


def test_unknown_presets_and_kinds_are_refused(tmp_path, clip):
    for run, given in ((set_up_renderer_training, [clip]), (set_up_motion_training, dummy_sequences())):
        with pytest.raises(UsageError, match="unknown preset 'huge', expected paper, small, tiny, warp, tiny-warp"):
            run(given, preset="huge")
    weights = dummy_renderer(tmp_path / "r.safetensors")
    write_checkpoint(weights, replace(read_checkpoint(weights, RENDERER), kind="gan"))
    with pytest.raises(DataError, match="unknown kind of model 'gan', expected diffdub or warp"):
        set_up_renderer_training([clip], init=weights)


def test_options_of_the_other_kind_are_refused(tmp_path, clip):
    with pytest.raises(UsageError, match="training of a diffdub renderer has no option --perceptual"):
        set_up_renderer_training([clip], preset="tiny", perceptual=tmp_path / "missing.pth")
    images = torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    network = dummy_trunk(tmp_path / "trunk.pth").eval()
    task, _ = set_up_renderer_training([clip], preset="tiny-warp", perceptual=tmp_path / "trunk.pth")
    torch.testing.assert_close(task.objective.perceptual(*images), network(*images).flatten())
    assert task.checkpoint.training["perceptual"] is True


def test_what_was_chosen_is_noted(clip):
    task, _ = set_up_renderer_training([clip], preset="tiny", eyes=False, augment=False)
    assert task.checkpoint.training == {
        "clips": ["a"], "speakers": {}, "augment": False, "keep_encoder": False, "init": None,
    }  # fmt: skip
    assert task.checkpoint.config["eyes"] is False and task.objective.model.config.eyes is False


@pytest.mark.parametrize("preset", ["tiny", "tiny-warp"])
def test_without_eyes_only_the_face_image_changes(clip, preset):
    networks = [set_up_renderer_training([clip], preset=preset, eyes=eyes)[0].objective.model for eyes in (True, False)]
    assert networks[1].config == replace(networks[0].config, eyes=False)
    assert networks[0].config.eyes is True


def test_a_motion_model_takes_its_ends_from_the_data():
    task, _ = set_up_motion_training(dummy_sequences(7, (3, 5)), preset="paper", speech_model="./hubert")
    config = task.checkpoint.config
    assert (config["speech_model"], config["speech_layers"], config["speech_width"], config["z_size"]) == (
        "./hubert", 3, 5, 7,
    )  # fmt: skip
    assert (config["width"], config["kernel"]) == (512, 13)


@pytest.mark.parametrize("preset", ["tiny", "tiny-warp"])
def test_features_of_another_speech_model_than_the_presets_must_be_named(preset):
    with pytest.raises(UsageError, match=r"speech has 3 layers of 5 features, mel makes 1 of 80: .* --speech-model"):
        set_up_motion_training(dummy_sequences(66, (3, 5)), preset=preset)


def test_latents_without_landmarks_are_for_diffdub_alone():
    with pytest.raises(UsageError, match=r"latents of 'a' do not end in the landmarks .* or choose another --preset"):
        set_up_motion_training(dummy_sequences(16), preset="tiny-warp")
    assert set_up_motion_training(dummy_sequences(66), preset="tiny")[0].checkpoint.kind == "diffdub"


def test_weights_tell_their_speech_model(tmp_path):
    weights = dummy_motion_model(tmp_path / "m.safetensors")
    with pytest.raises(UsageError, match="leave out --speech-model"):
        set_up_motion_training(dummy_sequences(), init=weights, speech_model="mel")
    task, _ = set_up_motion_training(dummy_sequences(), init=weights)
    assert task.checkpoint.config == read_checkpoint(weights, MOTION).config


def test_choices_replace_a_presets_settings_where_there_are_any():
    settings = TrainingSettings(steps=1, batch_size=2, learning_rate=3.0)
    assert with_choices(settings, steps=None, batch_size=5, seed=0) == replace(settings, batch_size=5)
    with pytest.raises(UsageError, match="steps must be at least 1"):
        with_choices(settings, steps=0)
