"""What a training run leaves behind, and what makes it refuse."""

import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from sklearn.model_selection import KFold, cross_val_predict

from matminer_compute.errors import RegistryError, RegistryUnreachable, TrainingError
from matminer_compute.model import TrainOptions, list_versions, load_data, promote, train
from matminer_compute.model.estimators import cross_validate, fit, make_pipeline, target_scale
from matminer_compute.model.forest import write_forest
from matminer_compute.model.registry import connected


@pytest.fixture(scope="module")
def run(registry):
    client = MlflowClient(registry.uri)
    return client.get_run(registry.trained.run_id)


@pytest.fixture(scope="module")
def artifact(registry, tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifacts")

    def download(name):
        client = MlflowClient(registry.uri)
        return Path(client.download_artifacts(registry.trained.run_id, name, str(folder)))

    return download


def test_parameters_metrics_and_tags_are_logged(run, registry):
    params = run.data.params
    assert params["rows"] == str(registry.trained.rows)
    assert params["n_estimators"] == str(registry.trees)
    assert params["element_property_preset"] == "magpie"
    assert params["estimator"] == "random-forest"
    assert params["data"] == "bundled"
    assert run.info.status == "FINISHED"
    assert run.data.tags["unit"] == "eV/atom"
    assert run.data.tags["data_digest"] == load_data().take(registry.trained.rows).digest
    for name, value in registry.trained.metrics.items():
        assert run.data.metrics[name] == value


def test_figures_are_those_of_scikit_learn_for_the_same_folds(registry):
    """Cross-validated anew, by scikit-learn's own function, from the registered halves."""
    data = load_data().take(registry.trained.rows)
    featurizer = mlflow.pyfunc.load_model(_uri(registry, "featurizer")).unwrap_python_model()
    features, rows, index, rejected = featurizer.featurize(data.formulas)
    assert rejected == {}
    x, y = features[index], data.target[rows]
    pipeline = make_pipeline("random-forest", registry.trees, 0)
    predicted = cross_val_predict(pipeline, x, y, cv=KFold(5, shuffle=True, random_state=0))
    metrics = registry.trained.metrics
    assert metrics["MAE"] == pytest.approx(np.abs(predicted - y).mean(), abs=1e-12)
    assert metrics["RMSE"] == pytest.approx(np.sqrt(((predicted - y) ** 2).mean()), abs=1e-12)
    assert metrics["R2"] == pytest.approx(1 - ((predicted - y) ** 2).sum() / len(y) / y.var())
    assert 0.2 < metrics["MAE"] < 0.8  # eV/atom; 4,000 rows reach 0.22, the mean alone 0.99
    assert 0 < metrics["MAE_std"] < metrics["MAE"]


def _uri(registry, half):
    published = registry.trained.published
    mlflow.set_tracking_uri(registry.uri)
    if half == "featurizer":
        return f"models:/{published.featurizer}/{published.featurizer_version}"
    return f"models:/{published.name}/{published.version}"


def test_data_set_and_attribution_are_logged(run, artifact, registry):
    (logged,) = run.inputs.dataset_inputs
    assert logged.dataset.name == "mp_e_form.csv.gz"
    assert {tag.key: tag.value for tag in logged.tags} == {"mlflow.data.context": "training"}
    assert json.loads(logged.dataset.profile)["num_rows"] == registry.trained.rows
    assert "CC BY 4.0" in artifact("attribution.txt").read_text()


def test_feature_labels_are_logged(artifact):
    labels = json.loads(artifact("features.json").read_text())["labels"]
    assert len(labels) == 145
    assert labels[0] == "0-norm"
    assert labels[6] == "MagpieData minimum Number"


def test_plots_are_png_pictures(artifact):
    from matplotlib.image import imread

    for name in ("parity", "residuals", "spread"):
        picture = imread(artifact(f"plots/{name}.png"))
        assert min(picture.shape[:2]) > 500
        assert len(np.unique(picture.reshape(-1, picture.shape[2]), axis=0)) > 50  # not blank


def test_artifacts_lie_beside_the_database(registry, run):
    assert run.info.artifact_uri.startswith((registry.folder / "artifacts").as_uri())
    assert (registry.folder / "artifacts").is_dir()


def test_the_same_composition_is_never_in_two_folds():
    rng = np.random.default_rng(1)
    distinct = rng.normal(size=(60, 4))
    distinct[::7, 2] = np.nan
    features = np.repeat(distinct, 3, axis=0)
    order = rng.permutation(len(features))
    which = np.repeat(np.arange(60), 3)[order]
    target = rng.normal(size=len(features))
    pipeline = make_pipeline("extra-trees", 5, 0)
    seen = []
    judged = cross_validate(pipeline, features[order], target, folds=4, seed=3, on_fold=seen.append)
    assert seen == [1, 2, 3, 4]
    for composition in range(60):
        assert len(set(judged.fold[which == composition])) == 1
    assert sorted(np.bincount(judged.fold) // 3) == [15] * 4


@pytest.mark.parametrize("estimator", ["random-forest", "extra-trees", "hist-gradient-boosting"])
def test_a_fitted_pipeline_is_left_to_run_on_one_core(estimator):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(120, 5)), rng.normal(size=120)
    fitted = fit(make_pipeline(estimator, 4, 7), x, y)
    plain = make_pipeline(estimator, 4, 7).fit(x, y)
    np.testing.assert_array_equal(fitted.predict(x), plain.predict(x))
    assert fitted.named_steps["regressor"].get_params().get("n_jobs") is None


ALL = ["random-forest", "extra-trees", "hist-gradient-boosting"]


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("size", [2.0**-40, 2.0**-30, 2.0**60])
def test_the_size_of_a_target_changes_no_bit_of_what_is_learned(estimator, size, tmp_path):
    """A target times a power of two: the same trees, the same answers times that power."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(150, 5)), rng.normal(size=150)
    plain = fit(make_pipeline(estimator, 6, 7), x, y)
    scaled = fit(make_pipeline(estimator, 6, 7), x, y * size)
    np.testing.assert_array_equal(scaled.predict(x), plain.predict(x) * size)
    if write_forest(plain, tmp_path / "plain"):
        assert write_forest(scaled, tmp_path / "scaled")
        both = [np.load(tmp_path / name / "nodes.npy") for name in ("plain", "scaled")]
        before, after = (nodes.view(np.float64) for nodes in both)
        leaf = both[0].view(np.uint64) != both[1].view(np.uint64)  # inner nodes are the same
        assert leaf.sum() > len(leaf) / 3
        np.testing.assert_array_equal(after[leaf], before[leaf] * size)


@pytest.mark.parametrize("estimator", ALL)
def test_a_target_of_ordinary_size_is_learned_as_scikit_learn_does(estimator):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(150, 5))
    for y in (rng.normal(size=150), 200 + 30 * rng.normal(size=150), 0.01 * rng.normal(size=150)):
        assert target_scale(y) == 1.0
        ours, theirs = (make_pipeline(estimator, 4, 7) for _ in range(2))
        np.testing.assert_array_equal(fit(ours, x, y).predict(x), theirs.fit(x, y).predict(x))


def test_fewer_compositions_than_folds_are_said_so():
    x, y = np.repeat(np.eye(3), 20, axis=0), np.arange(60.0)
    with pytest.raises(TrainingError, match=r"3 distinct compositions.*by 5 folds"):
        cross_validate(make_pipeline("extra-trees", 2, 0), x, y, folds=5, seed=0)


def test_the_spread_is_that_of_the_trees_which_had_not_seen_the_row():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(80, 4)), rng.normal(size=80)
    judged = cross_validate(make_pipeline("random-forest", 5, 0), x, y, folds=4, seed=1)
    held_out = judged.fold == 2
    model = fit(make_pipeline("random-forest", 5, 0), x[~held_out], y[~held_out])
    trees = [tree.predict(x[held_out]) for tree in model[-1].estimators_]
    np.testing.assert_allclose(judged.std[held_out], np.std(trees, axis=0))
    boosted = make_pipeline("hist-gradient-boosting", 5, 0)
    assert cross_validate(boosted, x, y, folds=2, seed=1).std is None


@pytest.mark.parametrize("name", ["", " ", "a/b", "a:b", "a@b", 'say "x"', " a", "..", "x" * 300])
def test_a_name_that_cannot_be_one_is_refused_before_anything_is_trained(name):
    with pytest.raises(TrainingError, match="name of a model"):
        TrainOptions(name=name)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"element_property_preset": "pauling"}, "no element property preset 'pauling'"),
        ({"estimator": "neural-net"}, "no estimator 'neural-net'"),
        ({"rows": -1}, "rows must be 0 or more"),
        ({"n_estimators": -5}, "n_estimators must be 0 or more"),
        ({"folds": 1}, "folds must be 2 or more"),
        ({"seed": 2**32}, "seed must be less than"),
        ({"featurizers": ()}, "featurizers is empty"),
        ({"featurizers": ("IonProperty", "IonProperty")}, "names IonProperty twice"),
    ],
)
def test_wrong_options(wrong, said):
    with pytest.raises(TrainingError, match=said):
        TrainOptions(**wrong)


@pytest.fixture
def csv_with_a_bad_formula(tmp_path):
    lines = ["formula,gap"] + [f"Na{i}Cl,{i / 9}" for i in range(1, 61)]
    lines[40] = "Fe2Q3,1.0"
    path = tmp_path / "own.csv"
    path.write_text("\n".join(lines))
    return path


def test_an_unparsable_formula_is_named_and_nothing_is_published(csv_with_a_bad_formula, empty_uri):
    with pytest.raises(
        TrainingError, match=r"own\.csv: 1 row .*\n  row 41: the formula 'Fe2Q3' is not understood"
    ):
        train(
            TrainOptions(data=str(csv_with_a_bad_formula), n_estimators=5), tracking_uri=empty_uri
        )
    client = MlflowClient(empty_uri)
    assert client.search_registered_models() == []
    assert client.get_experiment_by_name("matminer-compute") is None


def test_a_csv_of_the_users_own_and_another_name(csv_with_a_bad_formula, empty_uri):
    path = csv_with_a_bad_formula
    path.write_text(path.read_text().replace("Fe2Q3", "Fe2O3"))
    reported = []
    run = train(
        TrainOptions(
            data=str(path), unit="eV", n_estimators=5, name="Band Gap", estimator="extra-trees"
        ),
        tracking_uri=empty_uri,
        progress=lambda doing, done: reported.append(done),
    )
    assert (run.property, run.unit, run.rows, run.dropped) == ("gap", "eV", 60, 0)
    assert run.published.name == "Band Gap"
    assert run.published.featurizer == "Band Gap Featurizer"
    assert reported == sorted(reported)
    assert reported[-1] == 1.0
    tags = MlflowClient(empty_uri).get_model_version("Band Gap", "1").tags
    assert (tags["property"], tags["unit"]) == ("gap", "eV")
    assert run.registry == empty_uri


def test_bad_rows_are_left_out_and_logged_if_so_asked(csv_with_a_bad_formula, empty_uri):
    path = csv_with_a_bad_formula
    path.write_text(path.read_text().replace("Na7Cl,", "Na7Cl,about "))
    options = {"data": str(path), "unit": "m2/s", "n_estimators": 3, "name": "O'Brien's"}
    with pytest.raises(TrainingError, match=r"2 rows .*\n  row 8: .*\n  row 41: "):
        train(TrainOptions(**options), tracking_uri=empty_uri)
    run = train(TrainOptions(**options, skip_bad_rows=True), tracking_uri=empty_uri)
    assert (run.rows, run.dropped) == (58, 2)
    client = MlflowClient(empty_uri)
    left_out = json.loads(Path(client.download_artifacts(run.run_id, "left_out.json")).read_text())
    assert set(left_out) == {"8", "41"}
    assert promote(model="O'Brien's", tracking_uri=empty_uri).version == "1"


def test_a_model_keeps_its_property_and_its_unit(csv_with_a_bad_formula, own_registry):
    path = csv_with_a_bad_formula
    path.write_text(path.read_text().replace("Fe2Q3", "Fe2O3"))
    gap = {"data": str(path), "unit": "eV", "n_estimators": 2}
    with pytest.raises(TrainingError, match=r"'Matminer' predicts formation_.*--name 'Gap'"):
        train(TrainOptions(**gap), tracking_uri=own_registry.uri)
    named = {**gap, "property_name": "formation_energy_per_atom", "unit": "kJ/mol"}
    with pytest.raises(TrainingError, match="in 'eV/atom', not in 'kJ/mol'"):
        train(TrainOptions(**named), tracking_uri=own_registry.uri)
    with pytest.raises(TrainingError, match="is taken in the registry"):
        train(TrainOptions(**gap, name="Matminer Featurizer"), tracking_uri=own_registry.uri)
    assert len(list_versions(tracking_uri=own_registry.uri)) == 1


def test_small_targets_are_learned(tmp_path, empty_uri):
    """Diffusion coefficients in SI: the model is worth what it is worth in other units."""
    rows = load_data().take(120)
    path = tmp_path / "diffusion.csv"
    lines = [f"{f},{t * 2.0**-40}" for f, t in zip(rows.formulas, rows.target, strict=True)]
    path.write_text("\n".join(["formula,D", *lines]))
    run = train(
        TrainOptions(data=str(path), unit="m2/s", n_estimators=4, name="D"), tracking_uri=empty_uri
    )
    assert run.metrics["R2"] > 0.1
    assert run.metrics["MAE"] < 1e-11
    assert run.warnings == ()


def test_the_ui_says_what_is_there(registry):
    client = MlflowClient(registry.uri)
    run = client.get_run(registry.trained.run_id)
    assert run.info.run_name == "Matminer: random-forest, 300 rows"
    for said in ("formation energy per atom", "MAE", "300 rows of mp_e_form.csv.gz"):
        assert said in client.get_model_version("Matminer", "1").description
        assert said in run.data.tags["mlflow.note.content"]
    assert "eV/atom" in client.get_registered_model("Matminer").description
    assert "145 features" in client.get_model_version("Matminer Featurizer", "1").description


@pytest.mark.parametrize("uri", ["http://someone:secret@127.0.0.1:9", "http://127.0.0.1:9/x?t=s"])
def test_an_unreachable_registry_is_named_without_its_credentials(uri):
    with pytest.raises(RegistryUnreachable) as caught:
        train(TrainOptions(rows=60), tracking_uri=uri)
    text = str(caught.value)
    assert "127.0.0.1:9" in text
    assert "secret" not in text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_database_that_is_none(tmp_path):
    (tmp_path / "registry.db").write_text("not a database, but long enough to have a header")
    with pytest.raises(RegistryError, match=r"registry\.db is not a database"):
        train(TrainOptions(rows=60), tracking_uri=f"sqlite:///{tmp_path / 'registry.db'}")


def test_mlflow_is_left_as_it_was(registry, empty_uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", empty_uri)
    mlflow.set_tracking_uri(empty_uri)
    level = logging.getLogger("mlflow").level
    with connected(registry.uri) as client:
        assert mlflow.get_tracking_uri() == registry.uri
        assert client.search_registered_models()
    assert mlflow.get_tracking_uri() == empty_uri
    assert mlflow.get_registry_uri() == empty_uri
    assert logging.getLogger("mlflow").level == level
    assert "MLFLOW_UV_AUTO_DETECT" not in os.environ


def test_a_person_sees_only_what_we_say(tmp_path):
    """The module as a command, in a process of its own: JSON on stdout, silence on stderr."""
    command = [sys.executable, "-m", "matminer_compute.model", "--rows", "60"]
    env = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'registry.db'}"}
    done = subprocess.run(
        [*command, "--n-estimators", "3", "--json"],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["published"]["version"] == "1"
    assert done.stderr == ""
    assert sorted(p.name for p in tmp_path.iterdir()) == ["artifacts", "registry.db"]
    wrong = subprocess.run(
        [*command, "--data", "absent.csv"], env=env, cwd=tmp_path, capture_output=True, text=True
    )
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr == "Error: There is no file absent.csv.\n"


def test_no_warning_reaches_the_caller(empty_uri):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(TrainOptions(rows=60, n_estimators=2, folds=2), tracking_uri=empty_uri)
