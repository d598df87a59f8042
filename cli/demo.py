"""``matminer-compute demo``: the whole main job on this machine, for someone just arrived."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from matminer_compute.errors import NoProductionVersion
from matminer_compute.errors.machine import files
from matminer_compute.functions.worker.address import public_address

from .terminal import Column, say, show

if TYPE_CHECKING:
    from matminer_compute.client import CompositionClient, Predictions
    from matminer_compute.model import VersionInfo

#: Kept out of the demo's training, so that the table shows predictions and not memories.
COMPOUNDS = (
    "NaCl", "MgO", "Al2O3", "SiO2", "TiO2", "Fe2O3", "ZnS", "GaAs", "CaF2", "BaTiO3", "LiCoO2",
    "Mg2Si",
)  # fmt: skip


#: Rows from which a small network learns in less than a minute on two cores, judging it included.
_ROWS = 20_000


@click.command()
@click.option("--rows", default=_ROWS, show_default=True, help="Rows to train on, if it must.")
def demo(rows: int) -> None:
    """Train if nothing is Production yet, register, predict, and show all of it."""
    from matminer_compute.client import CompositionClient
    from matminer_compute.endpoint import EmbeddedEndpoint, data_folder, registry_uri
    from matminer_compute.registration import register

    os.environ.setdefault("MLFLOW_TRACKING_URI", registry_uri())
    with _alone(data_folder()):
        version = _production() or _train(rows)
    bundle = data_folder() / "bundle.json"
    with EmbeddedEndpoint() as endpoint:
        register(endpoint, bundle)
        with CompositionClient(bundle, endpoint) as client:
            cold, cold_seconds = _timed(client)
            warm, warm_seconds = _timed(client)
            while warm.workers[0]["cold"]:  # it went to another worker, which had to load too
                warm, warm_seconds = _timed(client)
    _show(cold, version)
    _explain(cold, cold_seconds, warm_seconds)
    _point(version, bundle)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one demo at a time decide whether to train: a second waits, and uses what the first made.

    The lock is the system's: it ends with the process, however that ends.
    """
    import fcntl  # every command is imported with this one, also where there is none

    with files(
        f"The data folder {folder} cannot be written",
        advice="set XDG_DATA_HOME to a folder that you may write",
    ):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "demo.lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another demo is at work in this folder: waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _production() -> "VersionInfo | None":
    from matminer_compute.model import list_versions

    try:
        return next((v for v in list_versions() if "Production" in v.aliases), None)
    except NoProductionVersion:
        return None  # no registry yet, or nothing in it


def _train(rows: int) -> "VersionInfo":
    from matminer_compute.model import WITH_ELEMENTS, TrainOptions, promote, train

    say(f"Nothing is Production yet: training a network on {rows:,} formulas …")
    options = TrainOptions(
        rows=rows,
        held_out=COMPOUNDS,
        estimator="network",
        featurizers=WITH_ELEMENTS,
        n_estimators=3,
        layers=(256, 128, 64),
        epochs=25,
        folds=10,
        judged_rows=1000,  # of 20,000 one fold of ten: a second training of the kind
    )
    trained = train(options)
    promote(trained.published.version)
    version = _production()
    assert version is not None
    return version


def _timed(client: "CompositionClient") -> "tuple[Predictions, float]":
    started = time.perf_counter()
    return client.predict(COMPOUNDS), time.perf_counter() - started


def _show(predictions: "Predictions", version: "VersionInfo") -> None:
    from matminer_compute.model import load_data

    frame = load_data("bundled").frame
    known = dict(zip(frame["formula"], frame["target"], strict=True))
    unseen = _held_out(version)
    columns = (
        Column("compound"),
        Column("predicted", digits=4),
        Column("lower", digits=3),
        Column("upper", digits=3),
        Column("DFT", digits=4),
        Column("error", digits=3, yields=True),
    )
    rows = [
        (
            row.formula if row.formula in unseen else f"{row.formula} *",
            row.value,
            row.lower,
            row.upper,
            known[row.formula],
            row.value - known[row.formula],
        )
        for row in predictions
    ]
    show(columns, rows, f"{predictions.property}, {predictions.unit}")
    if not unseen.issuperset(COMPOUNDS):
        print("* may be among the rows that this model was trained on")
    metrics = version.metrics
    if "MAE" in metrics and "RMSE" in metrics:
        errors = f"MAE {metrics['MAE']:.3f}, RMSE {metrics['RMSE']:.3f} {version.unit}"
        print(f"On formulas kept out of its training: {errors}.")
    if predictions.interval is not None:
        share = f"{predictions.interval:.0%}"
        print(f"lower to upper is meant to hold the true value in {share} of all cases", end="")
        print(f": it did for {metrics['coverage_90']:.1%}." if "coverage_90" in metrics else ".")


def _held_out(version: "VersionInfo") -> set[str]:
    import mlflow

    return set(mlflow.get_run(version.run_id).data.params.get("held_out", "").split(", "))


def _explain(predictions: "Predictions", cold: float, warm: float) -> None:
    model, featurizer, worker = predictions.model, predictions.featurizer, predictions.workers[0]
    print(
        f"Answered by {model['name']} version {model['version']} with {featurizer['name']} "
        f"version {featurizer['version']}, on worker {worker['pid']} of {worker['host']} "
        f"(Python {worker['python']}): {cold:.2f} s cold, {warm * 1000:.1f} ms warm."
    )


def _point(version: "VersionInfo", bundle: Path) -> None:
    import mlflow

    command = sys.argv[0] if Path(sys.argv[0]).name == "matminer-compute" else "matminer-compute"
    plots = mlflow.get_run(version.run_id).info.artifact_uri.removeprefix("file://")
    print(
        f"\nRegistry  {public_address(os.environ['MLFLOW_TRACKING_URI'])}\n"
        f"Plots     {plots}/plots\n"
        f"Bundle    {bundle}\n"
        "\nTry next:\n"
        f"  {command} predict 'Li0.5CoO2' 'CuSO4·5H2O' 'not a formula'\n"
        f"  {command} model list\n"
        f"  {command} featurize NaCl Fe2O3 -o features.csv"
    )
