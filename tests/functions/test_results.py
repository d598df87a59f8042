"""What the functions answer, against the original way of asking the same models."""

import csv
import gzip
import json
import py_compile
import re
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matminer_compute.functions import featurize_composition, predict, predict_composition


@pytest.fixture(scope="module")
def bundled_formulas():
    """All 89,866 formulas of the bundled data."""
    path = files("matminer_compute.model") / "data" / "mp_e_form.csv.gz"
    with path.open("rb") as packed, gzip.open(packed, "rt", encoding="utf-8") as file:
        return [row["formula"] for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def real_formulas(bundled_formulas):
    """2,000 of them, spread over all."""
    return bundled_formulas[:: len(bundled_formulas) // 2000][:2000]


def test_two_thousand_real_formulas_as_the_original_does_it(worker, real_formulas):
    """matminer's own ``featurize_many`` and ``Pipeline.predict``, to the last bit."""
    import mlflow
    from matminer.featurizers import composition as cf
    from matminer.featurizers.base import MultipleFeaturizer
    from pymatgen.core import Composition

    original = MultipleFeaturizer(
        [
            cf.Stoichiometry(),
            cf.ElementProperty.from_preset("magpie"),
            cf.ValenceOrbital(props=["frac"]),
            cf.IonProperty(fast=True),
        ]
    )
    original.set_n_jobs(1)
    features = original.featurize_many([Composition(f) for f in real_formulas], pbar=False)
    pipeline = mlflow.sklearn.load_model("models:/Matminer@Production")

    featurized = featurize_composition(real_formulas, encode=False)
    np.testing.assert_array_equal(
        featurized["features"][featurized["index"]], np.asarray(features, dtype=float)
    )
    answer = predict_composition(real_formulas)
    np.testing.assert_array_equal(answer["values"], pipeline.predict(np.asarray(features)))
    assert answer["rows"] == list(range(len(real_formulas)))


def test_all_bundled_formulas_as_scikit_learn_predicts_them(worker, bundled_formulas):
    """From our features, which ``tests/model/test_featurizer.py`` compares with matminer's."""
    import mlflow

    pipeline = mlflow.sklearn.load_model("models:/Matminer@Production")
    featurized = featurize_composition(bundled_formulas, encode=False)
    features = featurized["features"][featurized["index"]]
    answer = predict_composition(bundled_formulas)
    np.testing.assert_array_equal(answer["values"], pipeline.predict(features))
    assert answer["rejected"] == {}


def test_a_store_that_is_a_disk_serves_on_when_somebody_has_loaded_from_it_in_place(worker):
    """Python leaves bytecode beside a model from code; that is not the artifact altered."""
    code = [*worker.folder.rglob("composition_featurizer.py"), *worker.folder.rglob("regressor.py")]
    bytecode = [Path(py_compile.compile(str(path), doraise=True)) for path in code]
    try:
        assert bytecode, "no code of a model in the store"
        assert predict_composition(["NaCl"])["rejected"] == {}
    finally:
        for folder in {left.parent for left in bytecode}:
            shutil.rmtree(folder)


def test_an_answer_is_plain_json(worker):
    answer = predict_composition(["NaCl", "nonsense"])
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer


def test_no_formulas_give_no_rows(worker):
    answer = predict_composition([])
    assert (answer["values"], answer["rows"], answer["rejected"]) == ([], [], {})
    assert answer["unit"] == "eV/atom"


def test_a_bare_string_is_an_error_that_says_so(worker):
    with pytest.raises(TypeError, match=r"\[formulas-not-a-list\].*\['NaCl'\]"):
        predict_composition("NaCl")


def test_asked_without_features_predict_says_which_pair_would_answer(worker):
    pair = predict(None)
    assert pair["values"] == []
    assert pair["featurizer"]["name"] == "Matminer Featurizer"
    assert pair["featurizer"]["version"] == worker.trained.published.featurizer_version


@pytest.mark.parametrize(
    ("formula", "same_as"),
    [
        ("  Fe2O3 ", "Fe2O3"),
        ("Fe₂O₃", "Fe2O3"),
        ("CuSO4·5H2O", "CuSO4(H2O)5"),
        ("CuSO4*5H2O", "CuSO4(H2O)5"),
        ("Li0.5CoO2", "LiCo2O4"),
        ("K[Fe(CN)6]", "KFeC6N6"),
        ("D2O", "H2O"),
    ],
)
def test_a_formula_may_be_written_as_chemists_do(worker, formula, same_as):
    answer = featurize_composition([formula, same_as], encode=False)
    assert answer["rejected"] == {}
    one, other = answer["features"][answer["index"]]
    # Other amounts of the same composition: equal to rounding, not to the bit.
    np.testing.assert_allclose(one, other, rtol=1e-9)


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("Xx2O3", "Xx"),
        ("Na-1Cl", "-"),
        ("Na0Cl", "zero"),
        ("(NaCl", r"\("),
        ("NaCl)2", r"\)"),
        (None, "NoneType"),
        (3.5, "float"),
        ({"Na": 1}, "dict"),
        ("NaCl" * 300, "1,?000"),
    ],
)
def test_a_bad_row_is_rejected_with_a_reason_and_harms_no_other(worker, formula, reason):
    good = predict_composition(["NaCl", "Fe2O3"])
    answer = predict_composition(["NaCl", formula, "Fe2O3"])
    assert answer["rows"] == [0, 2]
    assert answer["values"] == good["values"]
    assert re.search(reason, answer["rejected"]["1"])


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.one_of(st.text(), st.integers(), st.none(), st.sampled_from(["NaCl", "MgO"]))))
def test_whatever_is_asked_each_row_is_answered_or_rejected(worker, rows):
    answer = predict_composition(rows)
    rejected = {int(row) for row in answer["rejected"]}
    assert sorted([*answer["rows"], *rejected]) == list(range(len(rows)))
    assert len(answer["values"]) == len(answer["std"]) == len(answer["rows"])
    assert all(answer["rejected"].values())


@pytest.mark.parametrize(
    "featurized",
    [
        {},
        [],
        {"features": "not base64!", "rows": [0], "featurizer": {}},
    ],
)
def test_features_of_another_form_are_refused(worker, featurized):
    with pytest.raises((ValueError, RuntimeError), match=r"\[(bad-features|feature-schema)"):
        predict(featurized)


def test_features_that_are_not_an_npz_are_refused(worker):
    featurized = featurize_composition(["NaCl"])
    for broken in ("", "AAAA", featurized["features"][:40]):
        with pytest.raises(ValueError, match=r"\[bad-features\]"):
            predict({**featurized, "features": broken})
    with pytest.raises(ValueError, match=r"\[bad-features\] 1 rows of features for 2"):
        predict({**featurized, "rows": [0, 1]})


def test_features_of_another_schema_are_refused(worker):
    featurized = featurize_composition(["NaCl"])
    featurized["featurizer"]["schema"] = "0" * 64
    with pytest.raises(RuntimeError, match=r"\[feature-schema-mismatch\].*featurize again"):
        predict(featurized)


def test_a_row_far_from_all_training_formulas_has_a_value_and_says_so(worker):
    asked = ["Fe2O3", "Fe203", "xx", "U99999"]
    featurized = json.loads(json.dumps(featurize_composition(asked)))
    assert list(featurized["outside"]) == ["1", "3"]
    assert featurized["outside"]["1"].endswith("did you mean the letter O?")
    for answer in (predict(featurized), predict_composition(asked)):
        assert answer["outside"] == featurized["outside"]
        assert answer["rows"] == [0, 1, 3]
        assert all(value is not None for value in answer["values"])
