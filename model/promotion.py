"""Point Production at two versions that belong together, unless the new is clearly worse."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from matminer_compute.errors import ModelNotLoadable, RegistryError

from .databases import sqlite_path
from .options import MODEL_NAME, USELESS_R2
from .registry import connected, local_folder
from .versions import VersionInfo, aliases_of, choose, describe, pointers

PRODUCTION = "Production"
CLEARLY_WORSE = 1.1  # times the error of the version before, on the same rows
_STAGES = ("Staging", "Production", "Archived")
_MODEL_TAGS = ("schema", "digest", "featurizer", "featurizer_version", "property", "unit")
_FEATURIZER_TAGS = ("schema", "digest")


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
        staged: whether the server has stages and they were set, too or alone.
        new: what is known of the version.
        old: what is known of the one before, or None.
    """

    name: str
    version: str
    featurizer: str
    featurizer_version: str
    alias: str
    previous: str | None
    staged: bool
    new: VersionInfo
    old: VersionInfo | None

    @property
    def same_data(self) -> bool:
        """Whether the errors of old and new were measured on the same rows."""
        return self.old is not None and self.new.data == self.old.data != ""


def promote(
    version: str | int | None = None,
    *,
    model: str = MODEL_NAME,
    alias: str = PRODUCTION,
    force: bool = False,
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
        force: also if the version is clearly worse than the one before, or useless.
        tracking_uri: the registry; by default where ``MLFLOW_TRACKING_URI`` points.

    Raises:
        NoProductionVersion: there is no such model or version.
        ModelNotLoadable: the version is not one that this package published, or predicts something
            else than the one before, or its featurizer's version is gone or has another schema, or
            its files are not where the registry says. Nothing was changed.
        RegistryError: the alias cannot be one, or the version is clearly worse and ``force`` was
            not given. Nothing was changed.
        RegistryUnreachable: the registry does not answer.
    """
    _check_alias(alias)
    with connected(tracking_uri) as client:
        chosen = choose(client, model, version)
        _check_tags(chosen)
        featurizer = _featurizer_of(client, chosen)
        for half in (featurizer, chosen):
            _check_files(client, half)
        previous = pointers(client, model).get(alias)
        new, old = _side_by_side(client, chosen, previous)
        if not force:
            _refuse_worse(new, old, alias)
        aliased = _set_aliases(client, (featurizer, chosen), alias)
        staged = alias in _STAGES and _set_stages(client, (featurizer, chosen), alias)
        if not aliased and not staged:
            raise RegistryError(
                f"The registry is of an MLflow older than 2.3 and has no aliases: name one of its "
                f"stages instead of {alias!r} ({', '.join(_STAGES)}), or have it updated."
            )
        return Promotion(
            name=chosen.name,
            version=str(chosen.version),
            featurizer=featurizer.name,
            featurizer_version=str(featurizer.version),
            alias=alias,
            previous=previous,
            staged=staged,
            new=new,
            old=old,
        )


def _check_alias(alias: str) -> None:
    """Refuse what a reader would take for a number, and what MLflow refuses."""
    if re.fullmatch(r"[\w-]+", alias) and not re.fullmatch(r"v?\d+|latest", alias, re.IGNORECASE):
        return
    raise RegistryError(
        f"{alias!r} cannot be an alias: it must be a word of letters, digits, - and _, and neither "
        "a number nor 'latest', which mean versions already."
    )


def _side_by_side(
    client: MlflowClient, chosen: ModelVersion, previous: str | None
) -> tuple[VersionInfo, VersionInfo | None]:
    aliases = aliases_of(client, chosen.name)
    new = describe(client, chosen, aliases.get(str(chosen.version), []))
    if previous is None:
        return new, None
    before = client.get_model_version(chosen.name, previous)
    old = describe(client, before, aliases.get(previous, []))
    if (old.property, old.unit) != (new.property, new.unit):
        raise ModelNotLoadable(
            f"Version {new.version} of {new.name!r} predicts {new.property} ({new.unit}), version "
            f"{old.version} {old.property} ({old.unit}). Whoever asks for {new.name!r} expects the "
            "latter: train it again under a name of its own (--name)."
        )
    return new, old


def _refuse_worse(new: VersionInfo, old: VersionInfo | None, alias: str) -> None:
    """Raise RegistryError for a model that nobody would want unless they say so."""
    r2 = new.metrics.get("R2")
    if r2 is not None and r2 < USELESS_R2:
        raise RegistryError(
            f"Version {new.version} of {new.name!r} has R² {r2:.2g}: it predicts little better "
            f"than the mean of its training data. Point {alias} at it all the same with --force."
        )
    if old is None or not new.data or new.data != old.data or old.version == new.version:
        return
    error, before = new.metrics.get("MAE"), old.metrics.get("MAE")
    if error is not None and before is not None and error > CLEARLY_WORSE * before:
        raise RegistryError(
            f"Version {new.version} of {new.name!r} is clearly worse than version {old.version} on "
            f"the same data: MAE {error:.4g} against {before:.4g} {new.unit}. Point {alias} at it "
            "all the same with --force."
        )


def _check_tags(chosen: ModelVersion) -> None:
    missing = [tag for tag in _MODEL_TAGS if not chosen.tags.get(tag)]
    if missing:
        raise ModelNotLoadable(
            f"Version {chosen.version} of {chosen.name!r} lacks the tags {', '.join(missing)}: it "
            "was not published by `matminer-compute model train` or `publish`, and workers could "
            "not tell which featurizer it needs."
        )


def _check_files(client: MlflowClient, version: ModelVersion) -> None:
    """Raise ModelNotLoadable if an artifact of a registry on this machine is not where it says."""
    if sqlite_path(mlflow.get_registry_uri()) is None:
        return  # a server may name folders that only it and the workers see
    folder = local_folder(client.get_model_version_download_uri(version.name, version.version))
    if folder is not None and not (folder / "MLmodel").is_file():
        raise ModelNotLoadable(
            f"The files of version {version.version} of {version.name!r} are not in {folder}, "
            "where the registry says. If they were moved, move them back or make a link there "
            "(ln -s); if they are gone, train again."
        )


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


def _set_aliases(client: MlflowClient, pair: Sequence[ModelVersion], alias: str) -> bool:
    """Point an alias; return False where the server has stages only."""
    try:
        for half in pair:
            client.set_registered_model_alias(half.name, alias, str(half.version))
    except MlflowException as error:
        if error.error_code != "ENDPOINT_NOT_FOUND":
            raise
        return False
    return True


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
