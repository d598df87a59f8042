"""Delete a registered version that nobody can be using."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from matminer_compute.errors import RegistryError

from .options import MODEL_NAME
from .registry import connected
from .versions import aliases_of, choose, registered_names, versions_of


@dataclass(frozen=True)
class Removal:
    """What was deleted from the registry; the runs and their files are kept.

    Attributes:
        name: registered name.
        version: its version.
        featurizer: registered name of its featurizer, if a version of that went too, else None.
        featurizer_version: that version, or None.
    """

    name: str
    version: str
    featurizer: str | None
    featurizer_version: str | None


def delete_version(
    version: str | int, *, model: str = MODEL_NAME, tracking_uri: str | None = None
) -> Removal:
    """Delete a version, and the featurizer's that only it needed.

    Args:
        version: number of the version.
        model: registered name, of a model or of a featurizer.
        tracking_uri: the registry; by default where ``MLFLOW_TRACKING_URI`` points.

    Raises:
        NoProductionVersion: there is no such model or version.
        RegistryError: an alias points at the version, or a model needs it. Nothing was deleted.
        RegistryUnreachable: the registry does not answer.
    """
    with connected(tracking_uri) as client:
        chosen = choose(client, model, version)
        number = str(chosen.version)
        if aliases := aliases_of(client, model).get(number):
            raise RegistryError(
                f"Version {number} of {model!r} is {' and '.join(sorted(aliases))}: promote "
                "another first."
            )
        if needing := _needing(client, model, number):
            raise RegistryError(
                f"Version {number} of {model!r} is needed by {', '.join(needing)}: delete those "
                "first."
            )
        client.delete_model_version(model, number)
        name, other = chosen.tags.get("featurizer"), chosen.tags.get("featurizer_version")
        if name is None or other is None or not _is_idle(client, name, other):
            return Removal(model, number, None, None)
        client.delete_model_version(name, other)
        return Removal(model, number, name, other)


def _needing(client: MlflowClient, featurizer: str, number: str) -> list[str]:
    """The model versions that were trained with a version of a featurizer, in words."""
    return [
        f"version {version.version} of {name!r}"
        for name in registered_names(client)
        for version in versions_of(client, name)
        if version.tags.get("featurizer") == featurizer
        and version.tags.get("featurizer_version") == number
    ]


def _is_idle(client: MlflowClient, name: str, number: str) -> bool:
    try:
        client.get_model_version(name, number)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return False  # it is gone already
    return not aliases_of(client, name).get(number) and not _needing(client, name, number)
