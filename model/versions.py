"""The registered versions of a model: listed, found by number, and refused under the wrong name."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from matminer_compute.errors import NoProductionVersion, TrainingError

from .options import MODEL_NAME, featurizer_name
from .registry import connected

_STAGES_READ = ("Staging", "Production")
_METRICS = ("MAE", "RMSE", "R2", "coverage_90")


@dataclass(frozen=True)
class VersionInfo:
    """One registered version of a model.

    Attributes:
        name: registered name.
        version: its number, as text.
        created: when it was registered.
        metrics: ``MAE``, ``RMSE`` (in ``unit``), ``R2`` and ``coverage_90`` (the share of rows in
            their 90% interval) of its run, as far as it has them.
        aliases: what points at it, such as ``Production``.
        property: what it predicts.
        unit: in which unit.
        schema: fingerprint of the features it takes.
        featurizer: registered name of its featurizer.
        featurizer_version: version of it.
        run_id: the MLflow run that made it.
        data: fingerprint of the rows that the metrics were measured on; empty if unknown.
    """

    name: str
    version: str
    created: datetime
    metrics: dict[str, float]
    aliases: tuple[str, ...]
    property: str
    unit: str
    schema: str
    featurizer: str
    featurizer_version: str
    run_id: str
    data: str


def list_versions(model: str = MODEL_NAME, *, tracking_uri: str | None = None) -> list[VersionInfo]:
    """Return all versions of a model, the newest first.

    Raises:
        NoProductionVersion: there is no such model, or no registry; the text names those there are.
        RegistryUnreachable: the registry does not answer.
    """
    with connected(tracking_uri) as client:
        versions = versions_of(client, model)
        if not versions:
            raise unknown_model(client, model)
        aliases = aliases_of(client, model)
        return [describe(client, v, aliases.get(str(v.version), [])) for v in versions]


def describe(client: MlflowClient, version: ModelVersion, aliases: Sequence[str]) -> VersionInfo:
    """Return what a version's tags and its run say of it."""
    tags = version.tags
    metrics, data = _of_run(client, version.run_id)
    return VersionInfo(
        name=version.name,
        version=str(version.version),
        created=datetime.fromtimestamp(version.creation_timestamp / 1000, tz=UTC),
        metrics=metrics,
        aliases=tuple(sorted(aliases)),
        property=tags.get("property", ""),
        unit=tags.get("unit", ""),
        schema=tags.get("schema", ""),
        featurizer=tags.get("featurizer", ""),
        featurizer_version=tags.get("featurizer_version", ""),
        run_id=version.run_id or "",
        data=data,
    )


def versions_of(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Return all versions registered under a name, the newest first; none if there is no such."""
    # MLflow's filters know no escape: a name with one kind of quote goes between the other
    quote = '"' if "'" in name else "'"
    if quote in name:
        return []
    found: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(f"name={quote}{name}{quote}", page_token=token)
        found += page
        token = page.token
        if not token:
            return sorted(found, key=lambda v: int(v.version), reverse=True)


def choose(client: MlflowClient, model: str, version: str | int | None) -> ModelVersion:
    """Return a version by its number, or the newest.

    Raises:
        NoProductionVersion: there is no such model or version; the text says which there are.
    """
    versions = versions_of(client, model)
    if not versions:
        raise unknown_model(client, model)
    if version is None:
        return versions[0]
    for candidate in versions:
        if str(candidate.version) == str(version):
            return candidate
    known = ", ".join(str(v.version) for v in reversed(versions))
    raise NoProductionVersion(f"{model!r} has no version {version}; it has {known}.")


def aliases_of(client: MlflowClient, name: str) -> dict[str, list[str]]:
    """Return the aliases of a registered name, by the number of the version they point at."""
    aliases: dict[str, list[str]] = {}
    for alias, number in pointers(client, name).items():
        aliases.setdefault(number, []).append(alias)
    return aliases


def pointers(client: MlflowClient, name: str) -> dict[str, str]:
    """Return the number that each alias of a registered name points at; a stage is one too.

    Workers read a stage where there is no alias of that name, as on servers that know none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of stages
        found = client.get_registered_model(name)
        staged = {v.current_stage: str(v.version) for v in found.latest_versions}
    stages = {stage: staged[stage] for stage in _STAGES_READ if stage in staged}
    return stages | {alias: str(number) for alias, number in found.aliases.items()}


def unknown_model(client: MlflowClient, name: str) -> NoProductionVersion:
    """The error for a name without versions: it lists the names there are, the nearest first."""
    models = [n for n in registered_names(client) if not n.endswith(featurizer_name(""))]
    if not models:
        return NoProductionVersion(
            f"The registry has no version of {name!r}, nor of any other model: train one with "
            "`matminer-compute model train`, or run `make demo`."
        )
    listed = ", ".join(repr(model) for model in nearest(name, models))
    return NoProductionVersion(
        f"The registry has no version of {name!r}; its models are {listed}. "
        "`matminer-compute model train --name` makes a new one."
    )


def registered_names(client: MlflowClient) -> list[str]:
    """Return the names of all registered models and featurizers."""
    names: list[str] = []
    token = None
    while True:
        page = client.search_registered_models(page_token=token)
        names += [registered.name for registered in page]
        token = page.token
        if not token:
            return names


def nearest(name: str, known: Sequence[str]) -> list[str]:
    """Sort names by how much they resemble one, ignoring case, the most alike first."""

    def likeness(other: str) -> float:
        return difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()

    return sorted(known, key=likeness, reverse=True)


def refuse_other_property(client: MlflowClient, name: str, property_name: str, unit: str) -> None:
    """Raise TrainingError if a registered model predicts something else than is to be published.

    Whoever asks for a model by its name expects the property and the unit that it always had.
    """
    versions = versions_of(client, name)
    if not versions:
        return
    newest = next((v for v in versions if v.tags.get("property")), None)
    if newest is None:
        raise TrainingError(
            f"{name!r} is taken in the registry by what is not a model of this package, such as a "
            "featurizer: choose another name (--name)."
        )
    held = newest.tags["property"], newest.tags.get("unit", "")
    if held == (property_name, unit):
        return
    if held[0] == property_name:
        raise TrainingError(
            f"{name!r} predicts {property_name} in {held[1]!r}, not in {unit!r}: give --unit "
            f"{held[1]!r} if that is what the data are in, else another name (--name)."
        )
    other = property_name.replace("_", " ").title()
    raise TrainingError(
        f"{name!r} predicts {held[0]} ({held[1]}); a model of {property_name} ({unit}) needs a "
        f"name of its own, such as --name {other!r}."
    )


def _of_run(client: MlflowClient, run_id: str | None) -> tuple[dict[str, float], str]:
    """Metrics of a run, and the digest of the data that they were measured on."""
    if not run_id:
        return {}, ""
    try:
        run = client.get_run(run_id).data
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}, ""  # the run was deleted for good; the version lives on
    metrics = {name: run.metrics[name] for name in _METRICS if name in run.metrics}
    return metrics, run.tags.get("data_digest", "")
