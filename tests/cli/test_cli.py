"""The command as a person or a script meets it: what is printed where, and the exit codes."""

import csv
import inspect
import io
import json
import shutil
import subprocess
import sys
import uuid

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from matminer_compute.cli import main
from matminer_compute.functions import predict

FORMULAS = ["NaCl", "not a formula", "Fe2O3"]


@pytest.fixture
def run(registry, tmp_path, monkeypatch):
    """Run the command on a copy of the shared registry; nothing of the user's is touched."""
    shutil.copy(registry.folder / "registry.db", tmp_path / "registry.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'registry.db'}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("MATMINER_COMPUTE_ENDPOINT", raising=False)
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(main, arguments)


def test_predict_prints_one_json_object(run, registry):
    done = run("predict", *FORMULAS, "--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [row["formula"] for row in answer["predictions"]] == FORMULAS
    assert set(answer["predictions"][0]) == {"formula", "value", "std"}
    assert set(answer["predictions"][1]) == {"formula", "rejected"}
    assert answer["property"] == "formation_energy_per_atom"
    assert answer["unit"] == "eV/atom"
    assert answer["model"]["version"] == registry.trained.published.version
    assert answer["featurizer"]["name"] == "Matminer Featurizer"
    assert answer["worker"]["cold"] is True


def test_predict_prints_a_table_for_a_person_and_who_answered_beside_it(run):
    done = run("predict", *FORMULAS)
    assert done.exit_code == 0, done.stderr
    assert "NaCl" in done.stdout
    assert "eV/atom" in done.stdout
    assert "version" not in done.stdout
    assert "Matminer version 1" in done.stderr
    assert "cold worker" in done.stderr


def test_a_row_outside_the_training_data_is_marked_and_explained(run):
    done = run("predict", "Fe2O3", "Fe203")
    assert done.exit_code == 0, done.stderr
    assert "Fe203 !" in done.stdout
    assert "Fe2O3 !" not in done.stdout
    assert "! Fe203, outside the training data: an amount of 203 for Fe" in done.stderr


def test_both_chains_print_the_same_predictions(run):
    one, two = (run("predict", *FORMULAS, "--json", "--chain", c) for c in ("endpoint", "client"))
    assert json.loads(one.stdout)["predictions"] == json.loads(two.stdout)["predictions"]


def test_featurize_writes_the_same_numbers_to_csv_and_parquet(run, tmp_path):
    assert run("featurize", *FORMULAS, "-o", "f.csv").exit_code == 0
    assert run("featurize", *FORMULAS, "-o", "f.parquet").exit_code == 0
    printed = run("featurize", *FORMULAS)
    assert (tmp_path / "f.csv").read_text().splitlines() == printed.stdout.splitlines()
    assert "not a formula: rejected" in printed.stderr
    header, *rows = csv.reader(io.StringIO(printed.stdout))
    table = pq.read_table(tmp_path / "f.parquet")
    assert table.column_names == header
    for row, record in zip(rows, table.to_pylist(), strict=True):
        assert row[0] == record["formula"]
        numbers = [float(cell) if cell else np.nan for cell in row[1:]]
        np.testing.assert_array_equal(numbers, list(record.values())[1:])
    assert set(rows[1][1:]) == {""}


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict",),
        ("featurize", "NaCl", "-o", "f.xlsx"),
        ("predict", "NaCl", "--chain", "both"),
        ("register", "--public", "--group", "x"),
        ("nothing",),
    ],
)
def test_wrong_usage_exits_with_2(run, arguments):
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("predict", "NaCl", "--model", "Nothing"), "no 'Nothing'; it has 'Matminer'"),
        (("predict", "NaCl", "--version", "99"), "has no version 99; it has 1"),
        (("predict", "NaCl", "--bundle", "nowhere.json"), "ask the publisher"),
        (("predict", "NaCl", "--endpoint", str(uuid.uuid4())), "ask the publisher"),
        (("register", "--check", "-o", "nowhere.json"), "matminer-compute register"),
        (("model", "promote", "99"), "99"),
        (("model", "train", "--data", "nowhere.csv"), "nowhere.csv"),
    ],
)
def test_an_error_of_ours_is_one_sentence_and_exits_with_1(run, arguments, sentence):
    done = run(*arguments)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_an_endpoint_id_that_is_none_is_a_usage_error(run):
    done = run("predict", "NaCl", "--endpoint", "my-endpoint")
    assert done.exit_code == 2
    assert "UUID" in done.stderr


def test_the_endpoint_may_come_from_the_environment(run, monkeypatch):
    monkeypatch.setenv("MATMINER_COMPUTE_ENDPOINT", str(uuid.uuid4()))
    done = run("predict", "NaCl")
    assert done.exit_code == 1
    assert "bundle.json" in done.stderr


def test_a_publisher_lists_and_promotes(run):
    listed = json.loads(run("model", "list", "--json").stdout)
    (version,) = listed["versions"]
    assert version["aliases"] == ["Production"]
    assert version["metrics"]["MAE"] > 0
    assert "Production" in run("model", "list").stdout
    promoted = run("model", "promote")
    assert promoted.exit_code == 0, promoted.stderr
    assert "Production: Matminer version 1 with Matminer Featurizer version 1" in promoted.stdout
    misspelt = run("model", "list", "--model", "Matmimer")
    assert misspelt.exit_code == 1
    assert "its models are 'Matminer'" in misspelt.stderr


def test_a_publisher_publishes_what_was_trained_elsewhere(run, tmp_path):
    import skops.io
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor(max_depth=3).fit(
        np.random.default_rng(0).random((80, 145)), range(80)
    )
    skops.io.dump(tree, tmp_path / "tree.skops")
    arguments = ("model", "publish", "tree.skops", "--property", "gap", "--unit", "eV", "--json")
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert "'Matminer' predicts formation_energy_per_atom (eV/atom)" in refused.stderr
    assert "--name 'Gap'" in refused.stderr
    done = run(*arguments, "--name", "Band Gap")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "Band Gap"
    assert run("model", "promote", "--model", "Band Gap").exit_code == 0
    answer = json.loads(run("predict", "NaCl", "--model", "Band Gap", "--json").stdout)
    assert (answer["property"], answer["unit"]) == ("gap", "eV")
    assert answer["predictions"][0]["std"] is None


def test_help_is_quick_to_import_nothing_heavy():
    code = (
        "import sys; sys.argv = ['matminer-compute', '--help']\n"
        "from matminer_compute.cli import main\n"
        "try: main()\n"
        "except SystemExit as done: assert done.code == 0\n"
        "heavy = {'mlflow', 'matminer', 'pymatgen', 'sklearn', 'globus_compute_sdk'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("command", [(), ("register",), ("model", "train"), ("model", "list")])
def test_each_command_explains_itself(run, command):
    done = run(*command, "--help")
    assert done.exit_code == 0
    assert "usage" in done.stdout.lower()


def test_functions_show_prints_what_travels(run):
    done = run("functions", "show", "predict")
    assert done.exit_code == 0
    assert done.stdout == inspect.getsource(predict)
    wrong = run("functions", "show", "predicts")
    assert wrong.exit_code == 2
    assert "predict_composition" in wrong.stderr
