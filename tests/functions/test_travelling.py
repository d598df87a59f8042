"""The functions travel alone: as written, and as they are registered."""

import base64
import inspect
import io
import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from matminer_compute.functions import (
    featurize_composition,
    inspect_worker,
    predict,
    predict_composition,
)
from matminer_compute.registration import chain
from matminer_compute.registration.chain import free_names

ALONE = (featurize_composition, predict, inspect_worker)

# A worker's interpreter: its packages, and not this one, whatever way it was installed.
WORKER = """
import json, sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
try:
    import matminer_compute.functions
    raise SystemExit("this package can be imported, so the test proves nothing")
except ImportError:
    pass
job = json.load(sys.stdin)
namespace = {}
exec(job["source"], namespace)
print(json.dumps(namespace[job["name"]](*job["args"], **job["kwargs"])))
"""


@pytest.fixture
def on_a_worker(registry, tmp_path):
    """Run a function's source text in a clean interpreter that has the worker's packages."""

    def run(function, *args, **kwargs):
        job = {
            "source": textwrap.dedent(inspect.getsource(function)),
            "name": function.__name__,
            "args": args,
            "kwargs": kwargs,
        }
        environment = {
            "MLFLOW_TRACKING_URI": registry.uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MATMINER_COMPUTE_CACHE": str(tmp_path / "cache"),
            "HOME": str(tmp_path),
            "PATH": "/usr/bin:/bin",
        }
        done = subprocess.run(
            [sys.executable, "-c", WORKER],
            input=json.dumps(job),
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


@pytest.mark.parametrize("function", ALONE, ids=lambda f: f.__name__)
def test_a_function_as_written_refers_to_no_free_name(function):
    assert free_names(inspect.getsource(function)) == set()


def test_the_composed_function_refers_only_to_its_steps():
    assert free_names(inspect.getsource(predict_composition)) == {
        "featurize_composition",
        "predict",
    }


def test_both_functions_carry_the_same_loader():
    def loader(function):
        source = inspect.getsource(function)
        start = source.index("    def load(name: str, version: str)")
        return source[start : source.index("        return model, info, loading\n")]

    assert loader(featurize_composition) == loader(predict)


def test_the_functions_room_imports_nothing_of_this_package():
    import matminer_compute.functions as room

    for module in (sys.modules[f"{room.__name__}.{name}"] for name in room.__all__):
        assert "matminer_compute." not in inspect.getsource(module).replace("matminer_compute_", "")


def test_featurize_and_predict_run_from_their_source_alone(on_a_worker, registry):
    featurized = on_a_worker(featurize_composition, ["NaCl", "??", "Fe2O3"])
    assert featurized["rows"] == [0, 2]
    assert list(featurized["rejected"]) == ["1"]
    with np.load(io.BytesIO(base64.b64decode(featurized["features"]))) as arrays:
        assert arrays["features"].shape == (2, len(featurized["labels"]))

    answer = on_a_worker(predict, featurized)
    assert len(answer["values"]) == len(answer["std"]) == 2
    assert answer["rows"] == [0, 2]
    assert answer["rejected"] == featurized["rejected"]
    assert (answer["property"], answer["unit"]) == ("formation_energy_per_atom", "eV/atom")
    assert answer["model"]["version"] == registry.trained.published.version
    assert answer["model"]["schema"] == answer["featurizer"]["schema"]
    assert answer["warnings"] == []


def test_the_chain_runs_from_its_source_alone_and_says_what_the_two_say(on_a_worker):
    formulas = ["NaCl", "??", "Fe2O3", "NaCl"]
    chained = on_a_worker(chain(predict_composition), formulas)
    apart = on_a_worker(predict, on_a_worker(featurize_composition, formulas))
    for key in ("values", "std", "rows", "rejected", "model", "featurizer", "property", "unit"):
        assert chained[key] == apart[key]


def test_inspect_worker_runs_from_its_source_alone(on_a_worker, registry):
    report = on_a_worker(inspect_worker)
    assert report["registry"]["reachable"]
    assert report["registry"]["error"] is None
    assert report["model"] == {"name": "Matminer", "version": "1"}
    assert report["featurizer"]["name"] == "Matminer Featurizer"
    assert report["load_seconds"] > 0
    assert report["packages"]["mlflow"]
    assert not list(registry.folder.rglob("__pycache__"))


def test_inspect_worker_reports_what_is_missing(on_a_worker):
    report = on_a_worker(inspect_worker, name="No Such Model")
    assert report["registry"]["reachable"]
    assert "No Such Model" in report["registry"]["error"]
    assert report["model"] is None
