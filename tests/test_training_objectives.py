"""Training with the real objectives of both kinds and stages: resuming, crashing, two processes."""

import contextlib
import csv
import math
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training_tasks import CPU, STEPS, TASKS, Watched, dummy_task, write_clips

from dd_tools.formats.checkpoint import MOTION, RENDERER, read_checkpoint, read_training_state
from dd_tools.training.loop import step_seed, train
from dd_tools.training.state import state_path


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    write_clips(folder)
    return folder


def run(name: str, clips: Path, output: Path, *, before=None, resume: bool = False) -> bool:
    task, settings = dummy_task(name, clips)
    if before:
        task.data = Watched(task.data, before)
    return train(task, settings, output, device=CPU, resume=resume)


def rows(output: Path) -> list[dict]:
    """The log without the times."""
    with open(output.with_suffix(".csv"), newline="") as stream:
        return [{name: row[name] for name in row if name != "seconds"} for row in csv.DictReader(stream)]


def stage(name: str) -> str:
    return RENDERER if name.endswith(RENDERER) else MOTION


@pytest.fixture(scope="module", params=TASKS)
def whole(request, clips, tmp_path_factory):
    """A task's name, and the output of its training without interruption."""
    output = tmp_path_factory.mktemp("whole") / "whole.safetensors"
    assert run(request.param, clips, output)
    return request.param, output


def test_a_terminated_training_resumes_to_the_same_bytes(whole, clips, tmp_path):
    name, uninterrupted = whole
    output = tmp_path / "cut.safetensors"

    def terminate(call):
        if call == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    assert not run(name, clips, output, before=terminate)
    assert not output.exists()
    state, average = read_training_state(state_path(output)).tensors, read_checkpoint(state_path(output), stage(name))
    assert int(state["step"]) == 3
    keys = set(dummy_task(name, clips)[0].objective.model.state_dict())
    assert set(average.tensors) == keys == {key.removeprefix("model.") for key in state if key.startswith("model.")}
    assert any(not torch.equal(state[f"model.{key}"], average.tensors[key]) for key in keys)

    assert run(name, clips, output, resume=True)
    assert output.read_bytes() == uninterrupted.read_bytes()
    assert rows(output) == rows(uninterrupted)
    assert not state_path(output).exists()


def test_a_training_that_crashed_resumes_from_the_last_state_that_was_saved(whole, clips, tmp_path):
    """States are saved every two steps, so step 3 is done again."""
    name, uninterrupted = whole
    output = tmp_path / "cut.safetensors"

    def crash(call):
        if call == 4:
            raise MemoryError

    with pytest.raises(MemoryError):
        run(name, clips, output, before=crash)
    seen = []
    assert run(name, clips, output, resume=True, before=seen.append)
    assert len(seen) == STEPS - 2
    assert output.read_bytes() == uninterrupted.read_bytes()
    assert rows(output) == rows(uninterrupted)


def test_every_parameter_that_is_used_is_trained_and_the_log_is_finite(whole, clips):
    name, output = whole
    start = dummy_task(name, clips)[0].objective.model
    trained = read_checkpoint(output, stage(name)).tensors
    changed = {key for key, tensor in start.named_parameters() if not torch.equal(tensor, trained[key])}
    # The authors' motion model owns two layers that it does not use, and mel features are one layer, taken as it is.
    unused = {key for key in trained if key.startswith(("cross_attention.linear2", "cross_attention.norm2"))}
    unused |= {"weights", "layer_weights"} & set(trained)
    if name == "distilled renderer":
        unused |= {key for key in trained if key.startswith("encoder.")}
    assert changed == {key for key, _ in start.named_parameters()} - unused
    assert [row["step"] for row in rows(output)] == ["1", "2", "3", "4", "5"]
    assert all(math.isfinite(float(value)) for row in rows(output) for value in row.values())


class OfBothRanks:
    """What two processes draw together in every step, in one batch."""

    def __init__(self, data, settings):
        self.data, self.settings = data, settings
        self.steps = {step_seed(settings.seed, step, 0): step for step in range(settings.steps)}

    def batch(self, generator, size):
        step = self.steps[generator.initial_seed()]
        seeds = [step_seed(self.settings.seed, step, rank) for rank in (0, 1)]
        halves = [self.data.batch(torch.Generator().manual_seed(seed), size // 2) for seed in seeds]
        return {f"{name} {rank}": half[name] for rank, half in enumerate(halves) for name in half}

    def prepare(self, batch):
        parts = [{name[:-2]: batch[name] for name in batch if name.endswith(rank)} for rank in "01"]
        halves = [self.data.prepare(part) for part in parts]
        return {name: torch.cat([half[name] for half in halves]) for name in halves[0]}


def free_ports(count: int) -> list[int]:
    """Ports below those that systems give to outgoing connections, which the processes open before they use these."""
    free = []
    for port in random.sample(range(20_000, 30_000), 1_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            free.append(port)
        if len(free) == count:
            break
    return free


@pytest.mark.slow
def test_two_processes_train_one_model_and_write_it_once(clips, tmp_path):
    """The second process of a resumed training knows nothing but what the first one tells it."""
    write_clips(tmp_path)
    launch_two_processes(tmp_path, trainings=4 * len(TASKS) + 2)
    outputs = {f"{name}{ending}" for name in TASKS for ending in ("", " resumed")} | {"kept"}
    written = {f"{output}.{suffix}" for output in outputs for suffix in ("safetensors", "csv", "pt")}
    assert {path.name for path in (tmp_path / "0").iterdir()} == written
    assert {path.name for path in (tmp_path / "1").iterdir()} == {f"{output}.pt" for output in outputs}
    for name in TASKS:
        parameters = [key for key, _ in dummy_task(name, clips)[0].objective.model.named_parameters()]
        for output in (name, f"{name} resumed"):
            first, second = (torch.load(tmp_path / rank / f"{output}.pt", weights_only=True) for rank in "01")
            assert all(torch.equal(first[key], second[key]) for key in parameters), name
        whole, resumed = tmp_path / "0" / f"{name}.safetensors", tmp_path / "0" / f"{name} resumed.safetensors"
        assert read_checkpoint(whole, stage(name)).training["processes"] == 2
        assert resumed.read_bytes() == whole.read_bytes() and rows(resumed) == rows(whole)
        assert [row["step"] for row in rows(whole)] == ["1", "2", "3", "4", "5"]
        assert all(math.isfinite(float(row["loss"])) for row in rows(whole))

    # Without statistics of batches, two processes with a batch each are one with both batches.
    for name, output, options in (
        ("tiny renderer", "tiny renderer", {}),
        ("tiny-warp renderer", "kept", {"keep_encoder": True}),
    ):
        task, settings = dummy_task(name, clips, **options)
        task.data = OfBothRanks(task.data, settings)
        assert train(task, settings, tmp_path / "one.safetensors", device=CPU)
        pairs = zip(rows(tmp_path / "one.safetensors"), rows(tmp_path / "0" / f"{output}.safetensors"), strict=True)
        for one, two in pairs:
            for column in ("loss", "gradient_norm", "learning_rate"):
                assert float(two[column]) == pytest.approx(float(one[column]), rel=2e-3)
        one, two = (read_checkpoint(path, RENDERER).tensors for path in (
            tmp_path / "one.safetensors", tmp_path / "0" / f"{output}.safetensors",
        ))  # fmt: skip
        for key in one:
            torch.testing.assert_close(two[key], one[key], atol=1e-3, rtol=0)


def launch_two_processes(folder: Path, trainings: int) -> None:
    """Run `two_processes.py` on the clips in a folder. trainings: that it runs, each with a port of its own."""
    program = [Path(__file__).with_name("two_processes.py"), folder, *map(str, free_ports(trainings))]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launch, *program],
        capture_output=True,
        text=True,
        timeout=480,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
