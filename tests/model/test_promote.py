"""Promotion moves both halves together, refuses what does not belong together, and lists."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient

from matminer_compute.errors import (
    ModelNotLoadable,
    NoProductionVersion,
    RegistryError,
    RegistryUnreachable,
)
from matminer_compute.model import TrainOptions, delete_version, list_versions, promote, train
from matminer_compute.model.versions import nearest

FEATURIZER, MODEL = "Matminer Featurizer", "Matminer"


@pytest.fixture(scope="module")
def two_versions(registry, tmp_path_factory):
    """The shared registry and a second version in it, with another preset."""
    copy = replace(registry, folder=tmp_path_factory.mktemp("two"))
    shutil.copy(registry.folder / "registry.db", copy.folder / "registry.db")
    options = TrainOptions(rows=80, n_estimators=3, element_property_preset="deml")
    train(options, tracking_uri=copy.uri)
    return copy


@pytest.fixture
def second(two_versions, tmp_path):
    """A copy of it for one test to change."""
    shutil.copy(two_versions.folder / "registry.db", tmp_path / "registry.db")
    return replace(two_versions, folder=tmp_path)


def _pointed_at(uri, alias="Production"):
    client = MlflowClient(uri)
    return tuple(
        str(client.get_registered_model(name).aliases.get(alias)) for name in (FEATURIZER, MODEL)
    )


def test_a_first_promotion(registry):
    assert _pointed_at(registry.uri) == ("1", "1")


def test_training_promotes_nothing(second):
    assert _pointed_at(second.uri) == ("1", "1")


def test_the_newest_unless_named_and_back(second):
    done = promote(tracking_uri=second.uri)
    assert (done.version, done.featurizer, done.featurizer_version) == ("2", FEATURIZER, "2")
    assert (done.alias, done.previous) == ("Production", "1")
    assert _pointed_at(second.uri) == ("2", "2")
    assert promote(1, tracking_uri=second.uri).previous == "2"
    assert _pointed_at(second.uri) == ("1", "1")


def test_another_alias_leaves_production_alone(second):
    done = promote("2", alias="candidate", tracking_uri=second.uri)
    assert not done.staged
    assert done.previous is None
    assert _pointed_at(second.uri, "candidate") == ("2", "2")
    assert _pointed_at(second.uri) == ("1", "1")


def test_the_stage_follows_where_the_server_has_stages(second):
    assert promote(tracking_uri=second.uri).staged
    client = MlflowClient(second.uri)
    for name in (FEATURIZER, MODEL):
        stages = {
            v.version: v.current_stage for v in client.search_model_versions(f"name='{name}'")
        }
        assert stages == {1: "Archived", 2: "Production"} or stages == {
            "1": "Archived",
            "2": "Production",
        }


def test_the_featurizer_is_moved_first(second):
    """As the database tells: the order in which rows of the alias table were written."""
    path = second.folder / "registry.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE moves (at INTEGER PRIMARY KEY, name TEXT, version TEXT)")
        for event in ("INSERT", "UPDATE"):
            db.execute(
                f"CREATE TRIGGER move_{event} AFTER {event} ON registered_model_aliases BEGIN "
                "INSERT INTO moves (name, version) VALUES (NEW.name, NEW.version); END"
            )
        db.commit()
    promote(2, tracking_uri=second.uri)
    promote(1, tracking_uri=second.uri)
    with closing(sqlite3.connect(path)) as db:
        moves = db.execute("SELECT name, version FROM moves ORDER BY at").fetchall()
    assert [(name, str(version)) for name, version in moves] == [
        (FEATURIZER, "2"),
        (MODEL, "2"),
        (FEATURIZER, "1"),
        (MODEL, "1"),
    ]


def test_unknown_versions_and_models(own_registry):
    with pytest.raises(NoProductionVersion, match="'Matminer' has no version 7; it has 1"):
        promote(7, tracking_uri=own_registry.uri)
    with pytest.raises(NoProductionVersion, match='no version of "It\'s"'):
        promote(model="It's", tracking_uri=own_registry.uri)
    with pytest.raises(NoProductionVersion, match="has no version latest"):
        promote("latest", tracking_uri=own_registry.uri)


def test_an_empty_registry(empty_uri):
    with pytest.raises(NoProductionVersion, match="model train"):
        promote(tracking_uri=empty_uri)
    with pytest.raises(NoProductionVersion, match="make demo"):
        list_versions(tracking_uri=empty_uri)
    assert not Path(empty_uri.removeprefix("sqlite:///")).parent.exists()  # reading makes nothing


@pytest.mark.parametrize("tag", ["schema", "featurizer", "featurizer_version", "digest", "unit"])
def test_a_version_without_tags_is_refused(second, tag):
    MlflowClient(second.uri).delete_model_version_tag(MODEL, "2", tag)
    with pytest.raises(ModelNotLoadable, match=f"lacks the tags {tag}"):
        promote(tracking_uri=second.uri)
    assert _pointed_at(second.uri) == ("1", "1")


def test_a_version_whose_featurizer_is_gone_is_refused(second):
    MlflowClient(second.uri).delete_model_version(FEATURIZER, "2")
    with pytest.raises(ModelNotLoadable, match=f"needs version 2 of '{FEATURIZER}', which is gone"):
        promote(tracking_uri=second.uri)
    assert _pointed_at(second.uri) == ("1", "1")
    assert promote(1, tracking_uri=second.uri).version == "1"


def test_a_version_whose_featurizer_has_another_schema_is_refused(second):
    MlflowClient(second.uri).set_model_version_tag(MODEL, "2", "featurizer_version", "1")
    with pytest.raises(ModelNotLoadable, match="name another schema"):
        promote(tracking_uri=second.uri)
    assert _pointed_at(second.uri) == ("1", "1")


def test_list(second):
    newest, oldest = list_versions(tracking_uri=second.uri)
    assert (newest.version, oldest.version) == ("2", "1")
    assert (newest.aliases, oldest.aliases) == ((), ("Production",))
    shown = ("MAE", "RMSE", "R2", "coverage_90")
    assert oldest.metrics == {name: second.trained.metrics[name] for name in shown}
    assert newest.schema != oldest.schema == second.trained.published.schema
    assert (newest.featurizer, newest.featurizer_version) == (FEATURIZER, "2")
    assert (newest.property, newest.unit) == ("formation_energy_per_atom", "eV/atom")
    assert timedelta(0) < datetime.now(UTC) - newest.created < timedelta(hours=1)
    promote(tracking_uri=second.uri)
    promote(2, alias="candidate", tracking_uri=second.uri)
    assert list_versions(tracking_uri=second.uri)[0].aliases == ("Production", "candidate")


def test_list_of_a_registry_that_is_away():
    with pytest.raises(RegistryUnreachable, match=r"http://127\.0\.0\.1:9 does not answer"):
        list_versions(tracking_uri="http://me:secret@127.0.0.1:9")


def _set_metric(registry, version, **metrics):
    """As if the version's run had been judged so, on the data of version 1."""
    client = MlflowClient(registry.uri)
    run_id = client.get_model_version(MODEL, version).run_id
    for name, value in metrics.items():
        client.log_metric(run_id, name, value)
    first = client.get_run(client.get_model_version(MODEL, "1").run_id)
    client.set_tag(run_id, "data_digest", first.data.tags["data_digest"])


def test_a_clearly_worse_model_is_promoted_only_by_force(second):
    error = second.trained.metrics["MAE"]
    _set_metric(second, "2", MAE=1.2 * error)
    with pytest.raises(RegistryError, match=r"clearly worse than version 1.*--force"):
        promote(tracking_uri=second.uri)
    assert _pointed_at(second.uri) == ("1", "1")
    done = promote(force=True, tracking_uri=second.uri)
    assert done.same_data
    assert done.new.metrics["MAE"] > done.old.metrics["MAE"]
    assert promote(1, tracking_uri=second.uri).version == "1"
    _set_metric(second, "2", MAE=1.02 * error)
    assert promote(tracking_uri=second.uri).version == "2"


def test_a_useless_model_is_promoted_only_by_force(second):
    _set_metric(second, "2", R2=0.02)
    with pytest.raises(RegistryError, match=r"R² 0\.02: it predicts little better"):
        promote(tracking_uri=second.uri)
    assert promote(force=True, tracking_uri=second.uri).version == "2"


def test_another_property_never_takes_the_place_of_one(second):
    """As a registry of before this was refused at training may hold it."""
    MlflowClient(second.uri).set_model_version_tag(MODEL, "2", "property", "gap")
    with pytest.raises(ModelNotLoadable, match=r"predicts gap .*under a name of its own"):
        promote(force=True, tracking_uri=second.uri)
    assert _pointed_at(second.uri) == ("1", "1")


@pytest.mark.parametrize("alias", ["7", "v7", "latest", "", "a b", "a/b"])
def test_what_cannot_be_an_alias(second, alias):
    with pytest.raises(RegistryError, match="cannot be an alias"):
        promote(alias=alias, tracking_uri=second.uri)


def test_a_version_in_use_is_not_deleted(second):
    with pytest.raises(RegistryError, match="is Production: promote another first"):
        delete_version(1, tracking_uri=second.uri)
    with pytest.raises(RegistryError, match="needed by version 2 of 'Matminer'"):
        delete_version(2, model=FEATURIZER, tracking_uri=second.uri)
    with pytest.raises(NoProductionVersion, match="has no version ²; it has 1, 2"):
        delete_version("²", tracking_uri=second.uri)


def test_a_version_is_deleted_with_the_featurizer_that_only_it_needs(second):
    done = delete_version(2, tracking_uri=second.uri)
    assert (done.name, done.featurizer, done.featurizer_version) == (MODEL, FEATURIZER, "2")
    client = MlflowClient(second.uri)
    for name in (MODEL, FEATURIZER):
        (left,) = client.search_model_versions(f"name='{name}'")
        assert str(left.version) == "1"


def test_a_featurizer_that_another_model_needs_stays(second):
    client = MlflowClient(second.uri)
    client.set_model_version_tag(MODEL, "1", "featurizer_version", "2")
    assert delete_version(2, tracking_uri=second.uri).featurizer is None
    assert client.get_model_version(FEATURIZER, "2")


def test_the_nearest_names_come_first():
    known = ["Band Gap", "Matminer", "Bulk Modulus"]
    assert nearest("Matmimer", known)[0] == "Matminer"
    assert nearest("gap", known)[0] == "Band Gap"
