"""The README's commands and code, run as they stand."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCRIPTS = Path(sys.executable).parent


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


COMMANDS = [
    line.split("  #")[0].strip() for block in blocks("console") for line in block.splitlines()
]
SETUP = {"make demo", "make test", "pip install .", "pip install '.[local]'"}


@pytest.fixture(scope="module")
def user(tmp_path_factory, registry):
    """A user's environment: their own folders, and a registry with a promoted model."""
    home = tmp_path_factory.mktemp("user")
    return {
        "environment": {
            **os.environ,
            "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
            "XDG_DATA_HOME": str(home / "data"),
            "XDG_CACHE_HOME": str(home / "cache"),
        },
        "registry": registry.uri,
        "folder": home,
    }


def run(user, *command, registry=None, cwd=None):
    environment = dict(user["environment"])
    if registry:
        environment["MLFLOW_TRACKING_URI"] = registry
    return subprocess.run(
        command,
        env=environment,
        cwd=cwd or user["folder"],
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_command_is_run_by_some_test():
    """The set-up commands by CI and by hand; `make` targets are checked to exist below."""
    assert set(COMMANDS) >= SETUP
    assert len(set(COMMANDS) - SETUP) >= 6


@pytest.mark.parametrize("target", ["demo", "test", "quick", "check"])
def test_each_make_target_exists(target):
    done = subprocess.run(
        ["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in SETUP and "train" not in c])
def test_a_command_of_the_readme_runs(user, command, own_copy):
    (user["folder"] / "candidates.csv").write_text("formula,id\nNaCl,1\nFe2O3,2\n")
    done = run(user, *shlex.split(command), registry=own_copy)
    assert done.returncode == 0, done.stderr
    assert done.stdout or (user["folder"] / "features.csv").exists()


@pytest.mark.slow
def test_the_training_command_and_the_mlflow_project_run(user):
    """`model train` as written; `mlflow run` has tests of its own."""
    (command,) = [c for c in COMMANDS if "model train" in c]
    uri = f"sqlite:///{user['folder']}/trained/registry.db"
    done = run(user, *shlex.split(command), registry=uri)
    assert done.returncode == 0, done.stderr
    assert "Matminer" in done.stdout


@pytest.fixture
def own_copy(registry, tmp_path):
    """A copy of the shared registry's database, so that promoting changes nobody's."""
    import shutil

    shutil.copy(registry.folder / "registry.db", tmp_path / "registry.db")
    return f"sqlite:///{tmp_path / 'registry.db'}"


def test_the_python_of_the_readme_runs(user):
    (code,) = blocks("python")
    assert len(code.strip().splitlines()) <= 10
    done = run(user, sys.executable, "-c", code, registry=user["registry"])
    assert done.returncode == 0, done.stderr
    assert "eV/atom" in done.stdout
    assert "'version': '1'" in done.stdout
    assert "is not an element" in done.stdout


def test_every_link_within_the_repository_leads_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def _table(text, between):
    """Numbers by compound of a table as the demo prints it."""
    rows = [line.strip("│ ").split(between) for line in text.splitlines() if between in line]
    rows = [[cell.strip() for cell in row] for row in rows if len(row) == 6]
    return {name: list(map(float, numbers)) for name, *numbers in rows if name != "compound"}


def _errors(text):
    """MAE, RMSE and the share of rows inside their interval."""
    mae, rmse = re.search(r"MAE ([\d.]+), RMSE ([\d.]+) eV/atom", text).groups()
    share = re.search(r"it did for ([\d.]+)%", text)[1]
    return [float(mae), float(rmse), float(share)]


@pytest.mark.slow
def test_the_demo_shows_what_the_readme_promises(user):
    """The command behind `make demo`, from nothing: an empty data folder and no registry."""
    environment = user["environment"] | {"XDG_DATA_HOME": str(user["folder"] / "demo")}
    environment.pop("MLFLOW_TRACKING_URI", None)
    # OpenBLAS adds in an order of its own on each kind of processor, which makes other networks.
    environment["OPENBLAS_CORETYPE"] = "Haswell"
    demo = {**user, "environment": environment}
    first = run(demo, "matminer-compute", "demo")
    assert first.returncode == 0, first.stderr
    assert "training a network on 20,000 formulas" in first.stderr
    (quoted,) = blocks("text")
    promised = _table(quoted, "│")
    shown = _table(first.stdout, "\t")
    assert list(shown) == list(promised)
    for compound, numbers in promised.items():  # what is no x86 rounds otherwise even so
        assert shown[compound] == pytest.approx(numbers, abs=0.15), compound
    assert _errors(first.stdout) == pytest.approx(_errors(quoted), rel=0.1)
    assert "NaCl *" not in first.stdout
    for promised in ("NaCl", "Mg2Si", "MAE", "cold", "ms warm", "Registry", "Plots", "Bundle"):
        assert promised in first.stdout
    plots = Path(re.search(r"^Plots +(.*)$", first.stdout, re.MULTILINE)[1])
    assert {path.suffix for path in plots.iterdir()} == {".png"}
    bundle = re.search(r"^Bundle +(.*)$", first.stdout, re.MULTILINE)[1]
    assert Path(bundle).exists()
    for command in re.findall(r"^  (\S*matminer-compute .*)$", first.stdout, re.MULTILINE):
        done = run(demo, *shlex.split(command))
        assert done.returncode == 0, done.stderr
    again = run(demo, "matminer-compute", "demo")
    assert again.returncode == 0, again.stderr
    assert "training" not in again.stderr
