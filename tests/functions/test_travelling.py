"""What travels: our functions and a user's own, as texts that need nothing of ours on a worker."""

import base64
import inspect
import io
import json
import math
import os
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest
from arrived import forget
from globus_compute_sdk.serialize import PureSourceTextInspect
from mylab import stability
from mylab.needs_itself import by_full_name
from mylab.units import as_kilojoules

import matminer_compute.functions as ours
from matminer_compute.client import Space
from matminer_compute.functions import (
    featurize_composition,
    inspect_worker,
    predict,
    predict_composition,
    screen_space,
    travelling,
)

OURS = (featurize_composition, predict, predict_composition, screen_space, inspect_worker)
FACTOR = 3

# A worker's interpreter: its packages, and not this one, whatever way it was installed.
WORKER = """
import json, sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
try:
    import matminer_compute.functions
    raise SystemExit("this package can be imported, so the test proves nothing")
except ImportError:
    pass
for job in json.load(sys.stdin):
    namespace = {}
    exec(job["source"], namespace)
    answer = namespace[job["name"]](*job["args"], **job["kwargs"])
print(json.dumps(answer))
"""


def double(x):
    return 2 * x


class Sum:
    """A class of the same file travels too."""

    def __init__(self, x, y):
        self.total = x + y


def add_doubled(x, y=1):
    """Add, after doubling."""
    return Sum(double(x), y).total


def nested(x):
    return add_doubled(double(x))


def even(x):
    return x == 0 or odd(x - 1)


def odd(x):
    return x != 0 and even(x - 1)


def with_the_standard_library(x):
    return math.floor(np.float64(x))


def with_modules_of_its_own(x):
    return [stability.above_hull(x), as_kilojoules(x)]


def cheapest(formulas, *, unit="eV/atom"):
    """Which formula has the lowest value: a user's function that calls ours."""
    answer = predict_composition(formulas)
    assert answer["unit"] == unit
    value, row = min(zip(answer["values"], answer["rows"], strict=True))
    return {"formula": formulas[row], "kilojoules": as_kilojoules(value)}


def fails(x):
    numbers = [x]
    return numbers[double(x)]  # this line


def uses_a_global(x):
    return FACTOR * x


def uses_nothing_that_exists(x):
    return never_defined(x)  # noqa: F821


def uses_a_closure(x):
    return closure(x)


def uses_a_default_of_the_file(x=FACTOR):
    return x


def uses_another_name(x):
    return twice(x)


def imports_its_own_inside(x):
    from mylab.units import as_kilojoules

    return as_kilojoules(x)


def imports_ours_inside(formulas):
    from matminer_compute.functions import predict_composition

    return predict_composition(formulas)


def uses_a_module_that_is_not_relative(x):
    return by_full_name(x)


def made_here():
    secret = 3

    def closure(x):
        return secret * x

    return closure


closure = made_here()
twice = double


def travel(function):
    """Serialize and deserialize as the SDK and a worker do."""
    strategy = PureSourceTextInspect()
    return strategy.deserialize(strategy.serialize(function))


def job(function, *args, **kwargs):
    """A call, as a worker gets it."""
    source, name = inspect.getsource(function), function.__name__
    return {"source": source, "name": name, "args": args, "kwargs": kwargs}


@pytest.fixture
def on_a_worker(registry, tmp_path):
    """Run calls in a clean interpreter that has the worker's packages; the last one's result."""

    def run(*jobs):
        environment = {
            "MLFLOW_TRACKING_URI": registry.uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MATMINER_COMPUTE_CACHE": str(tmp_path / "cache"),
            "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", ""),
            "HOME": str(tmp_path),
            "PATH": "/usr/bin:/bin",
        }
        done = subprocess.run(
            [sys.executable, "-c", WORKER],
            input=json.dumps(jobs),
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


# ---- ours ----------------------------------------------------------------------------------


def test_importing_the_functions_imports_no_library_of_a_worker():
    code = "import sys, matminer_compute.functions; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"mlflow", "numpy", "pandas"}.isdisjoint(done.stdout.split())


@pytest.mark.parametrize("function", OURS, ids=lambda f: f.__name__)
def test_a_function_reads_as_it_is_written(function):
    module = sys.modules[f"{ours.__name__}.{function.__name__}"]
    written = getattr(module, function.__name__)
    assert inspect.signature(function) == inspect.signature(written)
    assert inspect.getdoc(function) == inspect.getdoc(written)
    text = inspect.getsource(function)
    for source in [inspect.getsource(module), *worker_sources(function)]:
        assert source in text


def worker_sources(function):
    """The modules of ``worker`` that a function uses, as they stand."""
    all_of_them = (
        *("address", "faults", "refusals", "registry", "pointer"),
        *("download", "node_cache", "artifact", "models", "features"),
    )
    if function is inspect_worker:
        all_of_them += ("node",)
    for name in all_of_them:
        yield inspect.getsource(sys.modules[f"{ours.__name__}.worker.{name}"])


def test_the_texts_are_ascii_since_every_task_carries_one():
    """One other character doubles what Python holds of it, and costs each call a tenth."""
    assert all(inspect.getsource(function).isascii() for function in OURS)


def test_featurize_and_predict_run_from_their_text_alone(on_a_worker, registry):
    featurized = on_a_worker(job(featurize_composition, ["NaCl", "??", "Fe2O3"]))
    assert featurized["rows"] == [0, 2]
    assert list(featurized["rejected"]) == ["1"]
    with np.load(io.BytesIO(base64.b64decode(featurized["features"]))) as arrays:
        assert arrays["features"].shape == (2, len(featurized["labels"]))

    answer = on_a_worker(job(predict, featurized))
    assert len(answer["values"]) == len(answer["std"]) == 2
    assert answer["rows"] == [0, 2]
    assert answer["rejected"] == featurized["rejected"]
    assert (answer["property"], answer["unit"]) == ("formation_energy_per_atom", "eV/atom")
    assert answer["model"]["version"] == registry.trained.published.version
    assert answer["model"]["schema"] == answer["featurizer"]["schema"]
    assert answer["warnings"] == []


def test_both_steps_in_one_say_what_the_two_say(on_a_worker):
    formulas = ["NaCl", "??", "Fe2O3", "NaCl"]
    chained = on_a_worker(job(predict_composition, formulas))
    featurized = on_a_worker(job(featurize_composition, formulas))
    apart = on_a_worker(job(predict, featurized))
    for key in ("values", "std", "rows", "rejected", "model", "featurizer", "property", "unit"):
        assert chained[key] == apart[key]


def test_screen_space_runs_from_its_text_alone(on_a_worker):
    space = Space.template("A2BX4", A=["K", "Sr"], B=["Ti", "Ni"], X=["O", "F"], neutral=True)
    answer = on_a_worker(job(screen_space, space.as_json(), [0], keep={"all": True}))
    predicted = on_a_worker(job(predict_composition, list(space)))
    assert answer["formulas"] == ["K2NiF4", "Sr2TiO4"]
    assert answer["values"] == predicted["values"]


def test_inspect_worker_runs_from_its_text_alone(on_a_worker, registry):
    report = on_a_worker(job(inspect_worker))
    assert report["registry"]["reachable"]
    assert report["registry"]["error"] is None
    assert report["model"] == {"name": "Matminer", "version": "1"}
    assert report["featurizer"]["name"] == "Matminer Featurizer"
    assert report["load_seconds"] > 0
    assert report["packages"]["mlflow"]
    assert not list(registry.folder.rglob("__pycache__"))


def test_inspect_worker_reports_what_is_missing(on_a_worker):
    report = on_a_worker(job(inspect_worker, name="No Such Model"))
    assert report["registry"]["reachable"]
    assert "No Such Model" in report["registry"]["error"]
    assert report["model"] is None


def test_all_functions_share_the_models_that_one_of_them_loaded(worker):
    featurized = travel(featurize_composition)(["NaCl"])
    assert featurized["loading"]["cold"]
    assert not travel(featurize_composition)(["NaCl"])["loading"]["cold"]
    assert travel(predict_composition)(["NaCl"])["worker"]["cold"]  # the model itself
    assert not travel(predict)({**featurized, "loading": None})["worker"]["cold"]
    assert travel(travelling(cheapest))(["NaCl"])["formula"] == "NaCl"
    arrived = [name for name in sys.modules if name.startswith("matminer_compute_")]
    assert len([name for name in arrived if name.endswith(".functions.worker.models")]) == 1


def test_two_versions_of_this_package_on_one_worker_do_not_disturb_each_other(worker, tmp_path):
    another = another_version(tmp_path, "promote one: ", "please promote one: ")
    with pytest.raises(RuntimeError, match="or promote one"):
        travel(predict_composition)(["NaCl"], version="Nowhere")
    namespace = {}
    exec(another, namespace)
    with pytest.raises(RuntimeError, match="or please promote one"):
        namespace["predict_composition"](["NaCl"], version="Nowhere")
    with pytest.raises(RuntimeError, match="or promote one"):
        travel(predict_composition)(["NaCl"], version="Nowhere")
    theirs, own = namespace["predict_composition"](["NaCl"]), predict_composition(["NaCl"])
    assert theirs["worker"]["cold"]
    assert own["worker"]["cold"]
    assert theirs["values"] == own["values"]


def another_version(folder, old, new):
    """The text of a ``predict_composition`` whose release said something else."""
    package = folder / "matminer_compute" / "functions"
    shutil.copytree(Path(ours.__file__).parent, package)
    refusals = package / "worker" / "refusals.py"
    refusals.write_text(refusals.read_text().replace(old, new))
    code = "import inspect, matminer_compute.functions as f; print(f.__file__);"
    code += "print(inspect.getsource(f.predict_composition))"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    where, _, text = done.stdout.partition("\n")
    assert where.startswith(str(folder))
    assert new in text
    return text


def test_a_remote_traceback_shows_the_real_file_and_line(worker, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(RuntimeError) as caught:
        travel(predict_composition)(["NaCl"])
    told = "".join(traceback.format_exception(caught.value))
    lines, start = inspect.getsourcelines(sys.modules[f"{ours.__name__}.worker.models"].load)
    line = next(n for n, text in enumerate(lines, start) if "refusals.not_set()" in text)
    assert f'functions/worker/models.py", line {line}, in load' in told
    assert "raise refusals.not_set()" in told


# ---- a user's own ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function", [double, add_doubled, nested, even, with_the_standard_library,
                 with_modules_of_its_own],
)  # fmt: skip
def test_a_users_function_computes_there_what_it_does_here(function):
    assert travel(travelling(function))(5) == function(5)


def test_arguments_pass_through():
    assert travel(travelling(add_doubled))(x=1, y=10) == 12


def test_a_users_function_that_calls_ours_runs_from_its_text_alone(on_a_worker):
    formulas = ["NaCl", "Fe2O3"]
    best = on_a_worker(job(travelling(cheapest), formulas, unit="eV/atom"))
    answer = on_a_worker(job(predict_composition, formulas))
    value = min(answer["values"])
    assert best == {
        "formula": formulas[answer["values"].index(value)],
        "kilojoules": as_kilojoules(value),
    }


def test_what_it_brings_is_not_looked_for_on_the_worker(on_a_worker):
    assert on_a_worker(job(travelling(with_modules_of_its_own), 2.0)) == with_modules_of_its_own(2)


def test_modules_are_made_once_a_process():
    forget()
    first, second = travel(travelling(nested)), travel(travelling(nested))
    first(1)
    before = dict(sys.modules)
    second(1)
    assert dict(sys.modules) == before


def test_the_same_source_gives_the_same_text():
    assert inspect.getsource(travelling(nested)) == inspect.getsource(travelling(nested))


def test_what_travels_already_travels_as_it_is():
    assert travelling(predict) is predict


def test_a_users_traceback_shows_the_line_that_failed():
    with pytest.raises(IndexError) as caught:
        travel(travelling(fails))(1)
    assert "return numbers[double(x)]  # this line" in "".join(
        traceback.format_exception(caught.value)
    )


def test_a_person_can_read_what_was_registered():
    text = inspect.getsource(travelling(add_doubled))
    assert inspect.getsource(double) in text
    assert inspect.getsource(add_doubled) in text


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (uses_a_global, "'FACTOR', which cannot travel"),
        (uses_nothing_that_exists, "'never_defined', which is not defined"),
        (uses_a_closure, "closure"),
        (made_here(), "closure"),
        (uses_a_default_of_the_file, "default .* FACTOR"),
        (uses_another_name, "calls double 'twice'"),
        (imports_its_own_inside, "import it at the top of the file"),
        (imports_ours_inside, "import it at the top of the file"),
        (uses_a_module_that_is_not_relative, "mylab.needs_itself holds 'from mylab.units import"),
        (lambda x: x, "not a function written with 'def'"),
        (len, "not a function written with 'def'"),
        (pytest.fixture(double), "cannot travel"),
    ],
)
def test_what_a_worker_could_not_run_is_refused_before_it_is_sent(function, complaint):
    with pytest.raises(TypeError, match=complaint):
        travelling(function)


def test_a_module_that_is_no_source_is_refused(tmp_path, monkeypatch):
    import py_compile

    (tmp_path / "sealed.py").write_text("def opened(x):\n    return x\n")
    py_compile.compile(tmp_path / "sealed.py", tmp_path / "sealed.pyc")
    (tmp_path / "sealed.py").unlink()
    (tmp_path / "user.py").write_text("import sealed\n\ndef run(x):\n    return sealed.opened(x)\n")
    monkeypatch.syspath_prepend(tmp_path)
    import user

    with pytest.raises(TypeError, match="sealed is not a module of Python source"):
        travelling(user.run)


@pytest.mark.parametrize("where", ["lib/python3/dist-packages", "modules/chemistry"])
def test_what_an_installer_put_anywhere_is_not_taken_along(tmp_path, monkeypatch, where):
    """As ``pip install --user`` and ``--target`` do, and a cluster's ``module load``."""
    installed, own = tmp_path / where, tmp_path / "own"
    (installed / "elsewhere").mkdir(parents=True)
    (installed / "elsewhere" / "__init__.py").write_text("HERE = 3\n")
    (installed / "apart.py").write_text("HERE = 4\n")
    (installed / "elsewhere-1.0.dist-info").mkdir()
    own.mkdir()
    (own / "calls.py").write_text(
        "import apart\nimport elsewhere\n\n"
        "def run(x):\n    return x * elsewhere.HERE * apart.HERE\n"
    )
    monkeypatch.syspath_prepend(installed)
    monkeypatch.syspath_prepend(own)
    import calls

    text = inspect.getsource(travelling(calls.run))
    assert "HERE = " not in text
    assert travel(travelling(calls.run))(2) == 24
