"""Kinds of estimators side by side, as ``model train --compare`` prints them."""

import json

import pytest
from click.testing import CliRunner

from matminer_compute.model.__main__ import train
from matminer_compute.model.comparing import CANDIDATES
from matminer_compute.model.training_data import load_data

FEW = ["--compare", "--rows", "150", "--folds", "3", "--n-estimators", "3", "--json"]


@pytest.fixture(scope="module")
def compared():
    """As one asks for it of data that the estimator which takes longest cannot take whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matminer_compute.model.options._ENOUGH", 60)
        done = CliRunner().invoke(train, FEW)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_all_kinds_are_judged_on_the_same_rows(compared):
    assert compared["rows"] == 150
    assert compared["unit"] == "eV/atom"
    rows = {row["name"]: row for row in compared["compared"]}
    assert list(rows) == list(CANDIDATES)
    for row in rows.values():
        assert 0.05 < row["MAE"] <= row["RMSE"] < 3
        assert 0.6 < row["coverage"] <= 1
        assert row["bytes"] > 1000
        assert row["microseconds"] > 0


def test_all_are_judged_on_as_many_rows_as_the_one_that_takes_longest(compared):
    assert compared["judged"] == 100


def test_a_median_is_of_the_same_trees_as_the_mean(compared):
    rows = {row["name"]: row for row in compared["compared"]}
    mean, median = rows["random forest"], rows["random forest, median"]
    assert mean["bytes"] == median["bytes"]
    assert mean["MAE"] != median["MAE"]


def test_a_person_gets_a_table_and_rows_that_cannot_be_used_are_named_or_skipped(tmp_path):
    data = load_data().take(98)
    lines = [f"{formula},{n % 7}" for n, formula in enumerate(data.formulas)]
    lines[3:3] = ["not a formula,1.0", "NaCl,much"]
    path = tmp_path / "own.csv"
    path.write_text("\n".join(["formula,gap", *lines]) + "\n")
    own = ["--compare", "--data", str(path), "--unit", "eV", "--folds", "2", "--n-estimators", "3"]
    refused = CliRunner().invoke(train, own)
    assert refused.exit_code == 1
    assert "2 rows cannot be used:\n  row 5: the formula 'not a formula'" in refused.stderr
    done = CliRunner().invoke(train, [*own, "--skip-bad-rows"])
    assert done.exit_code == 0, done.output
    head, rule, *rows, _, judged = done.stdout.splitlines()
    assert head.startswith("| estimator ")
    assert "MAE (eV)" in head
    assert set(rule) == set("| -:")
    assert [row.split("|")[1].strip() for row in rows] == list(CANDIDATES)
    assert judged.startswith("Judged on the same 98 of 98 rows (2 left out), by models")
    assert len({len(line) for line in (head, rule, *rows)}) == 1
