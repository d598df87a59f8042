"""Cards in the registry: kept beside the run's other artifacts, and found again by version."""

from __future__ import annotations

import base64
import json
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from matminer_compute.errors import CardError, NoProductionVersion
from matminer_compute.functions.worker.registry import Version, look_up
from matminer_compute.model.options import MODEL_NAME
from matminer_compute.model.plots import calibration_plot
from matminer_compute.model.registry import connected, told

from .limits import limits_of
from .record import FILE, Card, Data, Errors, Figures, Protocol, read_card

_CREDIT = "attribution.txt"
#: The pictures of a run that a description shows, in this order, and what each shows.
PLOTS = {
    "parity": "Predicted against known values, of rows whose compositions the model had not seen.",
    "calibration": "How many rows lie inside their interval, against how many should.",
}


@dataclass(frozen=True)
class Described:
    """A version as it is described.

    Attributes:
        card: made at training, or else of what the registry holds.
        plots: PNG pictures of its run, base64, by name; only those there are.
    """

    card: Card
    plots: dict[str, str]


def log_card(card: Card) -> None:
    """Keep a card, and a picture of how its intervals hold, in the active run."""
    with (
        told(after=f"{card.name!r} version {card.version} is published, but without its card."),
        tempfile.TemporaryDirectory() as folder,
    ):
        mlflow.log_text(card.model_dump_json(indent=1), FILE)
        if card.intervals is not None:
            path = Path(folder) / "calibration.png"
            calibration_plot(path, card.intervals.coverage)
            mlflow.log_artifact(str(path), "plots")


def find(
    name: str = MODEL_NAME, version: str = "Production", *, tracking_uri: str | None = None
) -> Described:
    """Return the card of a registered version.

    Args:
        name: registered name of the model.
        version: an alias, a stage (older registries) or a number.
        tracking_uri: the registry; by default where ``MLFLOW_TRACKING_URI`` points.

    Raises:
        NoProductionVersion: there is no such model or version, or no registry.
        CardError: its card cannot be read, or it is no model.
        RegistryUnreachable: the registry does not answer.
    """
    with connected(tracking_uri) as client, tempfile.TemporaryDirectory() as folder:
        found = look_up(name, version)
        if isinstance(found, RuntimeError):
            raise NoProductionVersion(str(found).partition("] ")[2])
        if "property" not in found.tags:
            raise CardError(
                f"{found} is not a model of this package but, say, a featurizer: it has no card."
            )
        run = _run_of(client, found.run_id)
        files = {} if run is None else _files(client, run.info.run_id, Path(folder))
        if FILE in files:
            card = read_card(
                files[FILE].read_text(encoding="utf-8"), f"{name!r} version {found.number}"
            )
        else:
            card = _of_registry(client, found, run, files.get(_CREDIT))
        plots = {
            name: base64.b64encode(files[path].read_bytes()).decode()
            for name in PLOTS
            if (path := f"plots/{name}.png") in files
        }
        return Described(card, plots)


def _run_of(client: MlflowClient, run_id: str) -> Run | None:
    """The run of a version; None if it was deleted for good, which the version outlives."""
    if not run_id:
        return None
    try:
        return client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def _files(client: MlflowClient, run_id: str, folder: Path) -> dict[str, Path]:
    """Copies of the card, the credit and the pictures of a run, as far as it has them, by path."""
    held = [file.path for where in ("", "plots") for file in client.list_artifacts(run_id, where)]
    wanted = {FILE, _CREDIT, *(f"plots/{name}.png" for name in PLOTS)}
    return {
        path: Path(client.download_artifacts(run_id, path, str(folder)))
        for path in held
        if path in wanted
    }


def _of_registry(
    client: MlflowClient, version: Version, run: Run | None, credit: Path | None
) -> Card:
    """What the tags of a version and its run say, for one that has no card."""
    tags = version.tags
    registered = client.get_model_version(version.name, version.number)
    card = Card(
        origin="registry",
        name=version.name,
        version=version.number,
        property=tags.get("property", ""),
        unit=tags.get("unit", ""),
        created=datetime.fromtimestamp(registered.creation_timestamp // 1000, tz=UTC),
        run_id=version.run_id,
        featurizer=tags.get("featurizer", ""),
        featurizer_version=tags.get("featurizer_version", ""),
        data=_data(run, "" if credit is None else credit.read_text(encoding="utf-8").strip()),
        protocol=_protocol(run),
        errors=_errors(run),
        software=json.loads(tags.get("requirements", "{}")),
    )
    return card.model_copy(update={"limits": limits_of(card)})


def _data(run: Run | None, attribution: str) -> Data | None:
    if run is None or "data_digest" not in run.data.tags:
        return None
    given = [] if run.inputs is None else run.inputs.dataset_inputs
    names = [each.dataset.name for each in given]
    return Data(
        source=names[0] if names else "",
        rows=_whole(run.data.metrics.get("rows")),
        digest=run.data.tags["data_digest"],
        attribution=attribution,
    )


def _protocol(run: Run | None) -> Protocol | None:
    if run is None or "estimator" not in run.data.params:
        return None
    said = run.data.params
    return Protocol(
        estimator=said["estimator"],
        size=_whole(said.get("n_estimators")),
        aggregate=said.get("aggregate"),
        featurizers=tuple(name for name in said.get("featurizers", "").split(", ") if name),
        preset=said.get("element_property_preset", ""),
        folds=_whole(said.get("folds")),
        seed=_whole(said.get("seed")),
    )


def _errors(run: Run | None) -> Errors | None:
    if run is None or "MAE" not in run.data.metrics:
        return None
    said = run.data.metrics
    overall = Figures(
        rows=_whole(said.get("rows")), mae=said["MAE"], rmse=said.get("RMSE"), r2=said.get("R2")
    )
    return Errors(overall=overall)


def _whole(value: str | float | None) -> int | None:
    return None if value is None else int(value)
