"""Which compositions are too far from the training formulas for more than a guess."""

import random

import numpy as np
import pytest

from matminer_compute.model.domain import domain_of, with_domain, with_trained
from matminer_compute.model.featurizer import build_featurizer
from matminer_compute.model.training_data import load_data

SLIPS = ["Fe203", "H20", "U99999", "Al203", "CaCl22H2O", "CuSO45H2O", "MgAl204", "YBa2Cu307"]


@pytest.fixture(scope="module")
def featurizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("featurizer")
    return build_featurizer("magpie", ("Stoichiometry", "ElementProperty"), folder)


@pytest.fixture(scope="module")
def shuffled():
    """The bundled formulas in an order without meaning."""
    formulas = load_data().formulas
    return random.Random(0).sample(formulas, len(formulas))


@pytest.fixture
def trained_on(featurizer, tmp_path):
    """A featurizer's artifact as it is after training on some formulas."""

    def of(formulas):
        loaded = featurizer.loaded
        path = with_domain(featurizer, formulas, tmp_path).artifacts["domain"]
        loaded.domain = loaded.beside.Domain(path, loaded.symbols, None)
        return loaded

    yield of
    featurizer.loaded.domain = None


@pytest.mark.parametrize(("rows", "most"), [(71_892, 0.01), (4_000, 0.01)])
def test_slips_are_outside_and_formulas_never_seen_hardly_ever(trained_on, shuffled, rows, most):
    loaded = trained_on(shuffled[:rows])
    others = shuffled[71_892:]
    outside = loaded.examine([*SLIPS, *others])[4]
    assert list(outside)[: len(SLIPS)] == list(range(len(SLIPS)))
    assert 0 < len(outside) - len(SLIPS) < most * len(others)


KNOWN = [f"{metal}{n}O{m}" for metal in ("Fe", "Al", "Na", "Cu") for n in (1, 2) for m in (1, 3)]


@pytest.mark.parametrize(
    ("formula", "why"),
    [
        ("TeO2", "no training formula holds Te"),
        ("FeAlNaO4", "it has 4 elements, no training formula more than 2"),
        (
            "Fe203",
            "an amount of 203 for Fe is far beyond what training formulas have (at most 1): did",
        ),
        (
            "Fe99999",
            "an amount of 99999 for Fe is far beyond what training formulas have (at most 1)",
        ),
        ("FeO41", "an amount of 41 for O is far beyond what training formulas have (at most 3)"),
        ("Fe0.1O0.9", "0.9 O are 90.0% of the atoms; in 99.5% of the training formulas of 2 elem"),
    ],
)
def test_the_reason_says_what_training_had(trained_on, formula, why):
    loaded = trained_on([*KNOWN, "Fe", "CaO", "not a formula", None])
    assert loaded.examine(["FeO", formula])[4][1].startswith(why)


def test_an_element_of_few_formulas_is_hardly_known_where_there_is_much_data(trained_on):
    few = ["CaO", "CaO3", "Ca2O3"]
    loaded = trained_on(KNOWN * 60 + few)
    assert loaded.examine(["CaO"])[4] == {0: "only 3 training formulas hold Ca"}
    # Of less data, intervals are learned from such rows too, and hold for them.
    assert trained_on(KNOWN + few).examine(["CaO"])[4] == {}


@pytest.mark.parametrize(("rows", "most"), [(50, 0.75), (200, 0.25), (1_000, 0.05)])
def test_of_little_data_most_formulas_have_an_interval(trained_on, shuffled, rows, most):
    others = shuffled[71_892:][:3_000]
    assert len(trained_on(shuffled[:rows]).examine(others)[4]) < most * len(others)


def test_what_was_trained_on_is_never_outside(featurizer, tmp_path):
    formulas = [*KNOWN * 60, "Ca99O"]
    values = np.arange(len(formulas), dtype=float)
    made = with_trained(with_domain(featurizer, formulas, tmp_path), formulas, values, tmp_path)
    loaded = featurizer.loaded
    trained = loaded.beside.Trained(made.artifacts["trained"])
    loaded.domain = loaded.beside.Domain(made.artifacts["domain"], loaded.symbols, trained)
    try:
        assert list(loaded.examine(["OCa99", "Ca98O", "Ca198O2", "FeO"])[4]) == [1]
        outside = loaded.is_outside([[20, 8], [20, 8]], [[99, 1], [98, 1]])
        assert outside.tolist() == [False, True]
    finally:
        loaded.domain = None


@pytest.mark.parametrize(
    "formula", ["FeO", "Fe200O300", "Fe", "O2", "Fe8", "Fe0.5O0.5", "xx", None]
)
def test_what_is_like_the_training_formulas_says_nothing(trained_on, formula):
    assert trained_on([*KNOWN, "Fe"]).examine([formula])[4] == {}


def test_without_training_nothing_is_known_and_nothing_said(featurizer):
    assert featurizer.loaded.examine(SLIPS)[4] == {}


def test_features_are_the_same_with_a_domain_and_without(trained_on, featurizer):
    before = featurizer.loaded.featurize([*SLIPS, "xx"])
    after = trained_on(KNOWN).featurize([*SLIPS, "xx"])
    assert before[0].tobytes() == after[0].tobytes()
    assert before[1:] == after[1:]


def test_the_facts_are_counted(featurizer):
    about = domain_of(featurizer.loaded, ["NaCl", "Na2O", "NaCl", "Mg2Si4O8", "Fe", "xx"])
    assert about["formulas"] == 5
    assert about["by_element"] == {"O": 2, "Na": 3, "Mg": 1, "Si": 1, "Cl": 2, "Fe": 1}
    assert about["by_size"]["3"] == {"formulas": 1, "fraction": 8 / 14, "amount": 4.0}
