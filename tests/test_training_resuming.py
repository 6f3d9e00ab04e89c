"""Resuming a training: to the same result, and only with the same options."""

import errno
import os
from dataclasses import replace

import pytest
import torch
from line import CPU, SETTINGS, Damaged, Line, Points, Stopping, rows, run

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.checkpoint import RENDERER, Checkpoint, read_checkpoint, read_training_state
from dd_tools.training.loop import new_state
from dd_tools.training.resuming import changes
from dd_tools.training.state import state_path


def test_a_finished_training_that_is_resumed_starts_anew_as_its_state_is_gone(tmp_path):
    output, data = tmp_path / "x.safetensors", Points()
    run(output)
    assert run(output, data, resume=True) and data.calls == 12


def test_without_resume_a_saved_state_is_not_used(tmp_path):
    output, data = tmp_path / "x.safetensors", Points()
    assert not run(output, Points(stop_at=7))
    assert run(output, data) and data.calls == 12
    assert [row["step"] for row in rows(output)] == ["4", "8", "12"]


def test_a_stopped_training_may_be_prolonged_if_its_learning_rate_does_not_fall(tmp_path):
    output, data = tmp_path / "x.safetensors", Points()
    constant = replace(SETTINGS, decay=0.0)
    assert not run(output, Points(stop_at=7), constant)
    assert run(output, data, settings=replace(constant, steps=20), resume=True)
    assert data.calls == 20 - 7 and read_checkpoint(output, RENDERER).training["steps done"] == 20


@pytest.mark.parametrize(
    ("other", "change"),
    [
        (Checkpoint(RENDERER, "line", {"made": "anew"}), "made was 'up' and is 'anew'"),
        (Checkpoint(RENDERER, "curve", {"made": "up"}), "kind was 'line' and is 'curve'"),
    ],
)
def test_resuming_another_model_is_refused(tmp_path, other, change):
    output = tmp_path / "x.safetensors"
    run(output, Points(stop_at=3))
    for options in ({}, {"allow_changes": True}):
        with pytest.raises(
            DataError, match=rf"x.state.safetensors': it belongs to another model \({change}\); remove it"
        ):
            run(output, checkpoint=other, resume=True, **options)
    assert state_path(output).exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 1}, "seed was 0 and is 1"),
        ({"batch_size": 8, "learning_rate": 0.1}, "batch size was 4 and is 8, learning rate was 0.05 and is 0.1"),
        ({"steps": 20}, "steps was 12 and is 20"),
        ({"dtype": "bf16"}, "dtype was 'fp32' and is 'bf16'"),
        ({"clips": ["a", "c"]}, """clips was ["a", "b"] and is ["a", "c"]"""),
        ({"delays": {"a": 3}}, "delays of 'a' was 2 and is 3"),
        ({"delays": {}}, "delays of 'a' was 2 and is none"),
        ({"keep_encoder": True}, "keep encoder was none and is true"),
    ],
)
def test_a_change_of_what_is_learnt_is_refused_with_both_values(tmp_path, changed, message):
    output = tmp_path / "x.safetensors"
    notes = {"clips": ["a", "b"], "delays": {"a": 2}, "keep_encoder": False}

    def again(notes, dtype="fp32", **options):
        settings = {name: options.pop(name) for name in list(options) if hasattr(SETTINGS, name)}
        made = Checkpoint(RENDERER, "line", {"made": "up"}, training=notes)
        return run(output, options.pop("data", None), replace(SETTINGS, **settings), made, dtype=dtype, **options)

    assert not again(notes, data=Points(stop_at=7))
    given = {"notes": notes} | {name: value for name, value in changed.items() if name not in notes}
    given["notes"] = notes | {name: value for name, value in changed.items() if name in notes}
    with pytest.raises(UsageError) as refused:
        again(resume=True, **given)
    assert str(refused.value) == (
        f"cannot resume from '{state_path(output)}': {message}; give the same options as before, or --allow-changes"
    )
    assert again(resume=True, allow_changes=True, **given)


def test_what_changes_nothing_that_is_learnt_may_change(tmp_path):
    output = tmp_path / "x.safetensors"
    assert not run(output, Points(stop_at=7))
    assert run(output, settings=replace(SETTINGS, workers=2, save_every=3, log_every=2), resume=True)


def test_of_many_changes_a_few_are_named():
    saved, given = {"clips": list("abcd"), "x": 1, "y": 2, "z": 3}, {"clips": list("abcde"), "x": 2, "y": 3, "z": 4}
    assert changes(saved, given) == [
        "clips was 4 from 'a' to 'd' and is 5 from 'a' to 'e'",
        "x was 1 and is 2",
        "y was 2 and is 3",
        "z was 3 and is 4",
    ]


@pytest.mark.parametrize(("dtype", "workers"), [("fp32", 0), ("fp32", 2), ("fp16", 0)])
def test_a_resumed_training_ends_as_one_that_was_not_interrupted(tmp_path, dtype, workers):
    """Also in fp16, where the loss scale has grown before the interruption."""
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    settings = replace(SETTINGS, workers=workers, save_every=1000)
    run(whole, settings=settings, dtype=dtype)
    assert not run(cut, settings=settings, dtype=dtype, report=Stopping(6))
    assert int(read_training_state(state_path(cut)).tensors["step"]) == 7
    assert run(cut, settings=settings, dtype=dtype, resume=True)
    assert cut.read_bytes() == whole.read_bytes()
    assert [row | {"seconds": 0} for row in rows(cut)] == [row | {"seconds": 0} for row in rows(whole)]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_clip_that_cannot_be_read_ends_the_training_after_its_state_is_saved(tmp_path, workers):
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    settings = replace(SETTINGS, workers=workers, save_every=1000)
    run(whole, settings=settings)
    with pytest.raises(DataError) as caught:
        run(cut, Damaged(7), settings)
    assert str(caught.value) == "cannot read 'a.h5': damaged clip file"
    assert int(read_training_state(state_path(cut)).tensors["step"]) == 7
    with pytest.raises(DataError, match="damaged clip file"):
        run(cut, Damaged(0), settings, resume=True)
    assert int(read_training_state(state_path(cut)).tensors["step"]) == 7
    assert run(cut, settings=settings, resume=True)
    assert cut.read_bytes() == whole.read_bytes()


class Unreadable(Points):
    """Points on a disk that breaks."""

    def batch(self, generator, size):
        batch = super().batch(generator, size)
        if self.calls > 7:
            raise OSError(errno.EIO, os.strerror(errno.EIO), "a.npy")
        return batch


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_the_system_ends_the_training_after_its_state_is_saved(tmp_path, workers):
    output = tmp_path / "x.safetensors"
    with pytest.raises(DataError) as caught:
        run(output, Unreadable(), replace(SETTINGS, workers=workers, save_every=1000))
    assert str(caught.value) == "cannot load training data: 'a.npy': input/output error"
    assert int(read_training_state(state_path(output)).tensors["step"]) == 7


def test_a_training_whose_first_batch_cannot_be_read_saves_no_state(tmp_path):
    with pytest.raises(DataError, match="damaged clip file"):
        run(tmp_path / "x.safetensors", Damaged(0))
    assert not state_path(tmp_path / "x.safetensors").exists()


def test_the_scale_of_gradients_goes_on_where_it_was(tmp_path):
    """It doubles after three steps without overflow."""
    state = new_state(Line(), SETTINGS, CPU, "fp16")
    state.scaler.set_growth_interval(3)
    points = {"x": torch.ones(4, 1)}
    for _ in range(5):
        state.update(state.model(points["x"]).sum(), 0.01, 1.0)
    state.seconds = 5.5
    state.save(tmp_path / "s.safetensors", Checkpoint(RENDERER, "line", {}))
    restored = new_state(Line(), SETTINGS, CPU, "fp16")
    restored.restore(read_training_state(tmp_path / "s.safetensors").tensors)
    assert restored.scaler.state_dict() == state.scaler.state_dict()
    assert restored.scaler.get_scale() == 2 * 65536 and restored.scaler.state_dict()["_growth_tracker"] == 2
    assert (restored.step, restored.seconds) == (5, 5.5)


def test_the_seconds_of_the_log_go_on(tmp_path, monkeypatch):
    now = iter(range(0, 10_000, 10))
    monkeypatch.setattr("dd_tools.training.loop.time.monotonic", lambda: next(now))
    output = tmp_path / "x.safetensors"
    run(output, Points(stop_at=9))
    assert run(output, resume=True)
    seconds = [float(row["seconds"]) for row in rows(output)]
    assert len(seconds) == 3 and 0 < seconds[0] < seconds[1] < seconds[2]
