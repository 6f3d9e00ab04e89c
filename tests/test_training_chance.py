"""Random choices: how often, and how they are spread."""

import numpy as np
import pytest
import torch

from dd_tools.training.chance import draw_below, draw_weighted, happens, rows_where, uniform


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_things_happen_with_their_probability():
    draws = generator()
    assert np.mean([happens(0.3, draws) for _ in range(4000)]) == pytest.approx(0.3, abs=0.03)
    rows = rows_where(0.3, 4000, generator())
    assert len(rows) == pytest.approx(1200, abs=120) and (rows.diff() > 0).all() and rows.max() < 4000
    assert rows_where(0.0, 5, generator()).tolist() == [] and rows_where(1.0, 3, generator()).tolist() == [0, 1, 2]


def test_numbers_are_spread_evenly_between_their_limits():
    numbers = uniform(-2, 3, (4000, 2), generator())
    assert numbers.shape == (4000, 2) and numbers.min() >= -2 and numbers.max() <= 3
    np.testing.assert_allclose(np.quantile(numbers, [0.1, 0.5, 0.9]), [-1.5, 0.5, 2.5], atol=0.1)


def test_whole_numbers_are_even_below_each_limit():
    drawn = draw_below(torch.tensor([1, 2, 5]).repeat(3000, 1), generator())
    assert (drawn[:, 0] == 0).all()
    for column, limit in ((1, 2), (2, 5)):
        np.testing.assert_allclose(np.bincount(drawn[:, column]) / 3000, np.full(limit, 1 / limit), atol=0.03)


def test_weights_are_probabilities_and_zero_is_never():
    draws, weights = generator(), torch.tensor([0.0, 1, 0, 3, 0])
    counts = np.bincount([draw_weighted(weights, draws) for _ in range(3000)], minlength=5) / 3000
    np.testing.assert_allclose(counts, [0, 0.25, 0, 0.75, 0], atol=0.03)
