"""The training loop: resuming, stopping, several processes, the learning rate, the moving average."""

import csv
import itertools
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from dd_tools.errors import DataError, UsageError
from dd_tools.formats.checkpoint import RENDERER, Checkpoint, read_checkpoint
from dd_tools.training.clips import SpeakerBalance, fraction_of, read_delays, read_speakers
from dd_tools.training.loop import ema_update, train
from dd_tools.training.settings import TrainingSettings
from dd_tools.training.state import state_path

CPU = torch.device("cpu")
SETTINGS = TrainingSettings(
    steps=12, batch_size=4, learning_rate=0.05, warmup=2, decay=0.5, ema=0.9, save_every=5, log_every=4
)


class Line(nn.Module):
    """Fits y = 2x with dropout on the way, so that unseeded randomness would show."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.3), nn.BatchNorm1d(8), nn.Linear(8, 1))

    def forward(self, batch):
        return (self.model(batch["x"]) - 2 * batch["x"]).square().mean()


class Points:
    def __init__(self, stop_at=None):
        self.calls, self.stop_at = 0, stop_at

    def batch(self, generator, size):
        self.calls += 1
        if self.calls == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"x": torch.randn(size, 1, generator=generator)}


def checkpoint():
    return Checkpoint(RENDERER, {"made": "up"}, {})


def rows(path):
    with open(path) as stream:
        return [
            (row["step"], row["loss"], row["learning_rate"], row["gradient_norm"]) for row in csv.DictReader(stream)
        ]


def test_sigterm_saves_and_resuming_repeats_the_uninterrupted_numbers(tmp_path):
    whole, cut = tmp_path / "whole.safetensors", tmp_path / "cut.safetensors"
    assert train(Line(), Points(), SETTINGS, checkpoint(), whole, device=CPU)
    assert not train(Line(), Points(stop_at=7), SETTINGS, checkpoint(), cut, device=CPU)
    assert state_path(cut).exists() and not cut.exists()
    data = Points()
    assert train(Line(), data, SETTINGS, checkpoint(), cut, device=CPU, resume=True)
    assert data.calls == 12 - 7
    first, second = (read_checkpoint(path, RENDERER).tensors for path in (whole, cut))
    assert all(torch.equal(first[name], second[name]) for name in first)
    # The cut run logged the step it stopped at on top of every fourth; the others agree to the last digit.
    assert [row for row in rows(cut.with_suffix(".csv")) if row[0] != "7"] == rows(whole.with_suffix(".csv"))
    assert not state_path(cut).exists()


def test_a_state_serves_as_the_weights_it_has_so_far(tmp_path):
    path = tmp_path / "x.safetensors"
    train(Line(), Points(stop_at=7), SETTINGS, checkpoint(), path, device=CPU)
    weights = read_checkpoint(state_path(path), RENDERER)
    assert weights.config == {"made": "up"}
    assert set(weights.tensors) == set(Line().model.state_dict())


def test_resuming_another_model_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    train(Line(), Points(stop_at=3), SETTINGS, checkpoint(), path, device=CPU)
    other = Checkpoint(RENDERER, {"made": "differently"}, {})
    with pytest.raises(DataError, match="trains another renderer configuration"):
        train(Line(), Points(), SETTINGS, other, path, device=CPU, resume=True)


def test_training_learns(tmp_path):
    settings = TrainingSettings(steps=300, batch_size=32, learning_rate=0.02, ema=0.9, log_every=10)
    train(Line(), Points(), settings, checkpoint(), tmp_path / "x.safetensors", device=CPU)
    batch = {"x": torch.linspace(-1, 1, 21)[:, None]}
    untrained, trained = Line().eval(), Line().eval()
    trained.model.load_state_dict(read_checkpoint(tmp_path / "x.safetensors", RENDERER).tensors)
    assert trained(batch) < 0.1 * untrained(batch)


@pytest.mark.slow
def test_two_processes_share_gradients_and_write_once(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        textwrap.dedent(f"""
        import sys; sys.path[:0] = {[str(Path(__file__).parent)]!r}
        from pathlib import Path
        import torch
        from test_training_loop import CPU, SETTINGS, Line, Points, checkpoint
        from dd_tools.training.loop import train
        objective = Line()
        assert train(objective, Points(), SETTINGS, checkpoint(), Path(sys.argv[1]), device=CPU)
        rank = __import__("os").environ["RANK"]
        left = [task.joinpath("comm").read_text() for task in Path("/proc/self/task").glob("*")]
        assert not [name for name in left if "gloo" in name], left  # they could abort the interpreter's end
        torch.save(torch.nn.utils.parameters_to_vector(objective.model.parameters()), f"{{sys.argv[1]}}.{{rank}}")
        """)
    )
    output = tmp_path / "x.safetensors"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*launch, str(script), str(output)], check=True, timeout=120, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    first, second = (torch.load(f"{output}.{rank}", weights_only=True) for rank in (0, 1))
    assert torch.equal(first, second)
    assert read_checkpoint(output, RENDERER).training["processes"] == 2
    train(Line(), Points(), SETTINGS, checkpoint(), tmp_path / "one.safetensors", device=CPU)
    alone = read_checkpoint(tmp_path / "one.safetensors", RENDERER).tensors["3.weight"]
    assert not torch.equal(alone, read_checkpoint(output, RENDERER).tensors["3.weight"])


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 1 / 3), (1, 2 / 3), (2, 1.0), (5, 1.0), (6, 1.0), (9, 0.5), (11, 1 / 6)],
)
def test_learning_rate_rises_holds_and_falls(step, expected):
    assert SETTINGS.learning_rate_at(step) == pytest.approx(0.05 * expected)


def test_moving_average_follows_its_formula():
    values = torch.randn(50, generator=torch.Generator().manual_seed(0))
    update, average = ema_update(0.9), values[0].clone()
    slow = values[0].item()
    for n, value in enumerate(values[1:], start=1):
        average = update(average, value, torch.tensor(n))
        keep = min(0.9, (1 + n) / (10 + n))
        slow = keep * slow + (1 - keep) * value.item()
    assert average.item() == pytest.approx(slow, abs=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"learning_rate": float("nan")}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong)).replace("_", " ")):
        TrainingSettings(**({"steps": 1, "batch_size": 1, "learning_rate": 1.0} | wrong))


@pytest.mark.parametrize(("power", "often"), [(0, 1 / 2), (0.5, 3 / 4), (1, 9 / 10)])
def test_speakers_of_many_clips_are_drawn_more_often_by_a_power_of_their_number(power, often):
    names = [f"a{i}" for i in range(9)] + ["lone"]
    balance = SpeakerBalance(names, dict.fromkeys(names[:9], "a"), power)
    generator = torch.Generator().manual_seed(0)
    draws = [balance.draw(generator) for _ in range(4000)]
    assert np.mean([clip < 9 for clip in draws]) == pytest.approx(often, abs=0.03)
    np.testing.assert_allclose(balance.shares, [often / 9] * 9 + [1 - often])


def test_fractions_are_nested_and_never_empty():
    names = [f"clip{i:03}" for i in range(37)]
    shares = [set(fraction_of(names, share)) for share in (0.001, 0.1, 0.5, 1.0)]
    assert [len(share) for share in shares] == [1, 4, 18, 37]
    assert all(small < large for small, large in itertools.pairwise(shares))
    with pytest.raises(UsageError, match="data fraction"):
        fraction_of(names, 0)


def test_a_broken_speaker_table_names_the_line(tmp_path):
    table = tmp_path / "speakers.tsv"
    table.write_text("a\tone\nb\n")
    with pytest.raises(DataError, match=r"speakers.tsv': line 2 has 1 columns"):
        read_speakers(table)


def test_delays_are_integers_by_clip(tmp_path):
    table = tmp_path / "delays.tsv"
    table.write_text("a\t-2\nb\t3\n")
    assert read_delays(table) == {"a": -2, "b": 3}
    table.write_text("a\t-2\nb\t1.5\n")
    with pytest.raises(DataError, match=r"delays.tsv': line 2 has delay '1.5', expected an integer"):
        read_delays(table)
