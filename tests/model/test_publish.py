"""Both halves in the registry: no pickle, whole, tagged, loadable by their plain MLflow names."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import skops.io
from click.testing import CliRunner
from mlflow import MlflowClient
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from matminer_compute.cli.model import publish
from matminer_compute.errors import TrainingError
from matminer_compute.model import (
    TrainOptions,
    list_versions,
    load_data,
    promote,
    publish_estimator,
    train,
)
from matminer_compute.model.digest import artifact_digest
from matminer_compute.model.featurizer import build_featurizer
from matminer_compute.model.options import FEATURIZERS

PICKLED = (b"\x80\x04\x95", b"\x80\x05\x95", b"cloudpickle", b"joblib")


@pytest.fixture(autouse=True)
def _at_the_registry(registry, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.uri)
    mlflow.set_tracking_uri(registry.uri)


@pytest.fixture(scope="module")
def stored(registry, tmp_path_factory):
    """Both artifacts, downloaded as a worker would."""
    mlflow.set_tracking_uri(registry.uri)
    folder = tmp_path_factory.mktemp("stored")
    uris = {"featurizer": "models:/Matminer Featurizer/1", "model": "models:/Matminer/1"}
    return {
        half: Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder / half)))
        for half, uri in uris.items()
    }


@pytest.fixture(scope="module")
def versions(registry):
    client = MlflowClient(registry.uri)
    return {
        "featurizer": client.get_model_version("Matminer Featurizer", "1"),
        "model": client.get_model_version("Matminer", "1"),
    }


@pytest.mark.parametrize("half", ["featurizer", "model"])
def test_no_pickle_in_either_artifact(stored, half):
    files = [path for path in stored[half].rglob("*") if path.is_file()]
    assert not [p for p in files if p.suffix in {".pkl", ".pickle", ".joblib", ".pyc"}]
    for path in files:
        content = path.read_bytes()
        for mark in PICKLED:
            if path.name == "MLmodel":
                continue  # mlflow notes the version of the cloudpickle it did not use
            assert mark not in content, path
    for path in stored[half].rglob("*.np[yz]"):
        np.load(path, allow_pickle=False)


def test_the_pipeline_is_stored_once(stored):
    files = [p for p in stored["model"].rglob("*") if p.is_file()]
    assert len([p for p in files if p.suffix == ".skops"]) == 1
    flavors = mlflow.models.Model.load(str(stored["model"])).flavors
    assert set(flavors) == {"sklearn", "python_function"}
    skops_file = stored["model"] / flavors["sklearn"]["pickled_model"]
    assert flavors["sklearn"]["serialization_format"] == "skops"
    unknown = skops.io.get_untrusted_types(file=skops_file)
    assert set(unknown) <= set(flavors["sklearn"]["skops_trusted_types"])


@pytest.mark.parametrize("half", ["featurizer", "model"])
def test_digest_is_that_of_the_artifact_as_downloaded(stored, versions, half, tmp_path):
    digest = versions[half].tags["digest"]
    assert artifact_digest(stored[half]) == digest
    some = next(p for p in sorted(stored[half].rglob("*.np[yz]")))
    content = some.read_bytes()
    some.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        assert artifact_digest(stored[half]) != digest
    finally:
        some.write_bytes(content)
    assert artifact_digest(stored[half]) == digest


def test_digest_sees_names_and_folders(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("x")
    first = artifact_digest(tmp_path)
    (tmp_path / "registered_model_meta").write_text("written by a download")
    assert artifact_digest(tmp_path) == first
    (tmp_path / "a" / "b").rename(tmp_path / "a" / "c")
    assert artifact_digest(tmp_path) != first
    assert first == _digest_by_hand([("a/b", "x")])


def _digest_by_hand(files):
    from hashlib import sha256

    lines = [f"{sha256(text.encode()).hexdigest()}  {name}\n" for name, text in files]
    return sha256("".join(lines).encode()).hexdigest()


def test_tags_of_both(versions, registry):
    model, featurizer = versions["model"].tags, versions["featurizer"].tags
    assert model["schema"] == featurizer["schema"] == registry.trained.published.schema
    assert model["featurizer"] == "Matminer Featurizer"
    assert model["featurizer_version"] == "1"
    assert model["property"] == "formation_energy_per_atom"
    assert model["unit"] == "eV/atom"
    trained_with = json.loads(model["requirements"])
    assert trained_with["scikit-learn"] == version("scikit-learn")
    assert trained_with["python"] == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert versions["model"].run_id == versions["featurizer"].run_id == registry.trained.run_id


def test_the_schema_follows_what_the_features_depend_on(registry, tmp_path):
    schema = registry.trained.published.schema
    (tmp_path / "same").mkdir()
    (tmp_path / "other").mkdir()
    assert build_featurizer("magpie", FEATURIZERS, tmp_path / "same").schema == schema
    assert build_featurizer("deml", FEATURIZERS, tmp_path / "other").schema != schema


def test_requirements_of_the_model_are_enough_for_both(stored):
    lines = (stored["model"] / "requirements.txt").read_text().split()
    of_featurizer = (stored["featurizer"] / "requirements.txt").read_text().split()
    assert set(of_featurizer) <= set(lines)
    for name in ("mlflow", "numpy", "pandas", "pymatgen", "scikit-learn", "skops", "numba"):
        assert f"{name}=={version(name)}" in lines
    assert "matminer" not in "".join(lines)


def test_values_by_every_face_of_the_model(registry):
    """The pipeline by its sklearn name, the code's regress, the pyfunc: one answer, to the bit."""
    featurizer = mlflow.pyfunc.load_model("models:/Matminer Featurizer@Production")
    model = mlflow.pyfunc.load_model("models:/Matminer@Production")
    pipeline = mlflow.sklearn.load_model("models:/Matminer@Production")
    formulas = load_data().take(registry.trained.rows + 200).formulas
    features, _, index, _ = featurizer.unwrap_python_model().featurize(formulas)
    values, std = model.unwrap_python_model().regress(features[index])
    expected = pipeline.predict(features[index])
    np.testing.assert_array_equal(values, expected)
    trees = [t.predict(features[index]) for t in pipeline.named_steps["regressor"].estimators_]
    np.testing.assert_allclose(std, np.std(trees, axis=0), rtol=1e-9, atol=1e-12)
    frame = featurizer.predict(pd.DataFrame({"formula": formulas}))
    np.testing.assert_array_equal(np.asarray(frame, dtype=np.float64), features[index])
    served = model.predict(frame)
    np.testing.assert_array_equal(np.asarray(served, dtype=np.float64).ravel(), expected)


@pytest.mark.parametrize("half", ["featurizer", "model"])
def test_input_examples_work_and_signatures_are_complete(stored, half):
    loaded = mlflow.pyfunc.load_model(str(stored[half]))
    example = loaded.input_example
    answer = loaded.predict(example)
    assert len(answer) == len(example) == 3
    signature = loaded.metadata.signature
    wide, narrow = (signature.outputs, signature.inputs)
    if half == "model":
        wide, narrow = narrow, wide
    assert len(wide.input_names()) == 145
    assert narrow.input_names() == [
        "formula" if half == "featurizer" else "formation_energy_per_atom"
    ]
    assert np.isfinite(np.asarray(answer, dtype=np.float64)).all()


def test_a_worker_without_this_package_loads_both(stored, tmp_path, empty_uri):
    """A process in which our package cannot be imported loads the artifacts and answers."""
    code = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("matminer_compute", "matminer"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import mlflow
f = mlflow.pyfunc.load_model(sys.argv[1]).unwrap_python_model()
m = mlflow.pyfunc.load_model(sys.argv[2]).unwrap_python_model()
x, rows, index, rejected = f.featurize(["NaCl", "Fe2O3", "Xx2O3"])
values, std = m.regress(x[index])
print(rows, sorted(rejected), [float(v).hex() for v in values])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(stored["featurizer"]), str(stored["model"])],
        env={**os.environ, "MLFLOW_TRACKING_URI": empty_uri},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    pipeline = mlflow.sklearn.load_model("models:/Matminer/1")
    featurizer = mlflow.pyfunc.load_model(str(stored["featurizer"])).unwrap_python_model()
    x, _, index, _ = featurizer.featurize(["NaCl", "Fe2O3"])
    values = [float(v).hex() for v in pipeline.predict(x[index])]
    assert done.stdout.strip() == f"[0, 1] [2] {values}"


@pytest.mark.parametrize("estimator", ["extra-trees", "hist-gradient-boosting"])
def test_other_estimators_and_presets(empty_uri, estimator):
    preset = "matminer" if estimator == "extra-trees" else "megnet_el"
    options = TrainOptions(
        rows=200, folds=2, n_estimators=10, estimator=estimator, element_property_preset=preset
    )
    run = train(options, tracking_uri=empty_uri)
    assert run.metrics["MAE"] < 1.0
    mlflow.set_tracking_uri(empty_uri)
    featurizer = mlflow.pyfunc.load_model("models:/Matminer Featurizer/1").unwrap_python_model()
    x, _, index, _ = featurizer.featurize(["NaCl", "Fe2O3"])
    values, std = (
        mlflow.pyfunc.load_model("models:/Matminer/1").unwrap_python_model().regress(x[index])
    )
    expected = mlflow.sklearn.load_model("models:/Matminer/1").predict(x[index])
    np.testing.assert_array_equal(values, expected)
    assert np.isnan(std).all() == (estimator == "hist-gradient-boosting")


@pytest.fixture(scope="module")
def matrix(registry):
    """Features and targets of real rows, for models trained elsewhere."""
    mlflow.set_tracking_uri(registry.uri)
    featurizer = mlflow.pyfunc.load_model("models:/Matminer Featurizer/1").unwrap_python_model()
    data = load_data().take(100)
    features, _, index, _ = featurizer.featurize(data.formulas)
    x = pd.DataFrame(features[index], columns=featurizer.labels).fillna(0.0)
    return x, data.target


def _saved(estimator, tmp_path):
    path = tmp_path / "elsewhere.skops"
    skops.io.dump(estimator, path)
    return path


def test_a_forest_trained_elsewhere(own_registry, matrix, tmp_path):
    x, y = matrix
    forest = RandomForestRegressor(8, random_state=1, n_jobs=2).fit(x.to_numpy(), y)
    published = publish_estimator(
        _saved(forest, tmp_path),
        property_name="formation_energy_per_atom",
        unit="eV/atom",
        tracking_uri=own_registry.uri,
    )
    assert (published.version, published.featurizer_version) == ("2", "2")
    assert published.schema == own_registry.trained.published.schema
    assert promote(tracking_uri=own_registry.uri).version == "2"
    mlflow.set_tracking_uri(own_registry.uri)
    loaded = mlflow.sklearn.load_model("models:/Matminer@Production")
    assert loaded.named_steps["regressor"].n_jobs is None
    values, _ = (
        mlflow.pyfunc.load_model("models:/Matminer@Production")
        .unwrap_python_model()
        .regress(x.to_numpy())
    )
    np.testing.assert_array_equal(values, forest.set_params(n_jobs=1).predict(x.to_numpy()))


def test_a_pipeline_trained_elsewhere_on_named_columns(own_registry, matrix, tmp_path):
    x, y = matrix
    pipeline = make_pipeline(ExtraTreesRegressor(4, random_state=1)).fit(x, y)
    published = publish_estimator(
        _saved(pipeline, tmp_path),
        property_name="gap",
        unit="eV",
        name="Band Gap",
        tracking_uri=own_registry.uri,
    )
    assert published.version == "1"
    mlflow.set_tracking_uri(own_registry.uri)
    loaded = mlflow.pyfunc.load_model("models:/Band Gap/1").unwrap_python_model()
    values, _ = loaded.regress(x.to_numpy())
    np.testing.assert_array_equal(values, pipeline.predict(x))


def test_one_trained_elsewhere_is_judged_by_rows_that_are_given(own_registry, matrix, tmp_path):
    x, y = matrix
    forest = RandomForestRegressor(8, random_state=1).fit(x.to_numpy(), y)
    frame = load_data().take(300).frame[100:]  # the first hundred it was trained on
    frame.rename(columns={"target": "energy"}).to_csv(tmp_path / "unseen.csv", index=False)
    about = {"property_name": "energy", "unit": "eV/atom", "name": "Elsewhere"}
    path, uri = _saved(forest, tmp_path), own_registry.uri
    publish_estimator(path, **about, tracking_uri=uri)
    publish_estimator(path, **about, calibrate_on=tmp_path / "unseen.csv", tracking_uri=uri)
    with_some, without = list_versions("Elsewhere", tracking_uri=uri)
    assert without.metrics == {}
    assert 0.1 < with_some.metrics["MAE"] < 1
    assert with_some.metrics["coverage_90"] == pytest.approx(0.9, abs=0.07)
    mlflow.set_tracking_uri(uri)
    models = {
        number: mlflow.pyfunc.load_model(f"models:/Elsewhere/{number}").unwrap_python_model()
        for number in (1, 2)
    }
    assert models[1].intervals is None
    assert "model publish --calibrate" in models[1].no_interval
    values, std = models[2].regress(x.to_numpy())
    lower, upper = models[2].intervals.of(x.to_numpy(), values, std, 0.9)
    assert ((lower < values) & (values < upper)).all()
    halves = [
        mlflow.pyfunc.load_model(f"models:/Elsewhere Featurizer/{n}").unwrap_python_model()
        for n in (1, 2)
    ]
    assert halves[0].examine(["He", "Fe203"])[4] == {}
    outside = halves[1].examine([frame["formula"].iloc[0], "He", "Fe203"])[4]
    assert list(outside) == [1, 2]
    assert outside[1] == "no calibration formula holds He"
    assert "far beyond what calibration formulas have" in outside[2]
    assert halves[1].report(frame["formula"].tolist())[5] == {}  # none of them was trained on


def test_rows_that_it_was_trained_on_do_not_calibrate_it(own_registry, matrix, tmp_path):
    x, y = matrix
    trees = ExtraTreesRegressor(3, random_state=0).fit(x.to_numpy(), y)
    frame = load_data().take(len(y)).frame.rename(columns={"target": "energy"})
    frame.to_csv(tmp_path / "trained.csv", index=False)
    with pytest.raises(TrainingError, match="where it was trained on them: calibrate it by rows"):
        publish_estimator(
            _saved(trees, tmp_path),
            property_name="energy",
            unit="eV/atom",
            name="Elsewhere",
            calibrate_on=tmp_path / "trained.csv",
            tracking_uri=own_registry.uri,
        )


@pytest.mark.parametrize(
    ("rows", "why"),
    [("formula,energy\n" + "NaCl,1\nMgO,2\n" * 30 + "xx,3\n", "'x' at position 1"), ("", "empty")],
)
def test_rows_to_judge_by_that_cannot_be_used(own_registry, matrix, tmp_path, rows, why):
    x, y = matrix
    (tmp_path / "rows.csv").write_text(rows)
    about = {"property_name": "energy", "unit": "eV/atom", "name": "Elsewhere"}
    path = _saved(RandomForestRegressor(2).fit(x.to_numpy(), y), tmp_path)
    with pytest.raises(TrainingError, match=why):
        publish_estimator(
            path, **about, calibrate_on=tmp_path / "rows.csv", tracking_uri=own_registry.uri
        )


def test_a_model_on_element_fractions_trained_elsewhere(own_registry, tmp_path):
    mlflow.set_tracking_uri(own_registry.uri)
    data = load_data().take(60)
    featurizer = build_featurizer("magpie", ("ElementFraction",), tmp_path)
    features, _, index, _ = featurizer.featurize(data.formulas)
    pipeline = make_pipeline(SimpleImputer(), Ridge()).fit(features[index], data.target)
    path = str(_saved(pipeline, tmp_path))
    about = ["--property", "gap", "--unit", "eV", "--name", "Fractions"]
    done = CliRunner().invoke(publish, [path, *about, "--featurizers", "ElementFraction"])
    assert done.exit_code == 0, done.output
    client = MlflowClient(own_registry.uri)
    half = client.get_model_version("Fractions Featurizer", "1")
    assert half.description == "118 features: ElementFraction, element data magpie."
    requirements = client.get_model_version("Fractions", "1").tags["requirements"]
    assert "matminer" not in json.loads(requirements)


def test_a_featurizer_that_matminer_lacks(own_registry, tmp_path):
    path = _saved(Ridge().fit(np.eye(3), [1.0, 2.0, 3.0]), tmp_path)
    about = {"property_name": "gap", "unit": "eV", "name": "Gap"}
    with pytest.raises(TrainingError, match="no composition featurizer called 'Fractions'"):
        publish_estimator(path, featurizers=("Fractions",), tracking_uri=own_registry.uri, **about)


def _overflown(x, y):
    ridge = Ridge().fit(x, y)
    ridge.coef_[:] = np.inf
    return ridge


def _own_transformer(x, y):
    return make_pipeline(FunctionTransformer(os.getcwd), Ridge())


REFUSED = {
    "too few columns": (lambda x, y: Ridge().fit(x.iloc[:, :20], y), "takes 20 columns.*gives 145"),
    "columns in another order": (
        lambda x, y: Ridge().fit(x.iloc[:, ::-1], y),
        "column 1 is .* for the one and '0-norm' for the other",
    ),
    "not a regressor": (
        lambda x, y: LogisticRegression().fit(x.iloc[:, :3], y > y.mean()),
        "not a scikit-learn regressor",
    ),
    "not fitted": (lambda x, y: Ridge(), "is not fitted"),
    "no finite answer": (_overflown, "one finite number a row"),
    "no missing values": (lambda x, y: Ridge().fit(x, y), "begins with a SimpleImputer"),
    "two outputs": (lambda x, y: Ridge().fit(x, np.c_[y, y]), "one finite number a row"),
    "code of its own": (_own_transformer, "have not been reviewed as safe to load: .*getcwd"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_serve_is_refused(own_registry, matrix, tmp_path, case):
    make, said = REFUSED[case]
    path = _saved(make(*matrix), tmp_path)
    with pytest.raises(TrainingError, match=said):
        publish_estimator(
            path, property_name="gap", unit="eV", name="Never", tracking_uri=own_registry.uri
        )
    names = {m.name for m in MlflowClient(own_registry.uri).search_registered_models()}
    assert names == {"Matminer", "Matminer Featurizer"}


def test_a_file_that_is_no_skops(own_registry, tmp_path):
    path = tmp_path / "model.skops"
    with pytest.raises(TrainingError, match="There is no file"):
        publish_estimator(path, property_name="gap", unit="eV", tracking_uri=own_registry.uri)
    path.write_bytes(b"not a zip archive")
    with pytest.raises(TrainingError, match="is not a skops file"):
        publish_estimator(path, property_name="gap", unit="eV", tracking_uri=own_registry.uri)
    with pytest.raises(TrainingError, match="unit is empty"):
        publish_estimator(path, property_name="gap", unit=" ", tracking_uri=own_registry.uri)
