"""Train a model, judge it on rows it has not seen, and register it with its featurizer."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from sklearn.pipeline import Pipeline

from matminer_compute.functions.worker.address import public_address

from .card.making import of_training
from .card.record import Card, Features
from .card.store import log_card
from .domain import with_domain, with_trained
from .estimators import CrossValidation, fit, pipeline_for
from .featurizer import Featurizer, build_featurizer
from .intervals import Calibration
from .judging import calibrated, judge, log_plots
from .options import USELESS_R2, TrainOptions
from .progress import Report, terminal_progress
from .publish import Published, publish_pair
from .registry import connected, refuse_moved, told
from .rows import Rows, featurized, load_rows
from .runs import active_run, log_facts
from .training_data import TrainingData
from .versions import refuse_other_property


@dataclass(frozen=True)
class TrainedRun:
    """What a training run has left in the registry.

    Attributes:
        published: the two registered versions.
        metrics: cross-validated ``MAE``, ``RMSE`` and ``MAE_std`` (over folds, where more than one
            was held out) in ``unit``, ``R2``, and for each
            level of intervals, such as 90, ``coverage_90`` and the mean ``width_90`` in ``unit``.
        property: what the model predicts.
        unit: in which unit.
        rows: rows trained on.
        dropped: rows left out; the run's ``left_out.json`` says which and why. Of a file of the
            user's only when they said so; of a reference set those that hold an element for which
            the preset has no data.
        seconds: time spent, by step: ``featurize``, ``validate``, ``fit``, ``publish``.
        run_id: the MLflow run.
        registry: address of the registry, without credentials.
        plots: URI of the folder of the three plots.
        warnings: what a publisher should know before promoting it, in sentences.
    """

    published: Published
    metrics: dict[str, float]
    property: str
    unit: str
    rows: int
    dropped: int
    seconds: dict[str, float]
    run_id: str
    registry: str
    plots: str
    warnings: tuple[str, ...]


class _Clock:
    """Seconds spent in each step, one after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = round(now - self._last, 3)
        self._last = now


def train(
    options: TrainOptions | None = None,
    *,
    tracking_uri: str | None = None,
    progress: Report | None = None,
) -> TrainedRun:
    """Train, cross-validate, log and register; nothing is promoted.

    Args:
        options: see :class:`TrainOptions`; the main job's by default.
        tracking_uri: the registry; by default where ``MLFLOW_TRACKING_URI`` points.
        progress: called with what is being done and the fraction done; by default a bar on
            standard error, if that is a terminal.

    Raises:
        TrainingError: the options or the data are at fault; nothing was published.
        RegistryUnreachable: the registry does not answer; nothing was trained.
    """
    options = options or TrainOptions()
    with ExitStack() as stack:
        report = progress or stack.enter_context(terminal_progress())
        report("reading the data", 0.0)
        unusable: dict[int, str] = {}
        data = load_rows(options, unusable)
        client = stack.enter_context(connected(tracking_uri, create=True))
        refuse_moved(client)
        refuse_other_property(client, options.name, data.property_name, data.unit)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clock = _Clock()
        trained = _train(options, data, unusable, folder, report, clock)
        report("publishing", 0.90)
        published = _publish(trained, client, folder, clock)
        report("done", 1.0)
        return published


@dataclass(frozen=True)
class _Trained:
    """A fitted model, what it was made of, and how good it is."""

    options: TrainOptions
    data: TrainingData
    unusable: dict[int, str]
    featurizer: Featurizer
    rows: Rows
    pipeline: Pipeline
    judged: CrossValidation
    importance: Features
    calibration: Calibration

    @property
    def metrics(self) -> dict[str, float]:
        return {**self.judged.as_metrics(), **self.calibration.as_metrics()}


def _train(
    options: TrainOptions,
    data: TrainingData,
    unusable: dict[int, str],
    folder: Path,
    report: Report,
    clock: _Clock,
) -> _Trained:
    report(f"featurizing {len(data.frame):,} formulas", 0.02)
    featurizer = build_featurizer(options.element_property_preset, options.featurizers, folder)
    rows = featurized(featurizer, data, unusable, options.skip_bad_rows)
    featurizer = with_domain(featurizer, rows.formulas, folder)
    featurizer = with_trained(featurizer, rows.formulas, rows.target, folder)
    clock.lap("featurize")
    pipeline = pipeline_for(options)
    judged, importance = judge(pipeline, rows, featurizer.labels, options, report)
    elements = featurizer.elements_of(rows.features)
    calibration = calibrated(judged, rows.target, elements, options.seed)
    clock.lap("validate")
    report("training on all rows", 0.80)
    fit(pipeline, rows.features, rows.target)
    clock.lap("fit")
    return _Trained(
        options, data, unusable, featurizer, rows, pipeline, judged, importance, calibration
    )


def _publish(trained: _Trained, client: MlflowClient, folder: Path, clock: _Clock) -> TrainedRun:
    options, data, rows = trained.options, trained.data, len(trained.rows.target)
    name = f"{options.name}: {options.estimator}, {rows:,} rows"
    about = _description(options, data, trained.judged, rows)
    with active_run(client, name, about) as run:
        with told(after="Nothing was published."):
            _log(trained, client, run.info.run_id, folder)
            published = publish_pair(
                client,
                trained.featurizer,
                trained.pipeline,
                run_id=run.info.run_id,
                property_name=data.property_name,
                unit=data.unit,
                name=options.name,
                description=about,
                aggregate=options.aggregate,
                calibration=trained.calibration,
            )
        log_card(_card(trained, published))
        clock.lap("publish")
        mlflow.log_metrics({f"seconds_{step}": s for step, s in clock.seconds.items()})
        return TrainedRun(
            published=published,
            metrics=trained.metrics,
            property=data.property_name,
            unit=data.unit,
            rows=rows,
            dropped=len(trained.unusable),
            seconds=clock.seconds,
            run_id=run.info.run_id,
            registry=public_address(mlflow.get_registry_uri()),
            plots=f"{run.info.artifact_uri}/plots",
            warnings=_warnings(trained.judged),
        )


def _log(trained: _Trained, client: MlflowClient, run_id: str, folder: Path) -> None:
    """What the run keeps beside the artifacts and the card."""
    log_facts(client, run_id, trained.options, trained.data, trained.featurizer.labels)
    mlflow.log_metrics({**trained.metrics, "rows": len(trained.rows.target)})
    if trained.unusable:
        left_out = {str(row): why for row, why in trained.unusable.items()}
        mlflow.log_dict(left_out, "left_out.json")
    log_plots(trained.judged, trained.rows, trained.data, folder / "plots")


def _card(trained: _Trained, published: Published) -> Card:
    return of_training(
        published,
        trained.options,
        trained.data,
        trained.featurizer,
        (trained.rows.features, trained.rows.target),
        trained.judged,
        trained.importance,
        left_out=len(trained.unusable),
        calibration=trained.calibration,
    )


def _description(
    options: TrainOptions, data: TrainingData, judged: CrossValidation, rows: int
) -> str:
    """What the MLflow UI shows of a run and of a version: what, how good, trained on what."""
    what = data.property_name.replace("_", " ")
    source = Path(data.source).name
    return (
        f"Predicts the {what} ({data.unit}) of a composition, by a {options.estimator} of size "
        f"{options.size} on {options.element_property_preset} features.\n\n"
        f"Cross-validated, {judged.held_out} of {options.folds} folds held out: "
        f"**MAE {judged.mae:.4g} {data.unit}**, RMSE {judged.rmse:.4g} {data.unit}, "
        f"R² {judged.r2:.3f}.\n\n"
        f"Trained on {rows:,} rows of {source}. {data.attribution}"
    ).strip()


def _warnings(judged: CrossValidation) -> tuple[str, ...]:
    if judged.r2 >= USELESS_R2:
        return ()
    return (
        f"R² is {judged.r2:.2g}: the model predicts little better than the mean of its training "
        "data, and `model promote` will ask for --force.",
    )
