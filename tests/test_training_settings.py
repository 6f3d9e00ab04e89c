"""Settings of a training: the learning rate of every step, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dd_tools.errors import UsageError
from dd_tools.training.settings import TrainingSettings

VALID = {"steps": 12, "batch_size": 4, "learning_rate": 0.05}


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 1 / 3), (1, 2 / 3), (2, 1.0), (5, 1.0), (6, 1.0), (9, 0.5), (11, 1 / 6)],
)
def test_the_learning_rate_rises_holds_and_falls(step, expected):
    settings = TrainingSettings(**VALID, warmup=2, decay=0.5)
    assert settings.learning_rate_at(step) == pytest.approx(0.05 * expected)


def test_as_the_authors_train_the_rate_is_constant():
    settings = TrainingSettings(**VALID)
    assert {settings.learning_rate_at(step) for step in range(12)} == {0.05}


@given(
    steps=st.integers(1, 300),
    warmup=st.integers(0, 400),
    decay=st.floats(0, 1),
    rate=st.floats(1e-9, 10, allow_subnormal=False),
)
def test_every_step_has_a_rate_above_zero_and_at_most_the_peak(steps, warmup, decay, rate):
    settings = TrainingSettings(steps=steps, batch_size=1, learning_rate=rate, warmup=warmup, decay=decay)
    assert all(0 < settings.learning_rate_at(step) <= rate for step in range(steps))


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch_size": 0},
        {"save_every": 0},
        {"log_every": -1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
    ],
)
def test_impossible_settings_are_refused(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(UsageError, match=f"{name.replace('_', ' ')} must be .*, got {value}"):
        TrainingSettings(**VALID | wrong)
