"""Point Production at two versions that belong together, and list what there is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from matminer_compute.errors import ModelNotLoadable, NoProductionVersion

from .options import MODEL_NAME
from .registry import connected

PRODUCTION = "Production"
_STAGES = ("Staging", "Production", "Archived")
_MODEL_TAGS = ("schema", "digest", "featurizer", "featurizer_version", "property", "unit")
_FEATURIZER_TAGS = ("schema", "digest")
_METRICS = ("MAE", "RMSE", "R2")


@dataclass(frozen=True)
class Promotion:
    """A pair that an alias now points at.

    Attributes:
        name: registered name of the model.
        version: its version.
        featurizer: registered name of the featurizer.
        featurizer_version: its version.
        alias: what points at both.
        previous: the model's version that had the alias before, or None.
        staged: whether the server still has stages and they were set too.
    """

    name: str
    version: str
    featurizer: str
    featurizer_version: str
    alias: str
    previous: str | None
    staged: bool


@dataclass(frozen=True)
class VersionInfo:
    """One registered version of a model.

    Attributes:
        name: registered name.
        version: its number, as text.
        created: when it was registered.
        metrics: ``MAE``, ``RMSE`` (in ``unit``) and ``R2`` of its run, as far as it has them.
        aliases: what points at it, such as ``Production``.
        property: what it predicts.
        unit: in which unit.
        schema: fingerprint of the features it takes.
        featurizer: registered name of its featurizer.
        featurizer_version: version of it.
        run_id: the MLflow run that made it.
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


def promote(
    version: str | int | None = None,
    *,
    model: str = MODEL_NAME,
    alias: str = PRODUCTION,
    tracking_uri: str | None = None,
) -> Promotion:
    """Point ``alias`` at a version of the model and at the featurizer it was trained with.

    The featurizer's alias is moved first and the model's last: the model's version is the only
    pointer that a prediction follows (its tag names the featurizer's version), so a reader gets
    the old pair or the new one. A reader that follows both aliases can catch them between the two
    steps; it sees then that their schemas differ.

    Args:
        version: of the model; the newest by default.
        model: its registered name.
        alias: what to point; where the server still has stages and one is called so, that too.
        tracking_uri: the registry; by default where ``MLFLOW_TRACKING_URI`` points.

    Raises:
        NoProductionVersion: there is no such model or version.
        ModelNotLoadable: the version is not one that this package published, or its featurizer's
            version is gone or has another schema. Nothing was changed.
        RegistryUnreachable: the registry does not answer.
    """
    with connected(tracking_uri) as client:
        chosen = _choose(client, model, version)
        featurizer = _featurizer_of(client, chosen)
        previous = client.get_registered_model(model).aliases.get(alias)
        for half in (featurizer, chosen):
            client.set_registered_model_alias(half.name, alias, str(half.version))
        staged = alias in _STAGES and _set_stages(client, (featurizer, chosen), alias)
        return Promotion(
            name=chosen.name,
            version=str(chosen.version),
            featurizer=featurizer.name,
            featurizer_version=str(featurizer.version),
            alias=alias,
            previous=str(previous) if previous is not None else None,
            staged=staged,
        )


def list_versions(model: str = MODEL_NAME, *, tracking_uri: str | None = None) -> list[VersionInfo]:
    """Return all versions of a model, the newest first; none if there is no such model.

    Raises:
        RegistryUnreachable: the registry does not answer.
    """
    with connected(tracking_uri) as client:
        versions = _versions(client, model)
        if not versions:
            return []
        aliases: dict[str, list[str]] = {}
        for name, number in client.get_registered_model(model).aliases.items():
            aliases.setdefault(str(number), []).append(name)
        return [_describe(client, v, aliases.get(str(v.version), [])) for v in versions]


def _describe(client: MlflowClient, version: ModelVersion, aliases: list[str]) -> VersionInfo:
    tags = version.tags
    return VersionInfo(
        name=version.name,
        version=str(version.version),
        created=datetime.fromtimestamp(version.creation_timestamp / 1000, tz=UTC),
        metrics=_metrics(client, version.run_id),
        aliases=tuple(sorted(aliases)),
        property=tags.get("property", ""),
        unit=tags.get("unit", ""),
        schema=tags.get("schema", ""),
        featurizer=tags.get("featurizer", ""),
        featurizer_version=tags.get("featurizer_version", ""),
        run_id=version.run_id or "",
    )


def _metrics(client: MlflowClient, run_id: str | None) -> dict[str, float]:
    if not run_id:
        return {}
    try:
        found = client.get_run(run_id).data.metrics
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}  # the run was deleted for good; the version lives on
    return {name: found[name] for name in _METRICS if name in found}


def _versions(client: MlflowClient, name: str) -> list[ModelVersion]:
    quoted = name.replace("'", "''")
    found: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(f"name='{quoted}'", page_token=token)
        found += page
        token = page.token
        if not token:
            return sorted(found, key=lambda v: int(v.version), reverse=True)


def _choose(client: MlflowClient, model: str, version: str | int | None) -> ModelVersion:
    versions = _versions(client, model)
    if not versions:
        raise NoProductionVersion(
            f"The registry has no version of {model!r}: train one with "
            "`matminer-compute model train`."
        )
    if version is None:
        chosen = versions[0]
    else:
        named = [v for v in versions if str(v.version) == str(version)]
        if not named:
            known = ", ".join(str(v.version) for v in reversed(versions))
            raise NoProductionVersion(f"{model!r} has no version {version}; it has {known}.")
        chosen = named[0]
    missing = [tag for tag in _MODEL_TAGS if not chosen.tags.get(tag)]
    if missing:
        raise ModelNotLoadable(
            f"Version {chosen.version} of {model!r} lacks the tags {', '.join(missing)}: it was "
            "not published by `matminer-compute model train` or `publish`, and workers could not "
            "tell which featurizer it needs."
        )
    return chosen


def _featurizer_of(client: MlflowClient, model: ModelVersion) -> ModelVersion:
    name, number = model.tags["featurizer"], model.tags["featurizer_version"]
    label = f"Version {model.version} of {model.name!r} needs version {number} of {name!r}"
    try:
        featurizer = client.get_model_version(name, number)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        raise ModelNotLoadable(f"{label}, which is gone from the registry: train again.") from None
    missing = [tag for tag in _FEATURIZER_TAGS if not featurizer.tags.get(tag)]
    if missing or featurizer.tags["schema"] != model.tags["schema"]:
        raise ModelNotLoadable(
            f"{label}, whose tags are missing or name another schema: train again."
        )
    return featurizer


def _set_stages(client: MlflowClient, pair: Sequence[ModelVersion], stage: str) -> bool:
    """Set the stage for readers of old; return False where the server has no stages any more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            for half in pair:
                client.transition_model_version_stage(
                    half.name, str(half.version), stage, archive_existing_versions=True
                )
        except (MlflowException, AttributeError):
            # a server (or an mlflow) without stages; the aliases are what counts
            return False
    return True
