"""The regressor artifact as a worker gets it: saved by mlflow, loaded by mlflow."""

from __future__ import annotations

import ast
import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import (
    BaggingRegressor,
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from matminer_compute.model import forest as layout
from matminer_compute.model.featurizer import CODE, KERNELS
from matminer_compute.model.forest import TRUSTED_TYPES, write_forest

MODEL = Path(layout.__file__).parent
ARTIFACT = MODEL / "artifacts" / "regressor.py"


def _data(seed: int, rows: int = 200) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, 6)).round(1)
    target = features[:, 0] ** 2 + rng.normal(size=rows)
    features[rng.random(features.shape) < 0.1] = np.nan
    return features, target


def _save(pipeline: Any, folder: Path, *, flat: bool = True, kernels: Path = KERNELS) -> Path:
    """Publish a fitted pipeline into a folder, as the registry would hold it."""
    folder.mkdir()
    skops.io.dump(pipeline, folder / "model.skops")
    artifacts = {"pipeline": str(folder / "model.skops")}
    if flat:
        assert write_forest(pipeline, folder / "forest")
        artifacts["forest"] = str(folder / "forest")
        artifacts["kernels"] = str(kernels)
    mlflow.pyfunc.save_model(
        folder / "model",
        python_model=str(ARTIFACT),
        artifacts=artifacts,
        model_config={
            "property": "formation_energy_per_atom",
            "unit": "eV/atom",
            "skops_trusted_types": list(TRUSTED_TYPES),
        },
        pip_requirements=["numpy"],
    )
    return folder / "model"


def _load(path: Path) -> Any:
    return mlflow.pyfunc.load_model(str(path)).unwrap_python_model()


@pytest.fixture(scope="module")
def forest() -> Pipeline:
    features, target = _data(0)
    model = RandomForestRegressor(20, random_state=0, n_jobs=2)
    return make_pipeline(SimpleImputer(), model).fit(features, target)


@pytest.fixture(scope="module")
def published(forest: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _save(forest, tmp_path_factory.mktemp("published") / "forest")


def _in_order(pipeline: Any, features: Any) -> Any:
    """Pipeline.predict with one job: what "the same bits" refers to."""
    features = pipeline[:-1].transform(features)
    total = np.zeros(len(features))
    for tree in pipeline[-1].estimators_:
        total += tree.predict(features)
    return total / len(pipeline[-1].estimators_)


# ------------------------------------------------------------------------------- in this process


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_flat_and_scikit_learn_give_the_same_bits(kind: Any, tmp_path: Path) -> None:
    features, target = _data(1)
    pipeline = make_pipeline(SimpleImputer(), kind(25, random_state=0)).fit(features, target)
    flat = _load(_save(pipeline, tmp_path / "flat"))
    plain = _load(_save(pipeline, tmp_path / "plain", flat=False))
    assert type(flat._model).__name__ == "FlatForest"
    assert type(plain._model).__name__ == "SklearnRegressor"
    unseen, _ = _data(2, rows=1000)
    expected = pipeline.predict(unseen)
    spread = np.std([tree.predict(pipeline[0].transform(unseen)) for tree in pipeline[1]], axis=0)
    for model in (flat, plain):
        values, std = model.regress(unseen)
        assert values.dtype == std.dtype == np.float64
        np.testing.assert_array_equal(values, expected)
        np.testing.assert_allclose(std, spread, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(flat.regress(unseen)[1], plain.regress(unseen)[1])
    flat._model.aggregate = plain._model.aggregate = "median"
    middle = np.median([t.predict(pipeline[0].transform(unseen)) for t in pipeline[1]], axis=0)
    for model in (flat, plain):
        np.testing.assert_array_equal(model.regress(unseen)[0], middle)


@pytest.mark.parametrize("flat", [True, False])
def test_bits_do_not_depend_on_the_jobs_it_was_trained_with(
    flat: bool, forest: Pipeline, tmp_path: Path
) -> None:
    features, _ = _data(3, rows=1000)
    values, _ = _load(_save(forest, tmp_path / "model", flat=flat)).regress(features)
    np.testing.assert_array_equal(values, _in_order(forest, features))


OTHERS = {
    "boosting": make_pipeline(SimpleImputer(), HistGradientBoostingRegressor(max_iter=20)),
    "boosting with gaps": HistGradientBoostingRegressor(max_iter=20),
    "linear": make_pipeline(SimpleImputer(), StandardScaler(), Ridge()),
}


@pytest.mark.parametrize("pipeline", OTHERS.values(), ids=OTHERS)
def test_other_estimators_answer_through_scikit_learn(pipeline: Any, tmp_path: Path) -> None:
    features, target = _data(4)
    model = _load(_save(pipeline.fit(features, target), tmp_path / "model", flat=False))
    values, std = model.regress(features)
    np.testing.assert_array_equal(values, pipeline.predict(features))
    assert std.shape == values.shape
    assert np.isnan(std).all()


def test_scaled_forest_keeps_its_spread(tmp_path: Path) -> None:
    features, target = _data(5)
    steps = SimpleImputer(), StandardScaler(), ExtraTreesRegressor(10, random_state=0)
    pipeline = make_pipeline(*steps).fit(features, target)
    model = _load(_save(pipeline, tmp_path / "model", flat=False))
    values, std = model.regress(features)
    np.testing.assert_array_equal(values, pipeline.predict(features))
    seen = pipeline[:-1].transform(features)
    expected = np.std([tree.predict(seen) for tree in pipeline[-1]], axis=0)
    np.testing.assert_allclose(std, expected, rtol=1e-12, atol=1e-14)


def test_a_worker_starts_no_pool_of_its_own(tmp_path: Path) -> None:
    features, target = _data(13)
    bagging = BaggingRegressor(n_estimators=6, n_jobs=2, random_state=0)
    pipeline = make_pipeline(SimpleImputer(), bagging).fit(features, target)
    model = _load(_save(pipeline, tmp_path / "model", flat=False))
    assert model._model.pipeline[-1].n_jobs == 1
    expected = pipeline.set_params(baggingregressor__n_jobs=1).predict(features)
    np.testing.assert_array_equal(model.regress(features)[0], expected)


def test_serving_takes_a_table(published: Path, forest: Pipeline) -> None:
    features, _ = _data(6)
    served = mlflow.pyfunc.load_model(str(published))
    table = pd.DataFrame(features, columns=[f"feature {i}" for i in range(6)])
    for asked in (table, features):
        np.testing.assert_array_equal(served.predict(asked), _in_order(forest, features))


def test_says_what_it_predicts(published: Path) -> None:
    model = _load(published)
    assert (model.property, model.unit) == ("formation_energy_per_atom", "eV/atom")


@pytest.mark.parametrize("flat", [True, False])
def test_no_rows_are_no_error(flat: bool, forest: Pipeline, tmp_path: Path) -> None:
    values, std = _load(_save(forest, tmp_path / "model", flat=flat)).regress(np.empty((0, 6)))
    assert values.shape == std.shape == (0,)


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("wrong", [np.zeros(6), np.zeros((2, 5)), np.full((1, 6), np.inf)])
def test_refuses_what_is_not_a_matrix_of_its_features(
    wrong: Any, flat: bool, forest: Pipeline, tmp_path: Path
) -> None:
    model = _load(_save(forest, tmp_path / "model", flat=flat))
    with pytest.raises(ValueError, match=r"features|infinity"):
        model.regress(wrong)


def test_a_damaged_forest_fails_instead_of_falling_back(forest: Pipeline, tmp_path: Path) -> None:
    path = _save(forest, tmp_path / "model")
    nodes = path / "artifacts" / "forest" / "nodes.npy"
    nodes.write_bytes(nodes.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"mmap|damaged"):
        _load(path)


def test_untrusted_types_are_not_loaded(forest: Pipeline, tmp_path: Path) -> None:
    path = _save(forest, tmp_path / "model", flat=False)
    text = (path / "MLmodel").read_text(encoding="utf-8")
    (path / "MLmodel").write_text(text.replace("- sklearn.tree._tree.Tree\n", ""), "utf-8")
    with pytest.raises(TypeError, match=r"sklearn\.tree\._tree\.Tree"):
        _load(path)


def test_trusted_types_suffice_and_none_is_idle(forest: Pipeline) -> None:
    features, target = _data(7)
    boosting = HistGradientBoostingRegressor(max_iter=3).fit(features, target)
    needed: set[str] = set()
    for model in (forest, boosting):
        needed |= set(skops.io.get_untrusted_types(data=skops.io.dumps(model)))
    assert needed == set(TRUSTED_TYPES)


def test_two_versions_of_the_code_live_side_by_side(forest: Pipeline, tmp_path: Path) -> None:
    changed = tmp_path / "kernels"
    shutil.copytree(KERNELS, changed, ignore=shutil.ignore_patterns("__pycache__"))
    text = (changed / "forest_walk.py").read_text(encoding="utf-8")
    line = "mean[row] /= n_trees"
    assert text.count(line) == 1
    text = text.replace(line, "mean[row] /= -n_trees")
    (changed / "forest_walk.py").write_text(text, encoding="utf-8")
    features, _ = _data(8)
    old = _load(_save(forest, tmp_path / "old"))
    new = _load(_save(forest, tmp_path / "new", kernels=changed))
    np.testing.assert_array_equal(old.regress(features)[0], -new.regress(features)[0])
    again = _load(tmp_path / "old" / "model")
    np.testing.assert_array_equal(again.regress(features)[0], _in_order(forest, features))
    assert again._model._kernels is old._model._kernels  # compiled once a process
    assert new._model._kernels is not old._model._kernels


def test_the_folder_that_kernels_were_first_found_in_may_be_gone(
    published: Path, tmp_path: Path
) -> None:
    """Training's is, when workers are forked from it; so is a worker's private copy."""
    import_beside = sys.modules[type(_load(published)).__module__].import_beside
    folders = [tmp_path / name / "kernels" for name in ("first", "second")]
    for folder in folders:
        shutil.copytree(KERNELS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "only_here.py").write_text('"""Makes the digest another."""\n', encoding="utf-8")
    first = import_beside(str(folders[0]), "compiling")
    shutil.rmtree(folders[0])
    assert import_beside(str(folders[1]), "for_forests").__package__ == first.__package__


@pytest.mark.parametrize("flat", [True, False])
def test_a_row_of_nothing_gets_no_value(flat: bool, forest: Pipeline, tmp_path: Path) -> None:
    features, _ = _data(16)
    features[[0, 7]] = np.nan
    path = _save(forest, tmp_path / "model", flat=flat)
    values, std = _load(path).regress(features)
    rest = np.delete(np.arange(len(features)), [0, 7])
    assert np.isnan(values[[0, 7]]).all()
    assert np.isnan(std[[0, 7]]).all()
    np.testing.assert_array_equal(values[rest], _in_order(forest, features[rest]))
    served = mlflow.pyfunc.load_model(str(path)).predict(pd.DataFrame(features))
    np.testing.assert_array_equal(served, values)
    assert np.isnan(_load(path).regress(features[:1])[0]).all()


# ------------------------------------------------------------------------------- in fresh workers

MANY = 400  # rows: more than are interpreted

WORKER = """
import json, sys
{before}
import mlflow.pyfunc
import numpy as np
model = mlflow.pyfunc.load_model({path!r}, suppress_warnings=True).unwrap_python_model()
values, std = model.regress(np.load({features!r}, allow_pickle=False))
kernels = getattr(model._model, "_kernels", None)
walk = kernels and kernels.walk
print(json.dumps({{
    "model": type(model._model).__name__,
    "imported": [name for name in ("sklearn", "skops", "numba") if sys.modules.get(name)],
    "values": values.tobytes().hex(),
    "std": std.tobytes().hex(),
    "notes": model.notes,
    "compiled": bool(walk and walk.machine_code),
    "hits": sum(walk.compile().stats.cache_hits.values()) if walk else None,
    "misses": sum(walk.compile().stats.cache_misses.values()) if walk else None,
}}))
"""


def _worker(path: Path, features: Any, tmp_path: Path, before: str = "", **env: str) -> Any:
    np.save(tmp_path / "features.npy", features, allow_pickle=False)
    code = WORKER.format(before=before, path=str(path), features=str(tmp_path / "features.npy"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **env},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_worker_with_the_flat_forest_imports_neither_sklearn_nor_skops(
    forest: Pipeline, tmp_path: Path
) -> None:
    path = _save(forest, tmp_path / "model")
    (path / "artifacts" / "model.skops").write_bytes(b"never read")
    features, _ = _data(9)
    answer = _worker(path, features, tmp_path)
    assert answer["imported"] == ["numba"]
    assert answer["values"] == _in_order(forest, features).tobytes().hex()


def test_the_second_worker_finds_the_compiled_walk(forest: Pipeline, tmp_path: Path) -> None:
    # mlflow imports the file under a new module name each time, which numba's cache cannot follow.
    path = _save(forest, tmp_path / "model")
    features, _ = _data(10, MANY)
    kept = str(tmp_path / "compiled")
    first, second = (_worker(path, features, tmp_path, NUMBA_CACHE_DIR=kept) for _ in range(2))
    assert (first["hits"], first["misses"]) == (0, 1)
    assert (second["hits"], second["misses"]) == (1, 0)
    assert first["values"] == second["values"]
    assert first["notes"] == second["notes"] == []


@pytest.mark.parametrize("rows", [200, MANY])
def test_a_few_rows_are_not_worth_compiling(rows: int, forest: Pipeline, tmp_path: Path) -> None:
    features, _ = _data(17, rows)
    kept = str(tmp_path / "compiled")
    answer = _worker(_save(forest, tmp_path / "model"), features, tmp_path, NUMBA_CACHE_DIR=kept)
    assert answer["compiled"] == (rows == MANY)
    assert answer["values"] == _in_order(forest, features).tobytes().hex()


def test_a_worker_that_can_write_nowhere_compiles_in_memory(
    forest: Pipeline, tmp_path: Path
) -> None:
    path = _save(forest, tmp_path / "model")
    nowhere = str(path / "MLmodel" / "a file is no folder")  # this stops root too, unlike a mode
    features, _ = _data(11, MANY)
    answer = _worker(path, features, tmp_path, NUMBA_CACHE_DIR=nowhere)
    assert answer["model"] == "FlatForest"
    assert answer["hits"] == 0
    assert "Machine code cannot be kept" in answer["notes"][0]
    assert answer["values"] == _in_order(forest, features).tobytes().hex()


def test_a_worker_with_no_room_left_compiles_in_memory(forest: Pipeline, tmp_path: Path) -> None:
    path = _save(forest, tmp_path / "model")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))"
    features, _ = _data(14, MANY)
    kept = tmp_path / "compiled"
    answer = _worker(path, features, tmp_path, before=limit, NUMBA_CACHE_DIR=str(kept))
    assert answer["model"] == "FlatForest"
    assert answer["values"] == _in_order(forest, features).tobytes().hex()
    assert not list(kept.rglob("*.nbc"))


def test_machine_code_is_never_written_beside_the_model(forest: Pipeline, tmp_path: Path) -> None:
    path = _save(forest, tmp_path / "model")
    before = sorted(path.rglob("*"))
    features, _ = _data(15, MANY)
    unset = dict.fromkeys(("NUMBA_CACHE_DIR", "MATMINER_COMPUTE_CACHE"), "")
    caches = {"XDG_CACHE_HOME": str(tmp_path / "caches"), "PYTHONDONTWRITEBYTECODE": "1"}
    answer = _worker(path, features, tmp_path, **unset, **caches)
    assert (answer["model"], answer["misses"]) == ("FlatForest", 1)
    assert list((tmp_path / "caches").rglob("*.nbc"))
    assert sorted(path.rglob("*")) == before


def test_a_worker_without_numba_gives_the_same_bits(published: Path, tmp_path: Path) -> None:
    features, _ = _data(12)
    without = _worker(published, features, tmp_path, before="sys.modules['numba'] = None")
    having = _worker(published, features, tmp_path)
    assert (without["model"], having["model"]) == ("SklearnRegressor", "FlatForest")
    assert without["values"] == having["values"]
    assert without["std"] == having["std"]


# ------------------------------------------------------------------------------- real features


def test_real_features_of_real_compounds(tmp_path: Path) -> None:
    from matminer.featurizers.composition import ElementProperty
    from pymatgen.core.composition import Composition

    with gzip.open(MODEL / "data" / "mp_e_form.csv.gz", "rt", encoding="utf-8") as file:
        table = pd.read_csv(file, keep_default_na=False).sample(300, random_state=0)
    featurizer = ElementProperty.from_preset("magpie", impute_nan=False)
    compositions = [Composition(formula) for formula in table["formula"]]
    features = np.array([featurizer.featurize(composition) for composition in compositions])
    target = table["formation_energy_per_atom"].to_numpy()
    for kind in (RandomForestRegressor, ExtraTreesRegressor):
        pipeline = make_pipeline(SimpleImputer(), kind(50, random_state=0))
        pipeline.fit(features[:200], target[:200])
        values, _ = _load(_save(pipeline, tmp_path / kind.__name__)).regress(features)
        np.testing.assert_array_equal(values, pipeline.predict(features))


def test_both_artifacts_import_what_lies_beside_them_in_the_same_way() -> None:
    """Each is one file for MLflow, so the few lines stand in both."""
    sources = [ast.parse(path.read_text(encoding="utf-8")) for path in (CODE, ARTIFACT)]
    first, second = (
        next(ast.dump(node) for node in source.body if getattr(node, "name", "") == "import_beside")
        for source in sources
    )
    assert first == second
