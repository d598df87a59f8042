"""The network: an estimator like others, the same on a worker, and never published untrained."""

import json
import subprocess
import sys

import mlflow
import numpy as np
import pytest
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.errors import TrainingError
from matminer_compute.model import TrainOptions, promote, train
from matminer_compute.model import network as module
from matminer_compute.model.artifacts.networks.reading import read, write
from matminer_compute.model.network import NetworkRegressor
from matminer_compute.model.options import WITH_ELEMENTS
from matminer_compute.model.publish import NETWORKS, REGRESSOR_CODE

SMALL = {"hidden_layer_sizes": (32, 16), "epochs": 30, "n_estimators": 3}


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 8)) * 10.0 ** np.arange(8)
    y = 1e-8 * (np.abs(x[:, 0]) + x[:, 1] / 10)
    x[::7, 3] = np.nan
    x[:, 5] = 0.1
    return x, y


@pytest.fixture(scope="module")
def fitted(rows):
    return NetworkRegressor(**SMALL).fit(*rows)


def test_it_learns_what_it_is_shown_whatever_the_unit(rows, fitted):
    x, y = rows
    assert fitted.n_features_in_ == 8
    assert fitted.score(x, y) > 0.5
    assert fitted.predict_members(x).shape == (3, 400)
    np.testing.assert_array_equal(fitted.predict(x), fitted.predict_members(x).mean(axis=0))


def test_the_same_twice_whatever_the_number_of_cores(rows, fitted, monkeypatch):
    monkeypatch.setattr(module, "_cores", lambda: 1)
    with threadpool_limits(2, user_api="blas"):
        again = clone(fitted).fit(*rows)
    np.testing.assert_array_equal(again.ensemble_.weights, fitted.ensemble_.weights)
    other = clone(fitted).set_params(random_state=1).fit(*rows)
    assert not np.array_equal(other.ensemble_.weights, fitted.ensemble_.weights)


def test_a_constant_column_is_not_read_and_a_missing_feature_is_average(rows, fitted):
    x = rows[0][:20].copy()
    expected = fitted.predict(x)
    x[:, 5] = 1e300
    np.testing.assert_array_equal(fitted.predict(x), expected)
    gap, filled = x.copy(), x.copy()
    gap[:, 0], filled[:, 0] = np.nan, np.nanmean(rows[0][:, 0])
    np.testing.assert_allclose(fitted.predict(gap), fitted.predict(filled), rtol=1e-3, atol=1e-12)


def test_a_row_alone_and_in_a_crowd_differ_by_rounding_only(rows, fitted):
    x, y = rows
    alone = np.array([fitted.predict(row[None])[0] for row in x])
    np.testing.assert_allclose(alone, fitted.predict(x), rtol=0, atol=1e-5 * y.std())


def test_a_diverging_training_is_refused(rows):
    with pytest.raises(TrainingError, match="diverged"):
        NetworkRegressor(**SMALL, learning_rate=1e30).fit(*rows)
    with pytest.raises(TrainingError, match="as far off as the median"):
        NetworkRegressor(**SMALL, learning_rate=1e-30).fit(*rows)


def test_infinite_features_and_other_columns_are_refused(rows, fitted):
    x = rows[0][:3].copy()
    with pytest.raises(ValueError, match="8 features"):
        fitted.predict(x[:, :5])
    x[1, 2] = np.inf
    for refusing in (fitted.predict, fitted.ensemble_.regress):
        with pytest.raises(ValueError, match="infinity"):
            refusing(x)


def test_what_is_written_is_read_and_answers_the_same_bits(rows, fitted, tmp_path):
    write(fitted.ensemble_, tmp_path)
    values, std = read(tmp_path).regress(rows[0])
    np.testing.assert_array_equal(values, fitted.predict(rows[0]))
    np.testing.assert_array_equal(std, fitted.predict_members(rows[0]).std(axis=0))


def _other_format(folder):
    _about(folder, format=99)


def _other_sizes(folder):
    _about(folder, layers=[7, 32, 17, 1])


def _no_unit(folder):
    _about(folder, unit=0.0)


def _about(folder, **changed):
    about = json.loads((folder / "network.json").read_text())
    (folder / "network.json").write_text(json.dumps(about | changed))


def _nan(folder):
    weights = np.load(folder / "weights.npy")
    weights[1, 3] = np.nan
    np.save(folder / "weights.npy", weights)


def _cut(folder):
    np.save(folder / "weights.npy", np.load(folder / "weights.npy")[:, :-1])


def _elsewhere(folder):
    columns = np.load(folder / "columns.npy")
    columns["column"][0] = 8
    np.save(folder / "columns.npy", columns)


@pytest.mark.parametrize("damage", [_other_format, _other_sizes, _no_unit, _nan, _cut, _elsewhere])
def test_damaged_files_are_refused(fitted, tmp_path, damage):
    write(fitted.ensemble_, tmp_path)
    damage(tmp_path)
    with pytest.raises(ValueError, match="network"):
        read(tmp_path)


WORKER = """
import sys, types, importlib.util, json
for name in ("sklearn", "skops", "numba", "threadpoolctl", "matminer_compute"):
    sys.modules[name] = None  # as if it were not installed
spec = importlib.util.spec_from_file_location("artifact", sys.argv[1])
artifact = importlib.util.module_from_spec(spec)
spec.loader.exec_module(artifact)
regressor = artifact.Regressor()
config = {"property": "p", "unit": "u", "skops_trusted_types": []}
artifacts = {"network": sys.argv[2], "networks": sys.argv[3]}
regressor.load_context(types.SimpleNamespace(artifacts=artifacts, model_config=config))
values, std = regressor.regress([[0.0] * 8, [float("nan")] * 8])
print(json.dumps([float(values[0]), str(values[1])]))
"""


def test_a_worker_needs_numpy_only(fitted, tmp_path):
    write(fitted.ensemble_, tmp_path)
    command = [sys.executable, "-c", WORKER, REGRESSOR_CODE, tmp_path, NETWORKS]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == [fitted.predict(np.zeros((1, 8)))[0], "nan"]


def test_trained_published_and_predicted_through_an_endpoint(empty_uri, monkeypatch):
    options = TrainOptions(
        rows=300, estimator="network", n_estimators=2, featurizers=WITH_ELEMENTS, folds=2
    )
    trained = train(options, tracking_uri=empty_uri)
    assert trained.metrics["R2"] > 0.3
    promote(tracking_uri=empty_uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", empty_uri)
    mlflow.set_tracking_uri(empty_uri)
    flavors = mlflow.models.get_model_info("models:/Matminer@Production").flavors
    assert set(flavors) == {"python_function"}
    version = mlflow.MlflowClient().get_model_version("Matminer", "1")
    assert not {"scikit-learn", "skops"} & json.loads(version.tags["requirements"]).keys()
    with (
        EmbeddedEndpoint(engine="threads") as endpoint,
        CompositionClient(endpoint=endpoint) as client,
    ):
        result = client.predict(["NaCl", "Fe2O3", "?"])
    assert np.isfinite(result.values[:2]).all()
    assert (result.std[:2] > 0).all()
    assert list(result.rejected) == [2]
