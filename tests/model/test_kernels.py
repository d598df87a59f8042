"""Kernels give the same bits as Python, which runs the first rows, and as machine code."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor
from test_featurizer import FIVE, all_formulas, formulas, load
from test_forest import artifact, write_forest
from test_forest import kernels as of_forests

KERNELS = ("featurize", "distinct", "read_plain")


def by_python(loaded):
    """A featurizer whose kernels are never compiled."""
    plain, parser = copy.copy(loaded), copy.copy(loaded.parser)
    parser.read_plain = loaded.kernels.read_plain.interpreted
    plain.parser, plain.kernels = parser, interpreted(loaded.kernels)
    return plain


def by_machine(loaded):
    """A featurizer whose kernels are compiled."""
    for name in KERNELS:
        getattr(loaded.kernels, name).compile()
    return loaded


def interpreted(compiled):
    kinds = {name: getattr(compiled, name) for name in compiled.__all__}
    return SimpleNamespace(**{k: getattr(v, "interpreted", v) for k, v in kinds.items()})


def assert_same(texts):
    loaded = load(names=FIVE)
    with np.errstate(all="ignore"):
        features, *more = by_python(loaded).featurize(texts)
    expected, *others = by_machine(loaded).featurize(texts)
    np.testing.assert_array_equal(features, expected)
    assert more == others


def test_formulas_of_every_kind():
    assert_same([*all_formulas()[::900], *all_formulas()[:5] * 2, "CuSO4·5H2O", "(Fe", "", "He", 7])


@given(st.lists(formulas(20), min_size=1, max_size=12))
@settings(max_examples=50, deadline=None)
def test_formulas_that_nobody_thought_of(texts):
    assert_same(texts)


@pytest.mark.parametrize("rows", [1, 7, 60])
def test_a_forest(rows, tmp_path):
    rng = np.random.default_rng(rows)
    features = rng.normal(size=(200, 5)).round(1)
    forest = RandomForestRegressor(12, random_state=0).fit(features, rng.normal(size=200))
    write_forest(forest, tmp_path)
    of_forests.walk.compile()
    expected = artifact.FlatForest(tmp_path, of_forests).regress(features[:rows])
    found = artifact.FlatForest(tmp_path, interpreted(of_forests)).regress(features[:rows])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found[0], forest.predict(features[:rows]))
