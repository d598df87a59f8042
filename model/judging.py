"""How a training run judges its model: on rows kept out, with intervals and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np

from .card.record import Features
from .estimators import CrossValidation, answers, cross_validate
from .importance import importance
from .intervals import Calibration, calibrate
from .options import TrainOptions
from .plots import parity_plot, residual_plot, spread_plot
from .progress import Report
from .rows import Rows
from .training_data import TrainingData


def judge(
    pipeline: Any, rows: Rows, labels: list[str], options: TrainOptions, report: Report
) -> tuple[CrossValidation, Features]:
    """The cross-validation, and what its last model goes by."""

    def on_fold(done: int) -> None:
        report(f"cross-validating, {done} of {options.folds} folds", 0.1 + 0.7 * done / folds)

    def on_last(model: Any, held_out: np.ndarray) -> None:
        def predict(features: np.ndarray) -> np.ndarray:
            return answers(model, features, options.aggregate)[0]

        unseen = rows.features[held_out], rows.target[held_out]
        found.append(importance(predict, *unseen, labels, options.seed))

    folds, found = options.folds, list[Features]()
    report("cross-validating", 0.1)
    judged = cross_validate(
        pipeline,
        rows.features,
        rows.target,
        folds=folds,
        seed=options.seed,
        aggregate=options.aggregate,
        compositions=rows.keys,
        enough=options.enough,
        on_fold=on_fold,
        on_last=on_last,
    )
    return judged, found[0]


def calibrated(
    judged: CrossValidation, target: np.ndarray, elements: np.ndarray | None, seed: int
) -> Calibration:
    """Intervals, learned from the cross-validation's predictions: they cost no training more.

    Args:
        judged: of all rows.
        target: (n_rows,), their values.
        elements: (n_rows,), their numbers of elements, if these are known.
        seed: of the parts by which coverage is judged.
    """
    held_out = judged.judged
    return calibrate(
        (judged.predicted - target)[held_out],
        None if judged.std is None else judged.std[held_out],
        None if elements is None else elements[held_out],
        seed,
    )


def log_plots(judged: CrossValidation, rows: Rows, data: TrainingData, folder: Path) -> None:
    """Draw the errors on rows kept out into a folder to be made, and keep them in the run."""
    folder.mkdir()
    held_out = judged.judged
    known, predicted = rows.target[held_out], judged.predicted[held_out]
    title = f"cross-validated on {len(known):,} rows: MAE {judged.mae:.3g} {data.unit}"
    label = data.property_name.replace("_", " ")
    for name, draw in (("parity", parity_plot), ("residuals", residual_plot)):
        draw(folder / f"{name}.png", known, predicted, label, data.unit, title)
    if judged.std is not None:
        error = np.abs(predicted - known)
        spread_plot(folder / "spread.png", judged.std[held_out], error, data.unit)
    mlflow.log_artifacts(str(folder), "plots")
