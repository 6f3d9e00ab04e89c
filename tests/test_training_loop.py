"""The training loop on a problem of one line: what it learns, writes, refuses, and what its functions compute."""

import multiprocessing
import os
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest
import torch
from line import CPU, SETTINGS, Line, Points, rows, run

from dd_tools.errors import DataError
from dd_tools.formats.checkpoint import RENDERER, Checkpoint, read_checkpoint
from dd_tools.training.log import COLUMNS, TrainingLog
from dd_tools.training.loop import LONGEST_SOCKET_FOLDER, ema_update, loading, step_seed
from dd_tools.training.settings import TrainingSettings


def test_training_learns(tmp_path):
    settings = TrainingSettings(steps=300, batch_size=32, learning_rate=0.02, ema=0.9, log_every=10)
    run(tmp_path / "x.safetensors", settings=settings)
    batch = {"x": torch.linspace(-1, 1, 21)[:, None]}
    untrained, trained = Line().eval(), Line().eval()
    trained.model.load_state_dict(read_checkpoint(tmp_path / "x.safetensors", RENDERER).tensors)
    assert trained(batch) < 0.1 * untrained(batch)


def test_the_output_is_the_moving_average_of_the_weights(tmp_path):
    """Of the weights after one and after two steps, which trainings that average nothing give: 2 / 11 are kept."""
    constant = TrainingSettings(steps=2, batch_size=4, learning_rate=0.05)
    weights = []
    for changes in ({"steps": 1}, {"ema": 0.0}, {"ema": 0.9}):
        run(tmp_path / "x.safetensors", settings=replace(constant, **changes))
        weights.append(read_checkpoint(tmp_path / "x.safetensors", RENDERER).tensors["0.weight"])
    first, second, average = weights
    torch.testing.assert_close(average, 2 / 11 * first + 9 / 11 * second)
    assert not torch.allclose(average, second, atol=1e-3)


def test_the_output_tells_how_it_was_trained(tmp_path):
    output = tmp_path / "x.safetensors"
    checkpoint = Checkpoint(RENDERER, "line", {"made": "up"}, training={"clips": ["a"]}, history=[{"command": "x"}])
    run(output, checkpoint=checkpoint)
    weights = read_checkpoint(output, RENDERER)
    assert (weights.kind, weights.config, weights.history) == ("line", {"made": "up"}, [{"command": "x"}])
    notes = weights.training
    assert (notes["clips"], notes["processes"], notes["steps done"]) == (["a"], 1, 12)
    assert notes["settings"]["learning_rate"] == 0.05
    assert checkpoint.training == {"clips": ["a"]}, "the task is not changed"


def test_the_log_has_the_last_step_and_the_learning_rate_of_every_row(tmp_path):
    output = tmp_path / "x.safetensors"
    run(output, settings=replace(SETTINGS, steps=11))
    assert [row["step"] for row in rows(output)] == ["4", "8", "11"]
    rates = [float(row["learning_rate"]) for row in rows(output)]
    assert rates == pytest.approx([0.05 * share for share in (1, (11 - 7) / 5.5, (11 - 10) / 5.5)], rel=1e-5)


class Threads(Points):
    """Data that say how many threads they are loaded with."""

    def batch(self, generator, size):
        return {"threads": torch.tensor(torch.get_num_threads())}


def test_loading_processes_use_one_thread_each():
    loader = loading(Threads(), replace(SETTINGS, workers=2), range(4), 0, CPU)
    assert [int(batch["threads"]) for batch in loader] == [1, 1, 1, 1]


def test_batches_for_a_gpu_alone_are_pinned():
    for device, is_pinned in (("cpu", False), ("cuda", True)):
        loader = loading(Points(), SETTINGS, range(3), 0, torch.device(device))
        assert loader.pin_memory is is_pinned and loader.num_workers == 0


def test_two_loading_processes_change_nothing(tmp_path):
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    run(one)
    run(other, settings=replace(SETTINGS, workers=2))
    first, second = (read_checkpoint(path, RENDERER).tensors for path in (one, other))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.skipif(os.name != "posix", reason="sockets have no path")
def test_loading_processes_work_in_the_longest_folder_of_temporary_files_and_are_refused_in_a_longer_one(
    tmp_path, monkeypatch
):
    with tempfile.TemporaryDirectory() as short:
        folder = Path(short) / ("x" * (LONGEST_SOCKET_FOLDER - len(short) - 1))
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        monkeypatch.delitem(multiprocessing.current_process()._config, "tempdir", raising=False)
        folder.mkdir()
        assert run(tmp_path / "x.safetensors", settings=replace(SETTINGS, steps=2, workers=1))
        monkeypatch.setattr(tempfile, "tempdir", f"{folder}x")
        with pytest.raises(DataError, match="longer than 71 bytes; set TMPDIR"):
            run(tmp_path / "x.safetensors", settings=replace(SETTINGS, workers=1))


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_in_halves_the_weights_stay_in_single_precision(tmp_path, dtype):
    output = tmp_path / "x.safetensors"
    assert run(output, dtype=dtype)
    tensors = read_checkpoint(output, RENDERER).tensors
    assert tensors["0.weight"].dtype == torch.float32 and all(tensor.isfinite().all() for tensor in tensors.values())


def test_without_tensorboard_the_option_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(DataError, match="not installed; pip install tensorboard"):
        run(tmp_path / "x.safetensors", tensorboard=tmp_path / "board")


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(DataError, match=r"^cannot write '.*x\.csv': is a directory$"):
        run(tmp_path / "x.safetensors")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_a_log_on_a_full_disk_is_named():
    log = TrainingLog(Path("/dev/full"), 0)
    with pytest.raises(DataError, match=r"^cannot write '/dev/full': no space left on device$"):
        log.write(**dict.fromkeys(COLUMNS, 0))


def test_training_from_another_thread_leaves_signals_alone(tmp_path):
    before, finished = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)], []

    def training():
        finished.append(run(tmp_path / "x.safetensors"))
        finished.append([signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before)

    thread = Thread(target=training)
    thread.start()
    thread.join()
    assert finished == [True, True] and (tmp_path / "x.safetensors").exists()


def test_signals_are_handled_as_before_when_the_training_is_over(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    run(tmp_path / "x.safetensors", Points(stop_at=2))
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_the_moving_average_forgets_the_first_steps_fast_and_later_ones_by_its_decay():
    averages, current = [torch.zeros(2), torch.zeros(1)], [torch.tensor([11.0, 22.0]), torch.tensor([-11.0])]
    numbers = iter([1, 2, 1000])
    update = ema_update(0.9, lambda: next(numbers))
    update(averages, current, torch.tensor(-1))  # keeps 2/11
    torch.testing.assert_close(averages, [torch.tensor([9.0, 18.0]), torch.tensor([-9.0])])
    update(averages, [torch.zeros(2), torch.zeros(1)], torch.tensor(-1))  # keeps 3/12
    torch.testing.assert_close(averages, [torch.tensor([2.25, 4.5]), torch.tensor([-2.25])])
    update(averages, [torch.zeros(2), torch.zeros(1)], torch.tensor(-1))  # keeps 0.9
    torch.testing.assert_close(averages, [torch.tensor([2.025, 4.05]), torch.tensor([-2.025])])


def test_every_step_of_every_process_and_seed_has_its_own_randomness():
    seeds = {step_seed(seed, step, rank) for seed in range(5) for step in range(200) for rank in range(4)}
    assert len(seeds) == 5 * 200 * 4
    assert all(0 <= seed < 2**32 for seed in seeds)
