"""The estimators on offer, and how well each does on rows it has not seen."""

from __future__ import annotations

import math
import time
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

from .network import NetworkRegressor
from .options import FORESTS, TrainOptions

_ORDINARY = (-9, 40)  # binary exponents of a standard deviation: 0.001 to 1e12
# Boosting starts and joins OpenMP threads thousands of times a second. Below so many rows each has
# little to do, and if another process holds a core, all wait for the thread that sits on it.
_ROWS_WORTH_THREADS = 20_000


@dataclass(frozen=True)
class CrossValidation:
    """Predictions for rows by models that had not seen their compositions.

    Attributes:
        predicted: float64 (n_rows,), in the target's unit; NaN for rows of folds that were not
            held out, because enough rows had been.
        fold: int (n_rows,), the fold of each row.
        judged: bool (n_rows,), which rows were held out.
        mae: mean absolute error over all rows judged, in the target's unit.
        rmse: root mean squared error over these, in the target's unit.
        r2: coefficient of determination over these, 1 at best.
        held_out: how many folds were held out.
        mae_std: standard deviation of these folds' mean absolute errors, in the target's unit; None
            of a single one.
        std: standard deviation over trees or networks for each row, (n_rows,), in the target's
            unit; None for an estimator whose trees are no independent answers.
        fit_seconds: what training one of the models took, in the mean.
    """

    predicted: np.ndarray
    fold: np.ndarray
    judged: np.ndarray
    mae: float
    rmse: float
    r2: float
    held_out: int
    mae_std: float | None
    std: np.ndarray | None
    fit_seconds: float

    def as_metrics(self) -> dict[str, float]:
        """The figures under the names they are logged by."""
        metrics = {"MAE": self.mae, "RMSE": self.rmse, "R2": self.r2}
        return metrics if self.mae_std is None else {**metrics, "MAE_std": self.mae_std}


def make_pipeline(estimator: str, size: int, seed: int, **more: Any) -> Pipeline:
    """Return an untrained pipeline: gaps filled with the column's mean, then the regressor.

    Args:
        estimator: ``random-forest``, ``extra-trees``, ``hist-gradient-boosting`` or ``network``.
        size: trees, rounds of boosting, or members of the network.
        seed: random state.
        more: of the estimator's class, such as a forest's ``max_features``.

    Raises:
        KeyError: there is no such estimator.
    """
    if estimator == "network":  # it takes gaps as they are
        network = NetworkRegressor(size, random_state=seed, **more)
        return Pipeline([("imputer", "passthrough"), ("regressor", network)])
    sized = "max_iter" if estimator == "hist-gradient-boosting" else "n_estimators"
    regressor = {
        "random-forest": RandomForestRegressor,
        "extra-trees": ExtraTreesRegressor,
        "hist-gradient-boosting": HistGradientBoostingRegressor,
    }[estimator](**{sized: size}, random_state=seed, **more)
    return Pipeline([("imputer", SimpleImputer()), ("regressor", regressor)])


def pipeline_for(options: TrainOptions) -> Pipeline:
    """Return the untrained pipeline that options ask for."""
    more: dict[str, Any] = {}
    if options.estimator in FORESTS:
        more["max_features"] = options.max_features
    if options.estimator == "network":
        more["epochs"] = options.epochs or None
        if options.layers:
            more["hidden_layer_sizes"] = options.layers
    return make_pipeline(options.estimator, options.size, options.seed, **more)


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
    if isinstance(regressor, NetworkRegressor):  # it standardises the target itself
        return pipeline.fit(features, target)
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
    aggregate: str = "mean",
    compositions: np.ndarray | None = None,
    enough: int = 0,
    on_fold: Callable[[int], Any] = lambda done: None,
    on_last: Callable[[Pipeline, np.ndarray], Any] = lambda model, held_out: None,
) -> CrossValidation:
    """Predict rows by models trained on the other folds.

    The folds are drawn over distinct compositions: one that stands in the data twice is never both
    trained on and predicted.

    Args:
        pipeline: untrained; it is cloned for each fold.
        features: float64 (n_rows, n_features).
        target: float64 (n_rows,).
        folds: number of folds.
        seed: random state of the shuffle.
        aggregate: ``mean`` or ``median`` over the trees.
        compositions: (n_rows,), a key of each row's composition; by default its features are.
        enough: hold out no more folds once so many rows were predicted; 0: all of them.
        on_fold: called with the number of folds done, after each.
        on_last: called with the last fold's model and (n_rows,) which rows it has not seen.

    Raises:
        TrainingError: there are fewer distinct compositions than folds.
    """
    if compositions is None:
        compositions = np.array([row.tobytes() for row in features], dtype=object)
    fold = _fold_of_each(compositions, folds, seed)
    predicted, spread = np.full((2, len(target)), np.nan)
    errors, seconds = [], []
    for number in range(folds):
        held_out = fold == number
        started = time.perf_counter()
        model = fit(clone(pipeline), features[~held_out], target[~held_out])
        seconds.append(time.perf_counter() - started)
        predicted[held_out], std = answers(model, features[held_out], aggregate)
        spread[held_out] = np.nan if std is None else std
        errors.append(mean_absolute_error(target[held_out], predicted[held_out]))
        on_fold(number + 1)
        judged = fold <= number
        if enough and judged.sum() >= enough:
            break
    on_last(model, held_out)
    known, said = target[judged], predicted[judged]
    return CrossValidation(
        predicted=predicted,
        fold=fold,
        judged=judged,
        mae=float(mean_absolute_error(known, said)),
        rmse=float(root_mean_squared_error(known, said)),
        r2=float(r2_score(known, said)),
        held_out=len(errors),
        mae_std=float(np.std(errors)) if len(errors) > 1 else None,
        std=None if np.isnan(spread[judged]).any() else spread,
        fit_seconds=float(np.mean(seconds)),
    )


def _fold_of_each(compositions: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each row (n_rows,), the same for all rows of one composition."""
    group, distinct = pd.factorize(compositions)
    if len(distinct) < folds:
        raise TrainingError(
            f"The rows hold {len(distinct)} distinct compositions; to judge a model by {folds} "
            "folds, each without the compositions of the others, takes at least as many."
        )
    fold_of_group = np.empty(len(distinct), dtype=np.int64)
    splitter = KFold(n_splits=folds, shuffle=True, random_state=seed)
    for number, (_, held_out) in enumerate(splitter.split(distinct)):
        fold_of_group[held_out] = number
    return fold_of_group[group]


def answers(
    pipeline: Pipeline, features: np.ndarray, aggregate: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """What a fitted pipeline answers, as it will when it is served.

    Args:
        pipeline: fitted.
        features: float64 (n_rows, n_features).
        aggregate: ``mean`` or ``median`` over the trees.

    Returns:
        Values and their spread over trees or networks, both (n_rows,); None in place of the spread
        if the trees are no independent answers.
    """
    if isinstance(pipeline[-1], NetworkRegressor):
        return pipeline[-1].ensemble_.regress(features)
    if not isinstance(pipeline[-1], RandomForestRegressor | ExtraTreesRegressor):
        return pipeline.predict(features), None
    prepared = pipeline[:-1].transform(features) if len(pipeline) > 1 else features
    said = np.array([tree.predict(prepared) for tree in pipeline[-1].estimators_])
    values = np.median(said, axis=0) if aggregate == "median" else pipeline.predict(features)
    return values, said.std(axis=0)
