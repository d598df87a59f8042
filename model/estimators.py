"""The estimators on offer, and how well each does on rows it has not seen."""

from __future__ import annotations

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
    """

    predicted: np.ndarray
    fold: np.ndarray
    mae: float
    rmse: float
    r2: float
    mae_std: float

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

    Args:
        pipeline: with a step ``regressor``; fitted in place and returned.
        features: float64 (n_rows, n_features), NaN where a feature is not defined.
        target: float64 (n_rows,).
    """
    regressor = pipeline.named_steps["regressor"]
    if "n_jobs" not in regressor.get_params():
        return pipeline.fit(features, target)
    regressor.set_params(n_jobs=-1)
    try:
        return pipeline.fit(features, target)
    finally:
        regressor.set_params(n_jobs=None)


def cross_validate(
    pipeline: Pipeline,
    features: np.ndarray,
    target: np.ndarray,
    *,
    folds: int,
    seed: int,
    on_fold: Callable[[int], Any] = lambda done: None,
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
    """
    group, distinct = pd.factorize(np.array([row.tobytes() for row in features], dtype=object))
    fold_of_group = np.empty(len(distinct), dtype=np.int64)
    splitter = KFold(n_splits=folds, shuffle=True, random_state=seed)
    for number, (_, held_out) in enumerate(splitter.split(distinct)):
        fold_of_group[held_out] = number
    fold = fold_of_group[group]
    predicted = np.empty(len(target))
    errors = []
    for number in range(folds):
        held_out = fold == number
        model = fit(clone(pipeline), features[~held_out], target[~held_out])
        predicted[held_out] = model.predict(features[held_out])
        errors.append(mean_absolute_error(target[held_out], predicted[held_out]))
        on_fold(number + 1)
    return CrossValidation(
        predicted=predicted,
        fold=fold,
        mae=float(mean_absolute_error(target, predicted)),
        rmse=float(root_mean_squared_error(target, predicted)),
        r2=float(r2_score(target, predicted)),
        mae_std=float(np.std(errors)),
    )
