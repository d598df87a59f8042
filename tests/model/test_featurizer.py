"""The featurizer artifact against matminer itself: no difference in any bit of any feature."""

from __future__ import annotations

import csv
import functools
import gzip
import itertools
import math
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matminer.featurizers.base import MultipleFeaturizer
from matminer.featurizers.composition import (
    BandCenter,
    ElementFraction,
    ElementProperty,
    IonProperty,
    Stoichiometry,
    ValenceOrbital,
)
from pymatgen.core import Composition, Element

from matminer_compute.model.featurizer import CODE, COMPOSITIONS, KERNELS, build_featurizer
from matminer_compute.model.tables import write_tables

DATA = Path(__file__).parents[2] / "model" / "data" / "mp_e_form.csv.gz"
FOUR = ("Stoichiometry", "ElementProperty", "ValenceOrbital", "IonProperty")
FIVE = (*FOUR, "ElementFraction")
PRESETS = ("magpie", "deml", "matminer", "matscholar_el", "megnet_el")
SYMBOLS = [Element.from_Z(z).symbol for z in range(1, 119)]
COMBINATIONS = {symbol: len(Element(symbol).common_oxidation_states) for symbol in SYMBOLS}


@functools.cache
def load(preset="magpie", names=FOUR):
    """Load the artifact as a worker does: from a saved MLflow model."""
    folder = Path(tempfile.mkdtemp(prefix="featurizer-"))
    return build_featurizer(preset, names, folder).loaded


@functools.cache
def reference(preset="magpie", names=FOUR):
    made = {
        "Stoichiometry": Stoichiometry,
        "ElementProperty": lambda: ElementProperty.from_preset(preset),
        "ValenceOrbital": lambda: ValenceOrbital(props=["frac"]),
        "IonProperty": lambda: IonProperty(fast=True),
        "ElementFraction": ElementFraction,
        "BandCenter": BandCenter,
    }
    featurizer = MultipleFeaturizer([made[name]() for name in names])
    featurizer.set_n_jobs(1)
    return featurizer


def assert_identical(formulas, preset="magpie", names=FOUR):
    features, rows, index, rejected = load(preset, names).featurize(formulas)
    assert rejected == {}
    assert rows == list(range(len(formulas)))
    with np.errstate(all="ignore"):
        compositions = [Composition(formula) for formula in formulas]
        expected = reference(preset, names).featurize_many(compositions, pbar=False)
    expected = np.array(expected, np.float64)
    differs = ~((features[index] == expected) | (np.isnan(features[index]) & np.isnan(expected)))
    where = [(formulas[i], load(preset, names).labels[j]) for i, j in np.argwhere(differs)[:5]]
    assert not differs.any(), where


def all_formulas():
    with gzip.open(DATA, "rt") as file:
        return [row["formula"] for row in csv.DictReader(file)]


def test_identical_on_formulas_of_the_materials_project():
    assert_identical(random.Random(0).sample(all_formulas(), 2000))


@pytest.mark.slow
def test_identical_on_a_tenth_of_the_bundled_formulas():
    """``benchmarks/throughput.py`` compares all of them, which takes matminer minutes."""
    assert_identical(all_formulas()[::10])


@pytest.mark.parametrize("preset", PRESETS)
def test_identical_for_every_preset_and_element(preset):
    assert load(preset).labels == reference(preset).feature_labels()
    compounds = [f"{a}{b}0.37O2" for a, b in itertools.pairwise(SYMBOLS[8:])]
    assert_identical([*SYMBOLS, *compounds[::4], "D2O", "HDO", "T2", "DTHC"], preset)


AMOUNTS = st.one_of(
    st.integers(1, 40),
    st.sampled_from([1, 1.0, 1.000009, 1.00001, 1.00002, 0.99999, 0.5, 1 / 3, 2 / 3]),  # modes tie
    st.floats(0.001, 20),
    st.floats(1e-8, 1e-6),  # below, pymatgen drops an element, and we reject it
    st.floats(1e6, 1e11),
).map(lambda amount: format(amount, ".17g").replace("e-0", "e-"))


@st.composite
def formulas(draw, largest, most_combinations=math.inf):
    symbols = draw(st.lists(st.sampled_from([*SYMBOLS, "D", "T"]), min_size=1, max_size=largest))
    kept, product = [], 1
    for symbol in dict.fromkeys(symbols):
        product *= max(1, COMBINATIONS.get(symbol, 2))
        if product <= most_combinations:
            kept.append(symbol)
    terms = [(symbol, draw(AMOUNTS)) for symbol in kept]
    return "".join(f"{symbol}{amount}" for symbol, amount in terms).replace("e+", "e")


@given(st.lists(formulas(20), min_size=1, max_size=12), st.sampled_from(PRESETS))
@settings(max_examples=60, deadline=None)
def test_identical_for_up_to_twenty_elements(some, preset):
    assert_identical(some, preset, FOUR[:3])


@given(st.lists(formulas(9, most_combinations=200), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_identical_neutrality(some):
    assert_identical(some, names=("IonProperty",))


@given(st.lists(formulas(20), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_identical_fractions(some):
    assert_identical(some, names=("ElementFraction",))


def test_identical_fractions_of_every_element_and_of_traces():
    traces = ["Fe1e5O0.0009", "Fe1e8O", "Fe100000000O1.0000001", "O1e-8Fe0.99999999", "D3HTO"]
    assert_identical([*SYMBOLS, *traces, *all_formulas()[::500]], names=FIVE)


def test_identical_where_amounts_nearly_tie_for_the_mode():
    near = [1 - 2e-5, 1 - 1e-5, 1 - 9e-6, 1 - 1e-6, 1 + 1e-6, 1 + 9e-6, 1 + 1e-5, 1 + 1.1e-5]
    assert_identical([f"Fe{size}O{size * a:.12g}Li0.1" for a in near for size in (1, 7, 0.003)])


def test_identical_where_a_square_and_a_product_differ():
    draw = random.Random(0)
    pairs = [
        (round(draw.uniform(0.1, 9), 7), round(draw.uniform(0.1, 9), 7)) for _ in range(60_000)
    ]
    pairs = [(a, b) for a, b in pairs if (a + b) ** 2 != (a + b) * (a + b)] + pairs[:10]
    assert_identical([f"Ti{a}O{b}" for a, b in pairs[:60]], "megnet_el", ("ElementProperty",))


def test_identical_where_rounding_decides_neutrality():
    tiny = [f"Na1Cl{1 + k * 1e-9:.17g}" for k in range(5, 16)]
    large = [f"Fe{2 * a}O{3 * a}" for a in (0.1, 1e7 + 0.1, 123456789.1, 1.1e9, 1e11 + 0.3)]
    sums = [
        f"Li{a}Fe{b}O{c}" for a, b, c in [(0.1, 0.2, 0.35), (1e7 / 3, 0.7, 2.1), (0.3, 0.3, 0.6)]
    ]
    # Enough of them that they are worked on together, and then each alone.
    assert_identical([*tiny, *large, *sums] * 3 + all_formulas()[:100], names=("IonProperty",))
    for formula in [*tiny, *large, *sums]:
        assert_identical([formula], names=("IonProperty",))


@pytest.mark.parametrize(
    ("formula", "neutral"),
    [
        ("S2Cl3Se1Br2I1Te1H2Mn2", True),  # 38,400 combinations
        ("S2Cl3Se1Br2I1Te1H3Mn2", False),  # all of them odd
        ("S0.2Cl0.3Se0.1Br0.2I0.1Te0.1H0.2Mn0.2", True),
        ("S0.11Cl0.3Se0.17Br0.21I0.13Te1.7H0.039Li0.777", False),
        ("S0.11Cl0.3Se0.17Br0.21I0.13Te1.7H0.039Li4.301000005", True),  # one way, 5e-9 from zero
        ("S0.11Cl0.3Se0.17Br0.21I0.13Te1.7H0.039Li4.300999995", True),
    ],
)
def test_identical_for_very_many_combinations_of_oxidation_states(formula, neutral):
    assert_identical([formula], names=("IonProperty",))
    features, *_ = load(names=("IonProperty",)).featurize([formula])
    assert features[0, 0] == neutral


def test_a_composition_alone_and_in_a_crowd_is_the_same():
    some = [
        *all_formulas()[::3000],
        "CuSO4·5H2O",
        "Fe₂O₃",
        "Li0.5CoO2",
        "CH3CH2OH",
        "[Co(NH3)6]Cl3",
    ]
    crowd, _, index, _ = load().featurize(some)
    for row, formula in enumerate(some):
        alone, *_ = load().featurize([formula])
        np.testing.assert_array_equal(alone[0], crowd[index[row]], strict=True)


def test_each_composition_is_computed_once_and_rows_stay_in_order():
    given_rows = ["NaCl", "Fe2O3", None, "NaCl", "Na1Cl1", "Xx", "Na Cl", "(Na)Cl", "ClNa", "Fe2O3"]
    features, rows, index, rejected = load().featurize(given_rows * 5)  # more than one at a time
    assert features.shape == (3, 145)
    assert features.flags.c_contiguous
    assert features.dtype == np.float64
    assert rows == [row for row in range(50) if row % 10 not in (2, 5)]
    assert index == [0, 1, 0, 0, 0, 0, 2, 1] * 5
    assert sorted(rejected) == [row for row in range(50) if row % 10 in (2, 5)]
    nothing, rows, index, rejected = load().featurize([])
    assert (nothing.shape, rows, index, rejected) == ((0, 145), [], [], {})


@st.composite
def compositions(draw):
    """Arrays as an enumerator hands them over: some elements absent, some named twice."""
    width = draw(st.integers(1, 9))
    amounts = st.one_of(st.just(0.0), st.integers(1, 20).map(float), st.floats(1e-9, 1e3))
    row = st.lists(st.tuples(st.integers(1, 30), amounts), min_size=width, max_size=width)
    return np.array(draw(st.lists(row, min_size=1, max_size=20)))


@given(compositions())
@settings(max_examples=100, deadline=None)
def test_arrays_give_the_features_of_their_formulas(rows):
    numbers, amounts = rows[:, :, 0].astype(int), rows[:, :, 1]
    features, rejected = load().featurize_compositions(numbers, amounts)
    texts = [
        "".join(
            f"{SYMBOLS[z - 1]}{amount:.17g}".replace("e-0", "e-")
            for z, amount in zip(number, row, strict=True)
            if amount
        )
        for number, row in zip(numbers.tolist(), amounts.tolist(), strict=True)
    ]
    expected, accepted, index, _ = load().featurize(texts)
    assert sorted(rejected) == sorted(set(range(len(texts))).difference(accepted))
    np.testing.assert_array_equal(features[accepted], expected[index])
    assert np.isnan(features[list(rejected)]).all()


def test_arrays_that_are_no_compositions_are_rejected_by_row():
    numbers = [[11, 17], [11, 0], [119, 8], [11, 17], [11, 17], [11, 17], [26, 26], [11, 17]]
    amounts = [[1, 1], [1, 0], [1, 1], [-1, 1], [np.nan, 1], [1, 1e-9], [1, 2], [0, 0]]
    features, rejected = load().featurize_compositions(numbers, amounts)
    assert rejected == {
        2: "an atomic number is not between 1 and 118",
        3: "an amount is negative or not a number",
        4: "an amount is negative or not a number",
        5: "an amount is under 1e-08",
        7: "no amount is over zero",
    }
    expected, *_ = load().featurize(["NaCl", "Na", "Fe3"])
    np.testing.assert_array_equal(features[[0, 1, 6]], expected)
    with pytest.raises(ValueError, match=r"\(rows, width\)"):
        load().featurize_compositions([11, 17], [1, 1])


def test_a_search_through_too_many_oxidation_states_is_refused():
    with_states = [symbol for symbol in SYMBOLS if COMBINATIONS[symbol]]
    texts = ["NaCl", "".join(with_states), "".join(SYMBOLS), "".join(with_states[:40])]
    _, rows, index, rejected = load().featurize(texts)
    assert (rows, index) == ([0, 2, 3], [0, 1, 2])  # helium has none at all: settled at once
    assert rejected[1].startswith("100 elements have too many combinations of oxidation states")


def test_an_element_the_preset_has_no_data_for_is_refused(tmp_path):
    tables = tmp_path / "tables.npz"
    write_tables(tables, FOUR, "magpie")
    with np.load(tables, allow_pickle=False) as arrays:
        changed = dict(arrays)
    changed["properties"][Element("Tc").Z] = np.nan
    changed["properties"][Element("Re").Z, 3] = np.nan  # one property lacks, not all: no refusal
    np.savez(tables, allow_pickle=False, **changed)
    loaded = load_with(tables, {"featurizers": list(FOUR), "element_property_preset": "magpie"})
    features, rows, index, rejected = loaded.featurize(["NaCl", "TcO2", "ReO3", "TcO2", "NaCl"])
    assert (rows, index) == ([0, 2, 4], [0, 1, 0])
    assert rejected == dict.fromkeys((1, 3), "the preset 'magpie' has no data for Tc")
    assert np.isnan(features).any(axis=1).tolist() == [False, True]


def load_with(tables, configuration):
    mlflow.pyfunc.save_model(
        tables.parent / "model",
        python_model=str(CODE),
        artifacts={
            "tables": str(tables),
            "compositions": str(COMPOSITIONS),
            "kernels": str(KERNELS),
        },
        model_config=configuration,
        pip_requirements=["mlflow"],
    )
    return mlflow.pyfunc.load_model(str(tables.parent / "model")).unwrap_python_model()


@pytest.mark.parametrize(("preset", "names"), [("deml", FOUR), ("magpie", FOUR[::-1])])
def test_tables_of_another_configuration_are_refused(tmp_path, preset, names):
    tables = tmp_path / "tables.npz"
    write_tables(tables, FOUR, "magpie")
    with pytest.raises(ValueError, match="the tables are for"):
        load_with(tables, {"featurizers": list(names), "element_property_preset": preset})


def test_any_subset_and_order_of_featurizers():
    some = all_formulas()[::2000]
    mixed = ("IonProperty", "ElementFraction", "Stoichiometry")
    for names in [mixed, ("ValenceOrbital",), FIVE[::-1]]:
        assert_identical(some, names=names)


def test_other_featurizers_are_computed_by_matminer():
    names = ("Stoichiometry", "BandCenter")
    assert load(names=names).labels == reference(names=names).feature_labels()
    assert_identical([*all_formulas()[::3000], "NaCl", "Na1Cl1"], names=names)


def test_what_matminer_cannot_featurize_is_refused():
    loaded = load(names=("Stoichiometry", "OxidationStates"))
    features, rows, index, rejected = loaded.featurize(["NaCl", "KCl", "NaCl"])
    assert (features.shape, rows, index) == ((0, len(loaded.labels)), [], [])
    assert set(rejected) == {0, 1, 2}
    assert all("Oxidation states have not been determined" in why for why in rejected.values())


def test_prediction_behind_mlflow_is_the_same():
    loaded = load()
    formulas = pd.DataFrame({"formula": ["NaCl", "??", "Fe2O3"]}, index=[7, 8, 9])
    frame = loaded.predict(None, formulas)
    features, *_ = loaded.featurize(["NaCl", "Fe2O3"])
    assert list(frame.columns) == loaded.labels
    assert list(frame.index) == [7, 8, 9]
    np.testing.assert_array_equal(frame.to_numpy()[[0, 2]], features)
    assert np.isnan(frame.to_numpy()[1]).all()
    for same in (list(formulas["formula"]), formulas["formula"], formulas["formula"].to_numpy()):
        np.testing.assert_array_equal(loaded.predict(None, same).to_numpy(), frame.to_numpy())


ALONE = """
import sys, types, importlib.util
spec = importlib.util.spec_from_file_location("artifact", sys.argv[1])
artifact = importlib.util.module_from_spec(spec)
sys.modules["artifact"] = artifact
spec.loader.exec_module(artifact)
featurizer = artifact.CompositionFeaturizer()
featurizer.load_context(types.SimpleNamespace(
    artifacts=dict(zip(("tables", "compositions", "kernels"), sys.argv[2:5])),
    model_config={"featurizers": sys.argv[5].split(), "element_property_preset": "magpie"}))
features, *_ = featurizer.featurize(["NaCl", "CuSO4·5H2O", "Ca(OH)2", "?"] * 10)
assert features.shape == (3, 263)
print(sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_a_worker_needs_neither_matminer_nor_pymatgen_nor_this_package(tmp_path):
    tables = tmp_path / "tables.npz"
    write_tables(tables, FIVE, "magpie")
    ran = subprocess.run(  # a process of its own: this one has imported all of them
        [sys.executable, "-B", "-c", ALONE, CODE, tables, COMPOSITIONS, KERNELS, " ".join(FIVE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    for package in ("matminer", "pymatgen", "sklearn", "matminer_compute"):
        assert f"'{package}'" not in ran.stdout
