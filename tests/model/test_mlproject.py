"""``mlflow run model``: in this environment, and in a fresh one that mlflow makes."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from matminer_compute.model import TrainOptions, list_versions
from matminer_compute.model.__main__ import train as command

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "model"


def _mlproject():
    return yaml.safe_load((PROJECT / "MLproject").read_text())["entry_points"]["main"]


def test_the_project_offers_what_the_command_takes():
    entry = _mlproject()
    flags = dict(re.findall(r"--(\S+) \{(\w+)\}", entry["command"]))
    assert {flag.replace("-", "_"): name for flag, name in flags.items()} == {
        name: name for name in entry["parameters"]
    }
    flags_only = {"as_json", "compare", "skip_bad_rows"}  # a project has parameters, no flags
    assert {option.name for option in command.params} - flags_only == set(entry["parameters"])
    for name, parameter in entry["parameters"].items():
        of_library = getattr(TrainOptions(), name)
        wanted = ",".join(of_library) if isinstance(of_library, tuple) else of_library
        assert parameter["default"] == wanted, name


def test_the_fresh_environment_has_what_the_extra_has():
    dependencies = yaml.safe_load((PROJECT / "python_env.yaml").read_text())["dependencies"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    rich = next(line for line in project["dependencies"] if line.startswith("rich"))
    assert sorted(dependencies) == sorted([*project["optional-dependencies"]["model"], rich])


def _run(folder, tmp_path, uri, *arguments, **more):
    env = {
        **os.environ,
        "MLFLOW_TRACKING_URI": uri,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **more,
    }
    command = [sys.executable, "-m", "mlflow", "run", str(folder), *arguments]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_mlflow_run_here(tmp_path, empty_uri):
    _run(
        PROJECT,
        tmp_path,
        empty_uri,
        *("--env-manager", "local", "-P", "rows=80", "-P", "n_estimators=4"),
        *("-P", "estimator=extra-trees", "--experiment-name", "mine"),
    )
    (version,) = list_versions(tracking_uri=empty_uri)
    client = MlflowClient(empty_uri)
    run = client.get_run(version.run_id)
    assert client.get_experiment(run.info.experiment_id).name == "mine"
    assert run.data.params["rows"] == "80"
    assert run.data.params["estimator"] == "extra-trees"
    assert run.data.tags["mlflow.project.entryPoint"] == "main"
    assert version.metrics["MAE"] > 0
    assert client.download_artifacts(version.run_id, "plots/parity.png")


def test_the_lines_of_the_readme_use_the_registry_that_the_command_lists(tmp_path):
    """As they stand, on fewer rows, from nothing: no registry and no MLFLOW_TRACKING_URI."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    (lines,) = [block for block in blocks if "mlflow run" in block]
    script = lines.replace("rows=4000", "rows=80 -P n_estimators=3") + "matminer-compute model list"
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_TRACKING")},
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = ["bash", "-ec", script]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^1\t", done.stdout, re.M), done.stdout
    folder = tmp_path / "data" / "matminer-compute"
    (version,) = list_versions(tracking_uri=f"sqlite:///{folder / 'registry.db'}")
    run = MlflowClient(f"sqlite:///{folder / 'registry.db'}").get_run(version.run_id)
    assert run.info.artifact_uri.startswith((folder / "artifacts").as_uri())


@pytest.mark.slow
def test_mlflow_run_in_a_fresh_environment(tmp_path, empty_uri):
    """The environment lacks the package: what runs is the checkout's code."""
    checkout = tmp_path / "checkout"
    shutil.copytree(PROJECT, checkout / "model", ignore=shutil.ignore_patterns("__pycache__"))
    for room in ("errors", "functions", "registration"):
        shutil.copytree(ROOT / room, checkout / room)
    _run(
        checkout / "model",
        tmp_path,
        empty_uri,
        *("--env-manager", "uv", "-P", "rows=80", "-P", "n_estimators=4", "-P", "name=Fresh"),
        MLFLOW_ENV_ROOT=str(tmp_path / "envs"),
        PYTHONNOUSERSITE="1",
    )
    (version,) = list_versions("Fresh", tracking_uri=empty_uri)
    assert version.metrics["MAE"] > 0
    (environment,) = (tmp_path / "envs").rglob("site-packages")
    assert not list(environment.glob("matminer_compute*"))
