"""Train a model, judge it on rows it has not seen, and register it with its featurizer."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow import MlflowClient

from matminer_compute.errors import TrainingError
from matminer_compute.functions.worker.address import public_address

from .domain import with_domain
from .estimators import CrossValidation, cross_validate, fit, make_pipeline
from .featurizer import Featurizer, build_featurizer
from .options import USELESS_R2, TrainOptions
from .plots import parity_plot, residual_plot, spread_plot
from .progress import Report, terminal_progress
from .publish import Published, publish_pair
from .registry import connected, refuse_moved, told
from .runs import active_run, log_facts
from .training_data import MINIMUM_ROWS, TrainingData, load_data, unusable_rows
from .versions import refuse_other_property


@dataclass(frozen=True)
class TrainedRun:
    """What a training run has left in the registry.

    Attributes:
        published: the two registered versions.
        metrics: cross-validated ``MAE``, ``RMSE`` and ``MAE_std`` in ``unit``, and ``R2``.
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


@dataclass(frozen=True)
class _Matrix:
    features: np.ndarray  # (n_rows, n_features)
    target: np.ndarray  # (n_rows,)


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
        data = _load(options, unusable)
        client = stack.enter_context(connected(tracking_uri, create=True))
        refuse_moved(client)
        refuse_other_property(client, options.name, data.property_name, data.unit)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        return _train(options, data, unusable, client, folder, report)


def _train(
    options: TrainOptions,
    data: TrainingData,
    unusable: dict[int, str],
    client: MlflowClient,
    folder: Path,
    report: Report,
) -> TrainedRun:
    clock = _Clock()
    report(f"featurizing {len(data.frame):,} formulas", 0.02)
    featurizer = build_featurizer(options.element_property_preset, options.featurizers, folder)
    matrix = _featurize(featurizer, data, unusable, options.skip_bad_rows)
    featurizer = with_domain(featurizer, data.formulas, folder)
    clock.lap("featurize")
    pipeline = make_pipeline(options.estimator, options.size, options.seed)
    judged = _judge(pipeline, matrix, options, report)
    clock.lap("validate")
    report("training on all rows", 0.80)
    fit(pipeline, matrix.features, matrix.target)
    clock.lap("fit")
    report("publishing", 0.90)
    name = f"{options.name}: {options.estimator}, {len(matrix.target):,} rows"
    about = _description(options, data, judged, len(matrix.target))
    with active_run(client, name, about) as run:
        run_id = run.info.run_id
        with told(after="Nothing was published."):
            log_facts(client, run_id, options, data, featurizer.labels)
            mlflow.log_metrics({**judged.as_metrics(), "rows": len(matrix.target)})
            if unusable:
                mlflow.log_dict({str(row): why for row, why in unusable.items()}, "left_out.json")
            _log_plots(judged, matrix, data, folder / "plots")
            published = publish_pair(
                client,
                featurizer,
                pipeline,
                run_id=run_id,
                property_name=data.property_name,
                unit=data.unit,
                name=options.name,
                description=about,
            )
        clock.lap("publish")
        mlflow.log_metrics({f"seconds_{step}": s for step, s in clock.seconds.items()})
        report("done", 1.0)
        return TrainedRun(
            published=published,
            metrics=judged.as_metrics(),
            property=data.property_name,
            unit=data.unit,
            rows=len(matrix.target),
            dropped=len(unusable),
            seconds=clock.seconds,
            run_id=run_id,
            registry=public_address(mlflow.get_registry_uri()),
            plots=f"{run.info.artifact_uri}/plots",
            warnings=_warnings(judged),
        )


def _load(options: TrainOptions, unusable: dict[int, str]) -> TrainingData:
    data = load_data(
        options.data,
        formula_column=options.formula_column,
        target_column=options.target_column or None,
        property_name=options.property_name or None,
        unit=options.unit or None,
        bad_rows=unusable,
    )
    return data.without(options.held_out).take(options.rows)


def _featurize(
    featurizer: Featurizer, data: TrainingData, unusable: dict[int, str], skip: bool
) -> _Matrix:
    """Features and target of the rows that can be used; the others are added to ``unusable``."""
    features, rows, index, rejected = featurizer.featurize(data.formulas)
    for position, why in rejected.items():
        row = int(data.frame.index[position])
        unusable[row] = f"the formula {data.formulas[position]!r} is not understood: {why}"
    if unusable and data.is_users_own and not skip:
        raise unusable_rows(data.source, unusable)
    if len(rows) < MINIMUM_ROWS:
        raise TrainingError(
            f"Only {len(rows)} of {len(data.frame)} rows can be featurized; "
            f"at least {MINIMUM_ROWS} are needed."
        )
    return _Matrix(features[index], data.target[rows])


def _judge(
    pipeline: Any, matrix: _Matrix, options: TrainOptions, report: Report
) -> CrossValidation:
    def on_fold(done: int) -> None:
        report(f"cross-validating, {done} of {options.folds} folds", 0.1 + 0.7 * done / folds)

    folds = options.folds
    report("cross-validating", 0.1)
    return cross_validate(
        pipeline, matrix.features, matrix.target, folds=folds, seed=options.seed, on_fold=on_fold
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
        f"Cross-validated in {options.folds} folds: **MAE {judged.mae:.4g} {data.unit}**, RMSE "
        f"{judged.rmse:.4g} {data.unit}, R² {judged.r2:.3f}.\n\n"
        f"Trained on {rows:,} rows of {source}. {data.attribution}"
    ).strip()


def _warnings(judged: CrossValidation) -> tuple[str, ...]:
    if judged.r2 >= USELESS_R2:
        return ()
    return (
        f"R² is {judged.r2:.2g}: the model predicts little better than the mean of its training "
        "data, and `model promote` will ask for --force.",
    )


def _log_plots(judged: CrossValidation, matrix: _Matrix, data: TrainingData, folder: Path) -> None:
    folder.mkdir()
    title = f"cross-validated on {len(matrix.target):,} rows: MAE {judged.mae:.3g} {data.unit}"
    label = data.property_name.replace("_", " ")
    for name, draw in (("parity", parity_plot), ("residuals", residual_plot)):
        draw(folder / f"{name}.png", matrix.target, judged.predicted, label, data.unit, title)
    if judged.std is not None:
        error = np.abs(judged.predicted - matrix.target)
        spread_plot(folder / "spread.png", judged.std, error, data.unit)
    mlflow.log_artifacts(str(folder), "plots")
