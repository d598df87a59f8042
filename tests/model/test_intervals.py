"""Intervals learned from predictions for rows that a model had not seen."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matminer_compute.model.intervals import ENOUGH, LEVELS, calibrate


def rows(n, seed, sizes=(2, 3, 4)):
    """Errors whose size the spread tells, and which are larger the more elements there are."""
    rng = np.random.default_rng(seed)
    elements = rng.choice(sizes, n)
    std = rng.gamma(2.0, 0.1, n)
    return rng.standard_t(4, n) * (std + 0.02) * elements, std, elements


@given(st.integers(50, 2000), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_learned_intervals_hold_the_rows_they_were_learned_from(n, seed):
    error, std, elements = rows(n, seed)
    learned = calibrate(error, std, elements, seed=0)
    group = np.searchsorted(learned.sizes, elements, side="right") - 1
    for level in LEVELS:
        half = np.array(learned.quantiles[level])[group] * (std + learned.floor)
        for number in range(len(learned.sizes)):
            here = group == number
            inside = (np.abs(error) <= half * (1 + 1e-12))[here].mean()
            assert level <= inside <= level + 2 / here.sum() + 1e-9


def test_they_hold_rows_never_seen_in_each_group():
    learned = calibrate(*rows(20_000, 1), seed=0)
    error, std, elements = rows(20_000, 2)
    for level in LEVELS:
        quantile = np.array(learned.quantiles[level])
        group = np.searchsorted(learned.sizes, elements, side="right") - 1
        inside = np.abs(error) <= quantile[group] * (std + learned.floor)
        for size in (2, 3, 4):
            assert abs(inside[elements == size].mean() - level) < 0.02
            assert abs(learned.coverage[level][str(size)] - level) < 0.02


def test_few_rows_share_a_group_with_those_of_nearly_as_many_elements():
    counts = {1: 20, 2: 400, 3: 900, 4: 290, 5: 200, 6: 120, 9: 10}
    elements = np.repeat(list(counts), list(counts.values()))
    error = np.random.default_rng(0).normal(size=len(elements))
    learned = calibrate(error, None, elements, seed=0)
    # 5 to 9 are 330 rows; 4 alone is too few, so it is with 3; 1 and 2 are together
    assert learned.sizes == (0, 3, 5)
    assert all(count >= ENOUGH for count in (330, 1190, 420))
    assert set(learned.coverage[0.9]) == {"all", "2", "3", "4", "5", "6"}


def test_without_a_spread_all_intervals_of_a_group_are_of_one_width():
    error = np.random.default_rng(0).normal(size=1000)
    learned = calibrate(error, None, None, seed=0)
    ((quantile,),) = [learned.quantiles[0.9]]
    assert learned.width[0.9] == pytest.approx(2 * quantile * learned.floor)
    assert (np.abs(error) <= quantile * learned.floor).mean() == pytest.approx(0.9, abs=0.002)


def test_a_model_that_is_never_wrong_has_intervals_too(tmp_path):
    learned = calibrate(np.zeros(100), np.zeros(100), None, seed=0)
    assert learned.coverage[0.95] == {"all": 1.0}
    path = learned.write(tmp_path / "c.json", None)
    assert json.loads(path.read_text())["floor"] > 0
