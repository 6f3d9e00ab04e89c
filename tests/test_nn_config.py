"""Configurations survive a file, and refuse what no network can be built from."""

import json

import pytest

from dd_tools.diffdub import motion_training as diffdub_motion
from dd_tools.diffdub import renderer_training as diffdub_renderer
from dd_tools.errors import DataError, UsageError
from dd_tools.warp import motion_training as warp_motion
from dd_tools.warp import renderer_training as warp_renderer

ROOMS = diffdub_renderer, diffdub_motion, warp_renderer, warp_motion
CONFIGS = [preset.config for room in ROOMS for preset in room.PRESETS.values()]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__module__)
def test_a_configuration_survives_json(config):
    stored = json.loads(json.dumps(config.to_json()))
    assert stored == config.to_json()
    assert type(config).from_json(stored) == config


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__module__)
def test_settings_of_another_version_are_refused_by_name(config):
    with pytest.raises(DataError, match="unknown settings in the model's configuration: schedule, z_map"):
        type(config).from_json(config.to_json() | {"z_map": True, "schedule": "cosine"})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"size": "256"}, "size in the model's configuration is '256', expected an integer"),
        ({"size": 256.0}, "size in the model's configuration is 256.0, expected an integer"),
        ({"eyes": 1}, "eyes in the model's configuration is 1, expected true or false"),
        ({"crop": None}, "crop in the model's configuration is None, expected a text"),
        ({"dropout": None}, "dropout in the model's configuration is None, expected a number"),
        ({"multipliers": 2}, "multipliers in the model's configuration is 2, expected integers"),
        ({"multipliers": [1, "2"]}, r"multipliers in the model's configuration is \[1, '2'\], expected integers"),
    ],
)
def test_values_of_another_type_are_refused(change, complaint):
    config = diffdub_renderer.PRESETS["paper"].config
    with pytest.raises(DataError, match=f"^{complaint}$"):
        type(config).from_json(config.to_json() | change)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__module__)
def test_every_setting_must_be_there(config):
    for name in config.to_json():
        stored = {other: value for other, value in config.to_json().items() if other != name}
        with pytest.raises(DataError, match=f"^missing settings in the model's configuration: {name}$"):
            type(config).from_json(stored)


@pytest.mark.parametrize(
    ("room", "change", "complaint"),
    [
        (diffdub_renderer, {"size": 100}, "size 100 is not a multiple of 32, which multipliers"),
        (diffdub_renderer, {"size": 32}, "size 32 is not a multiple of 64, which encoder_multipliers"),
        (diffdub_renderer, {"multipliers": [1] * 17}, "multipliers must have at most 16 items, got 17"),
        (diffdub_renderer, {"attention_at": [0]}, "attention at must be at least 1, got 0"),
        (diffdub_motion, {"hidden": 10**9}, "hidden must be at most 16384, got 1000000000"),
        (diffdub_renderer, {"z_size": 0}, "z size must be at least 1, got 0"),
        (diffdub_renderer, {"dropout": 1.0}, "dropout must be from 0 to below 1, got 1.0"),
        (diffdub_motion, {"width": 511}, "width 511 is not a multiple of its 2 heads"),
        (diffdub_motion, {"cross_heads": 3}, "width 512 is not a multiple of its 3 cross-attention heads"),
        (diffdub_motion, {"kernel": 4}, "kernel odd, got 512 and 4"),
        (diffdub_motion, {"speech_layers": 0}, "speech layers must be at least 1, got 0"),
        (diffdub_motion, {"dropout": -0.1}, "dropout must be from 0 to below 1, got -0.1"),
    ],
)
def test_impossible_sizes_are_refused(room, change, complaint):
    stored = room.PRESETS["paper"].config.to_json()
    with pytest.raises(UsageError, match=complaint):
        type(room.PRESETS["paper"].config).from_json(stored | change)
