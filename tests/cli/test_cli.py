"""The command as a person or a script meets it: what is printed where, and the exit codes."""

import csv
import inspect
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waiting import until

from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.functions import predict
from matminer_compute.registration import Bundle, RegisteredFunction, register
from matminer_compute.registration.address import address_fault

COMMAND = [sys.executable, "-m", "matminer_compute.cli"]

FORMULAS = ["NaCl", "not a formula", "Fe2O3"]


def test_predict_prints_one_json_object(run, registry):
    done = run("predict", *FORMULAS, "--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [row["formula"] for row in answer["predictions"]] == FORMULAS
    assert set(answer["predictions"][0]) == {"formula", "value", "std", "lower", "upper"}
    assert answer["interval"] == 0.9
    assert set(answer["predictions"][1]) == {"formula", "rejected"}
    assert answer["property"] == "formation_energy_per_atom"
    assert answer["unit"] == "eV/atom"
    assert answer["model"]["version"] == registry.trained.published.version
    assert answer["featurizer"]["name"] == "Matminer Featurizer"
    assert answer["worker"]["cold"] is True


def test_predict_prints_lines_for_a_pipe_and_who_answered_beside_them(run):
    done = run("predict", "-", "MgO", input="NaCl\r\n\n  Fe₂O₃  \nnot a formula\n")
    assert done.exit_code == 0, done.stderr
    header, *rows = (line.split("\t") for line in done.stdout.splitlines())
    assert header == [
        "formula",
        "formation_energy_per_atom (eV/atom)",
        "std",
        "lower",
        "upper",
        "in_training",
        "rejected",
        "outside",
    ]
    assert [row[0] for row in rows] == ["NaCl", "Fe₂O₃", "not a formula", "MgO"]
    answer = json.loads(run("predict", "NaCl", "--json").stdout)["predictions"][0]
    numbers = [str(answer[name]) for name in ("value", "std", "lower", "upper")]
    assert rows[0][1:] == [*numbers, "", "", ""]
    assert rows[2][1:6] == [""] * 5
    assert "is not an element" in rows[2][6]
    assert "Matminer version 1" in done.stderr
    assert "cold worker" in done.stderr


def test_a_row_outside_the_training_data_is_marked_and_explained(run):
    done = run("predict", "Fe2O3", "Fe203")
    assert done.exit_code == 0, done.stderr
    header, inside, outside = (line.split("\t") for line in done.stdout.splitlines())
    assert header[-1] == "outside"
    assert inside[-1] == ""
    assert outside[-1].startswith("an amount of 203 for Fe")
    assert "Fe203: outside the training data, an amount of 203 for Fe" in done.stderr


def test_formulas_come_from_a_pipe_without_being_asked_for(run):
    done = run("predict", "--json", input="NaCl\nMgO".encode("utf-16"))
    assert [row["formula"] for row in json.loads(done.stdout)["predictions"]] == ["NaCl", "MgO"]


def test_when_no_formula_can_be_used_the_exit_code_is_1(run, tmp_path):
    for command in (("predict",), ("predict", "--json"), ("featurize", "-o", "f.csv")):
        done = run(*command, "xx", "yy")
        assert done.exit_code == 1
        assert "None of the formulas could be used" in done.stderr
    assert len((tmp_path / "f.csv").read_text().splitlines()) == 3


def test_a_table_on_standard_input_is_not_taken_for_formulas(run):
    for table in ("id,Formula\n1,NaCl\n", '"composition";"k"\nNaCl;1\n', "k\tformula\n1\tNaCl\n"):
        done = run("predict", input=table)
        assert done.exit_code == 2
        assert "matminer-compute screen - -o out.csv" in done.stderr
    assert run("predict", input="Li0,5CoO2\nNaCl\n").exit_code == 0


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
        ("register", "--public", "--group", "5d37dd31-2bd4-4a0a-9bbb-4a9d4ab8e1a9"),
        ("register", "--check", "--public"),
        ("register", "--group", "banana"),
        ("nothing",),
        *[("predict", "NaCl", "--timeout", s) for s in ("nan", "-1", "0", "inf", "1e300", "soon")],
        ("predict", "NaCl", "candidates.csv"),
        ("predict", "candidates.csv.gz"),
        ("featurize", "data/some.parquet"),
        ("predict", "./bundle.json"),
    ],
)
def test_wrong_usage_exits_with_2(run, arguments):
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_file_is_not_taken_for_a_formula_nor_a_formula_for_a_file(run, tmp_path):
    done = run("predict", "candidates.csv")
    assert "'candidates.csv' is a file, not a formula" in done.stderr
    (tmp_path / "NaCl").touch()
    assert run("predict", "NaCl").exit_code == 0


def test_bytes_that_are_no_text_are_refused_with_their_line(run):
    done = run("predict", "-", input=b"NaCl\nFe\xb2\n")
    assert done.exit_code == 2
    assert "Line 2 of standard input is not UTF-8" in done.stderr


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("predct", "Did you mean 'predict'?"),
        ("train", "Did you mean 'model train'?"),
        ("init", "Did you mean 'endpoint init'?"),
        ("model lst", "Did you mean 'list'?"),
        ("predict --timeot 3", "Did you mean --timeout?"),
        ("register --grop x", "Did you mean --group?"),
    ],
)
def test_a_slip_is_told_what_was_meant(run, typed, meant):
    done = run(*typed.split())
    assert done.exit_code == 2
    assert meant in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("predict", "NaCl", "--model", "Nothing"), "no 'Nothing'; it has 'Matminer'"),
        (
            ("predict", "NaCl", "--version", "99"),
            "has no version 99 (deleted, or never given); it has 1",
        ),
        (("predict", "NaCl", "--bundle", "nowhere.json"), "ask the publisher"),
        (("predict", "NaCl", "--endpoint", str(uuid.uuid4())), "ask the publisher"),
        (("register", "--check", "-o", "nowhere.json"), "matminer-compute register"),
        (("register", "-o", "nowhere/bundle.json"), "nowhere/bundle.json cannot be written"),
        (("register", "-o", "/dev/full"), "/dev/full cannot be written (it is not a file"),
        (("featurize", "NaCl", "-o", "nowhere/f.csv"), "nowhere/f.csv cannot be written"),
        (("featurize", "NaCl", "-o", "/proc/f.parquet"), "/proc/f.parquet cannot be written"),
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


@pytest.mark.parametrize(
    "command",
    [
        ("predict", "NaCl"),
        ("featurize", "NaCl"),
        ("screen", "in.csv", "-o", "out.csv"),
        ("model", "list"),
        ("describe",),
    ],
)
def test_a_mistyped_registry_is_said_to_be_missing_and_not_made(run, tmp_path, command):
    (tmp_path / "in.csv").write_text("formula\nNaCl\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    mistyped = f"sqlite:///{tmp_path / 'nowhere' / 'regstry.db'}"
    done = run(*command, env={"MLFLOW_TRACKING_URI": f"{mistyped}?password=s3cret"})
    assert done.exit_code == 1
    assert "There is no registry at " in done.stderr
    assert "regstry.db" in done.stderr
    assert "check MLFLOW_TRACKING_URI" in done.stderr
    assert "model train" in done.stderr
    assert "s3cret" not in done.stderr
    left = {path.name for path in tmp_path.iterdir()} - {"cache", "data"}
    assert sorted(left) == before


def test_a_registry_without_a_model_is_named(run, tmp_path):
    empty = f"sqlite:///{tmp_path / 'empty.db'}"
    assert run("model", "registry", env={"MLFLOW_TRACKING_URI": empty}).exit_code == 0
    done = run("predict", "NaCl", env={"MLFLOW_TRACKING_URI": empty})
    assert done.exit_code == 1
    assert f"The registry {empty} has no model" in done.stderr


def test_a_registry_named_from_where_one_stands_is_the_workers_too(run, tmp_path):
    done = run("predict", "NaCl", env={"MLFLOW_TRACKING_URI": "sqlite:///registry.db"})
    assert done.exit_code == 0, done.stderr


def test_an_endpoint_id_that_is_none_is_a_usage_error(run):
    done = run("predict", "NaCl", "--endpoint", "my-endpoint")
    assert done.exit_code == 2
    assert "UUID" in done.stderr


def test_what_is_chosen_is_for_an_endpoint_that_offers_it(run):
    done = run("predict", "NaCl", "--choose", "account=chem-1")
    assert done.exit_code == 2
    assert "--endpoint UUID" in done.stderr
    done = run("predict", "NaCl", "--choose", "account")
    assert done.exit_code == 2
    assert "'account' is not NAME=VALUE" in done.stderr


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
    assert "Featurizer version 1, as before." in promoted.stdout
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


def test_a_result_that_cannot_be_written_leaves_what_was_there(run, tmp_path):
    (tmp_path / "f.csv").write_text("mine")
    assert run("featurize", "NaCl", "-o", "f.csv", "--version", "99").exit_code == 1
    assert (tmp_path / "f.csv").read_text() == "mine"
    assert not list(tmp_path.glob(".f.csv*"))


def test_a_bundle_of_one_kind_of_endpoint_is_not_used_with_the_other(run, tmp_path):
    with EmbeddedEndpoint() as embedded:
        bundle = register(embedded, tmp_path / "bundle.json")
    done = run("predict", "NaCl", "--endpoint", str(uuid.uuid4()))
    assert done.exit_code == 1
    assert "bundle of the embedded endpoint" in done.stderr
    done = run("register", "--check")
    assert done.exit_code == 1
    assert "bundle of the embedded endpoint" in done.stderr
    done = run("register")
    assert done.exit_code == 1
    bundle.model_copy(update={"service": "globus-compute"}).save(tmp_path / "bundle.json")
    assert run("register", "--check").exit_code == 0
    done = run("predict", "NaCl", "--bundle", "bundle.json")
    assert done.exit_code == 2
    assert "give --endpoint UUID" in done.stderr


@pytest.mark.parametrize("command", [("--help",), ("model", "list")])
def test_a_full_disk_is_a_sentence(run, command):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, *command], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


def test_whoever_reads_may_stop_reading(run):
    command = " ".join(shlex.quote(word) for word in COMMAND)
    done = subprocess.run(
        ["bash", "-c", f"{command} model list --json | true"], capture_output=True, text=True
    )
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "lacks"),
    [
        (("demo",), "globus_compute_endpoint"),
        (("model", "list"), "mlflow"),
        (("model", "promote"), "mlflow"),
        (("model", "train"), "mlflow"),
        (("predict", "NaCl"), "globus_compute_endpoint"),
        (("endpoint", "init", "x", "--registry", "http://r:5000"), "globus_compute_endpoint"),
    ],
)
def test_the_client_alone_says_what_to_install(run, tmp_path, arguments, lacks):
    Bundle().save(tmp_path / "bundle.json")
    code = (
        "import sys\n"
        "for name in ('mlflow', 'matminer', 'globus_compute_endpoint', 'pandas'):\n"
        "    sys.modules[name] = None\n"
        "from matminer_compute.cli import main\n"
        "main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"This needs {lacks}, which is not installed" in done.stderr
    assert "install 'matminer-compute[local]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_library_says_it_too():
    code = (
        "import sys\n"
        "sys.modules['globus_compute_endpoint'] = None\n"
        "try:\n"
        "    from matminer_compute.endpoint import EmbeddedEndpoint\n"
        "except ImportError as error:\n"
        "    print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("PackageMissing This needs globus_compute_endpoint")


def test_a_data_folder_that_cannot_be_made_is_a_sentence(run, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setenv("XDG_DATA_HOME", "/proc/nowhere")
    for command in (("predict", "NaCl"), ("demo",), ("model", "list")):
        done = run(*command)
        assert done.exit_code == 1
        assert "set XDG_DATA_HOME" in done.stderr


def test_a_killed_command_leaves_nothing_in_the_temporary_folder(run, tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    code = (
        "import sys\n"
        "from matminer_compute.endpoint import EmbeddedEndpoint\n"
        "def sleep_long():\n"
        "    import time\n"
        "    time.sleep(600)\n"
        "endpoint = EmbeddedEndpoint(workers=1)\n"
        "running = endpoint.submit_to_registered_function(endpoint.register_function(sleep_long))\n"
        "print('runs', flush=True)\n"
        "running.result()"
    )
    (tmp_path / "killed.py").write_text(code)
    for kill in (signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen([sys.executable, "killed.py"], stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "runs\n"
        assert list((tmp_path / "tmp").iterdir())
        process.send_signal(kill)
        process.wait()
        process.stdout.close()
        until(lambda: not list((tmp_path / "tmp").iterdir()))


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["pre"], ["predict"]),
        (["model", "p"], ["publish", "promote"]),
        (["predict", "--ti"], ["--timeout"]),
        (["predict", "--chain", ""], ["endpoint", "client"]),
    ],
)
def test_bash_completes_commands_and_options(typed, offered):
    """As the README has it: bash reads what the command prints, and asks its function."""
    program = Path(sys.executable).with_name("matminer-compute")
    script = (
        'eval "$(_MATMINER_COMPUTE_COMPLETE=bash_source matminer-compute)"\n'
        f"COMP_WORDS=(matminer-compute {shlex.join(typed)}) COMP_CWORD={len(typed)}\n"
        '"$(complete -p matminer-compute | sed "s/.*-F \\([^ ]*\\).*/\\1/")" matminer-compute\n'
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert sorted(done.stdout.split()) == sorted(offered), done.stderr


def test_nothing_of_mlflows_stands_above_our_sentence(run, tmp_path):
    command = [*COMMAND, "predict", "NaCl", "--model", "Nothing"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


COMMANDS = [
    ("demo",),
    ("predict", "NaCl"),
    ("featurize", "NaCl", "-o", "f.csv"),
    ("model", "list"),
    ("model", "promote"),
    ("model", "train", "--rows", "100"),
    ("model", "publish", "b.json", "--property", "gap", "--unit", "eV"),
    ("register", "--check", "-o", "b.json"),
    ("endpoint", "init", "x", "--bundle", "b.json"),
    ("endpoint", "init", "x", "--bundle", "b.json", "--site", "local"),
    ("endpoint", "doctor"),
    ("screen", "candidates.csv", "-o", "out.csv"),
]
SECRETS = st.text(st.sampled_from("a1/?#[]@:%&= \"'\\{}"), max_size=6)


def shows_nothing_of(secret, run, arguments):
    """Run a command with a registry that nobody answers for, and a password in its address."""
    bundle = Bundle(functions={"f": RegisteredFunction(id=str(uuid.uuid4()), sha256="0", name="f")})
    bundle.save("b.json")
    Path("candidates.csv").write_text("formula\nNaCl\n")
    shutil.rmtree("globus", ignore_errors=True)
    address = f"http://alice:s3cr3t{secret}s3cr3t@127.0.0.1:9"
    done = run(
        *arguments, env={"MLFLOW_TRACKING_URI": address, "GLOBUS_COMPUTE_USER_DIR": "globus"}
    )
    assert "s3cr3t" not in done.output
    assert isinstance(done.exception, SystemExit | None)
    return done.output, address


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda command: " ".join(command[:2]))
@pytest.mark.parametrize("secret", ["/", "#", "?", "[", "]", ":/", "@"])
def test_no_command_shows_a_password_that_makes_an_address_unreadable(run, arguments, secret):
    output, address = shows_nothing_of(secret, run, arguments)
    if arguments[0] != "register" and address_fault(address):
        assert "cannot be read" in output


@pytest.mark.parametrize("arguments", COMMANDS[3:5] + COMMANDS[-4:-2], ids=" ".join)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(secret=SECRETS)
def test_no_command_shows_any_password(run, arguments, secret):
    shows_nothing_of(secret, run, arguments)


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


def test_a_registrys_password_is_not_printed_either(run, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://alice:s3cret@127.0.0.1:9")
    done = run("model", "registry")
    assert done.exit_code == 1
    assert "s3cret" not in done.output
