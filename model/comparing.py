"""Estimators side by side: judged on the same folds, and what they cost as workers run them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np

from .estimators import cross_validate, pipeline_for
from .featurizer import build_featurizer
from .forest import TRUSTED_TYPES
from .judging import calibrated
from .options import WITH_ELEMENTS, TrainOptions
from .progress import Report
from .publish import REGRESSOR_CODE, computed_with
from .registry import quiet_mlflow
from .rows import featurized, load_rows
from .training_data import TrainingData

#: What is compared, by name: how each differs from the options given.
CANDIDATES: dict[str, dict[str, Any]] = {
    "random forest": {"estimator": "random-forest"},
    "random forest, median": {"estimator": "random-forest", "aggregate": "median"},
    "extra trees, median": {
        "estimator": "extra-trees",
        "aggregate": "median",
        "max_features": 0.3,
    },
    "boosting": {"estimator": "hist-gradient-boosting"},
    "network": {"estimator": "network", "featurizers": WITH_ELEMENTS},
}
_TIMED_ROWS = 10_000


@dataclass(frozen=True)
class Compared:
    """How one estimator did.

    Attributes:
        name: of ``CANDIDATES``.
        MAE, RMSE: errors on rows kept out, in the target's unit; ``R2`` of these.
        coverage: share of rows kept out that are inside their 90% interval.
        width: mean width of these, in the target's unit.
        fit_seconds: to train one model, on all cores.
        bytes: of what a worker computes with.
        microseconds: a row, on one core, as a worker computes it.
    """

    name: str
    MAE: float
    RMSE: float
    R2: float
    coverage: float
    width: float
    fit_seconds: float
    bytes: int
    microseconds: float


@dataclass(frozen=True)
class Comparison:
    """Estimators side by side.

    Attributes:
        property: what is predicted.
        unit: in which unit.
        rows: how many rows can be used.
        judged: how many of them each was judged by, models of the other folds having been trained.
        dropped: how many others cannot be used, and were to be skipped.
        compared: how each did, in the order asked.
    """

    property: str
    unit: str
    rows: int
    judged: int
    dropped: int
    compared: list[Compared]


def compare(
    options: TrainOptions, names: Sequence[str] = tuple(CANDIDATES), *, progress: Report
) -> Comparison:
    """Judge estimators by the cross-validation of ``train``; nothing is registered.

    The folds are those of ``options``, over reduced compositions, and the same for each: as many
    are held out as judge the one that takes longest to train.

    Args:
        options: of a training; what a candidate is overrides them.
        names: of ``CANDIDATES``.
        progress: called with what is being done and the fraction done.

    Raises:
        TrainingError: the data are at fault.
    """
    unusable: dict[int, str] = {}
    data = load_rows(options, unusable)
    candidates = {name: replace(options, **CANDIDATES[name]) for name in names}
    enough = min((each.enough for each in candidates.values() if each.enough), default=0)
    compared, judged = [], 0
    for number, (name, candidate) in enumerate(candidates.items()):
        progress(f"comparing: {name}", number / len(names))
        candidate = replace(candidate, judged_rows=enough)
        one, judged = _judged(name, candidate, data, unusable)
        compared.append(one)
    progress("done", 1.0)
    rows = len(data.frame.index.difference(list(unusable)))
    return Comparison(data.property_name, data.unit, rows, judged, len(unusable), compared)


def _judged(
    name: str, options: TrainOptions, data: TrainingData, unusable: dict[int, str]
) -> tuple[Compared, int]:
    """How one does, and on how many rows."""
    with quiet_mlflow(), tempfile.TemporaryDirectory() as folder:
        featurizer = build_featurizer(
            options.element_property_preset, options.featurizers, Path(folder)
        )
        rows = featurized(featurizer, data, unusable, options.skip_bad_rows)
        served: list[tuple[int, float]] = []

        def serve(model: Any, held_out: np.ndarray) -> None:
            # Few rows would measure what a call costs, not what a row does.
            some = np.resize(rows.features[held_out], (_TIMED_ROWS, rows.features.shape[1]))
            served.append(_cost(model, options.aggregate, some))

        judged = cross_validate(
            pipeline_for(options),
            rows.features,
            rows.target,
            folds=options.folds,
            seed=options.seed,
            aggregate=options.aggregate,
            compositions=rows.keys,
            enough=options.enough,
            on_last=serve,
        )
    elements = featurizer.elements_of(rows.features)
    learned = calibrated(judged, rows.target, elements, options.seed)
    compared = Compared(
        name,
        judged.mae,
        judged.rmse,
        judged.r2,
        learned.coverage[0.9]["all"],
        learned.width[0.9],
        judged.fit_seconds,
        *served[0],
    )
    return compared, int(judged.judged.sum())


def _cost(fitted: Any, aggregate: str, features: np.ndarray) -> tuple[int, float]:
    """Bytes of what a worker computes with, and the best of three times a row in microseconds."""
    with tempfile.TemporaryDirectory() as folder:
        artifacts = computed_with(fitted, Path(folder))
        about = {"property": "", "unit": "", "aggregate": aggregate}
        saved = Path(folder) / "served"
        mlflow.pyfunc.save_model(
            saved,
            python_model=str(REGRESSOR_CODE),
            artifacts=artifacts,
            model_config={**about, "skops_trusted_types": list(TRUSTED_TYPES)},
            pip_requirements=["mlflow"],
        )
        served = mlflow.pyfunc.load_model(str(saved)).unwrap_python_model()
        made = (path for top in map(Path, artifacts.values()) for path in (top, *top.rglob("*")))
        size = sum(path.stat().st_size for path in made if path.is_file())
    seconds = []
    for _ in range(4):  # the first one warms up
        started = time.perf_counter()
        served.regress(features)
        seconds.append(time.perf_counter() - started)
    return size, min(seconds[1:]) / len(features) * 1e6


def as_markdown(comparison: Comparison) -> str:
    """A table, which reads as text too, and what it was judged on."""
    unit = comparison.unit
    head = (
        "estimator",
        f"MAE ({unit})",
        f"RMSE ({unit})",
        "R²",
        "in 90% interval",
        f"its width ({unit})",
        "fit (s)",
        "size (MB)",
        "µs a row",
    )
    cells = [
        (
            row.name,
            f"{row.MAE:.4f}",
            f"{row.RMSE:.4f}",
            f"{row.R2:.3f}",
            f"{row.coverage:.1%}",
            f"{row.width:.3f}",
            f"{row.fit_seconds:.1f}",
            f"{row.bytes / 1e6:.1f}",
            f"{row.microseconds:.1f}",
        )
        for row in comparison.compared
    ]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(texts: Sequence[str]) -> str:
        first, *others = zip(texts, widths, strict=True)
        return " | ".join([first[0].ljust(first[1]), *(t.rjust(w) for t, w in others)])

    table = "\n".join(f"| {line(texts)} |" for texts in (head, rule, *cells))
    left_out = f" ({comparison.dropped:,} left out)" if comparison.dropped else ""
    return (
        f"{table}\n\nJudged on the same {comparison.judged:,} of {comparison.rows:,} rows"
        f"{left_out}, by models trained on the other folds."
    )
