"""The estimators on offer, and how well each does on rows it has not seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from matminer_compute.errors import TrainingError

_ORDINARY = (-9, 40)  # binary exponents of a standard deviation: 0.001 to 1e12
# Boosting starts and joins OpenMP threads thousands of times a second. Below so many rows each has
# little to do, and if another process holds a core, all wait for the thread that sits on it.
_ROWS_WORTH_THREADS = 20_000


@dataclass(frozen=True)
class CrossValidation:
    """Predictions for each row by a model that had not seen its composition.

    Attributes:
        predicted: float64 (n_rows,), in the target's unit.
        fold: int (n_rows,), the fold in which each row was held out.
        mae: mean absolute error over all rows, in the target's unit.
        rmse: root mean squared error over all rows, in the target's unit.
        r2: coefficient of determination over all rows, 1 at best.
        mae_std: standard deviation of the folds' mean absolute errors, in the target's unit.
        std: standard deviation over the trees for each row, (n_rows,), in the target's unit; None
            for an estimator whose trees are no independent answers.
    """

    predicted: np.ndarray
    fold: np.ndarray
    mae: float
    rmse: float
    r2: float
    mae_std: float
    std: np.ndarray | None

    def as_metrics(self) -> dict[str, float]:
        """The figures under the names they are logged by."""
        return {"MAE": self.mae, "RMSE": self.rmse, "R2": self.r2, "MAE_std": self.mae_std}


def make_pipeline(estimator: str, size: int, seed: int) -> Pipeline:
    """Return an untrained pipeline: gaps filled with the column's mean, then the regressor.

    Args:
        estimator: ``random-forest``, ``extra-trees`` or ``hist-gradient-boosting``.
        size: trees, or rounds of boosting.
        seed: random state.

    Raises:
        KeyError: there is no such estimator.
    """
    regressor = {
        "random-forest": lambda: RandomForestRegressor(n_estimators=size, random_state=seed),
        "extra-trees": lambda: ExtraTreesRegressor(n_estimators=size, random_state=seed),
        "hist-gradient-boosting": lambda: HistGradientBoostingRegressor(
            max_iter=size, random_state=seed
        ),
    }[estimator]()
    return Pipeline([("imputer", SimpleImputer()), ("regressor", regressor)])


def fit(pipeline: Pipeline, features: np.ndarray, target: np.ndarray) -> Pipeline:
    """Fit on all cores this process may use; the fitted pipeline is left to run on one.

    A saved ``n_jobs`` would make every worker of a node start threads for all of its cores.

    Targets of unusual size are scaled by a power of two while the trees grow, and their leaves back
    afterwards, which loses no bit: scikit-learn makes no split where the variance is below 2.2e-16,
    so targets of 1e-8 would give one constant.

    Args:
        pipeline: with a step ``regressor``; fitted in place and returned.
        features: float64 (n_rows, n_features), NaN where a feature is not defined.
        target: float64 (n_rows,).
    """
    regressor = pipeline.named_steps["regressor"]
    scale = target_scale(target)
    if "n_jobs" in regressor.get_params():
        regressor.set_params(n_jobs=-1)
        try:
            pipeline.fit(features, target * scale)
        finally:
            regressor.set_params(n_jobs=None)
    else:
        threads = 1 if len(target) < _ROWS_WORTH_THREADS else None
        with threadpool_limits(threads, user_api="openmp"):
            pipeline.fit(features, target * scale)
    if scale != 1.0:
        _unscale(regressor, scale)
    return pipeline


def target_scale(target: np.ndarray) -> float:
    """The power of two that brings a target to ordinary size; 1.0 for one that has it.

    Args:
        target: float64 (n_rows,).
    """
    exponent = math.frexp(float(np.std(target)))[1]
    if _ORDINARY[0] <= exponent <= _ORDINARY[1] or not np.std(target):
        return 1.0
    return 2.0**-exponent


def _unscale(regressor: Any, scale: float) -> None:
    """Bring what a fitted regressor predicts back to the target's own size, exactly."""
    if isinstance(regressor, HistGradientBoostingRegressor):
        regressor._baseline_prediction /= scale
        for (predictor,) in regressor._predictors:
            predictor.nodes["value"] /= scale
            predictor.nodes["gain"] /= scale**2
        return
    for tree in regressor.estimators_:
        tree.tree_.value[...] /= scale
        tree.tree_.impurity[...] /= scale**2


def cross_validate(
    pipeline: Pipeline,
    features: np.ndarray,
    target: np.ndarray,
    *,
    folds: int,
    seed: int,
    on_fold: Callable[[int], Any] = lambda done: None,
    on_last: Callable[[Pipeline, np.ndarray], Any] = lambda model, held_out: None,
) -> CrossValidation:
    """Predict every row by models trained on the other folds.

    The folds are drawn over distinct rows of features: a composition that stands in the data
    twice is never both trained on and predicted.

    Args:
        pipeline: untrained; it is cloned for each fold.
        features: float64 (n_rows, n_features).
        target: float64 (n_rows,).
        folds: number of folds.
        seed: random state of the shuffle.
        on_fold: called with the number of folds done, after each.
        on_last: called with the last fold's model and (n_rows,) which rows it has not seen.

    Raises:
        TrainingError: there are fewer distinct rows of features than folds.
    """
    group, distinct = pd.factorize(np.array([row.tobytes() for row in features], dtype=object))
    if len(distinct) < folds:
        raise TrainingError(
            f"The rows hold {len(distinct)} distinct compositions; to judge a model by {folds} "
            "folds, each without the compositions of the others, takes at least as many."
        )
    fold_of_group = np.empty(len(distinct), dtype=np.int64)
    splitter = KFold(n_splits=folds, shuffle=True, random_state=seed)
    for number, (_, held_out) in enumerate(splitter.split(distinct)):
        fold_of_group[held_out] = number
    fold = fold_of_group[group]
    predicted, spread = np.empty((2, len(target)))
    errors = []
    for number in range(folds):
        held_out = fold == number
        model = fit(clone(pipeline), features[~held_out], target[~held_out])
        predicted[held_out] = model.predict(features[held_out])
        spread[held_out] = _spread(model, features[held_out])
        errors.append(mean_absolute_error(target[held_out], predicted[held_out]))
        on_fold(number + 1)
    on_last(model, held_out)
    return CrossValidation(
        predicted=predicted,
        fold=fold,
        mae=float(mean_absolute_error(target, predicted)),
        rmse=float(root_mean_squared_error(target, predicted)),
        r2=float(r2_score(target, predicted)),
        mae_std=float(np.std(errors)),
        std=None if np.isnan(spread).any() else spread,
    )


def _spread(pipeline: Pipeline, features: np.ndarray) -> np.ndarray | float:
    """Standard deviation over the trees, (n_rows,); NaN if they are no independent answers."""
    trees = getattr(pipeline[-1], "estimators_", None)
    if trees is None:
        return math.nan
    prepared = pipeline[:-1].transform(features)
    answers = np.array([tree.predict(prepared) for tree in trees])
    return np.asarray(answers.std(axis=0))
