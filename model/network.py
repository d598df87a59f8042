"""A small ensemble of neural networks with scikit-learn's interface."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from .artifacts.networks.ensemble import COLUMN, Ensemble, Float64, standardised
from .network_training import Recipe, refuse_useless, train_member

WARM_UP = 500  # steps
ALPHA = 0.03


class NetworkRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Multilayer perceptrons of different seeds, each trained on the absolute error; their mean.

    The same data and ``random_state`` give the same networks on one kind of machine, however many
    cores it has: a member is trained by one thread of its own. Missing features (NaN) count as
    average, constant ones not at all.

    Args:
        n_estimators: members.
        hidden_layer_sizes: units of the layers between the columns and the answer.
        epochs: passes over the rows; None: as many as the number of rows asks for.
        batch_size: rows of a step; None: as the number of rows asks for.
        learning_rate: of Adam, at its highest.
        random_state: of the first weights and of the order of the rows.

    Attributes:
        n_features_in_: columns it was fitted on.
        ensemble_: the fitted networks, as they travel.
    """

    def __init__(
        self,
        n_estimators: int = 4,
        *,
        hidden_layer_sizes: tuple[int, ...] = (512, 256, 128),
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 2e-3,
        random_state: int = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.hidden_layer_sizes = hidden_layer_sizes
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> NetworkRegressor:  # noqa: N803
        """Train all members, on the cores that this process may use.

        Args:
            X: (n, n_features), NaN where a feature is missing.
            y: (n,), the target.

        Raises:
            TrainingError: the training diverges; the estimator stays unfitted.
            ValueError: the arrays do not fit, or hold infinite numbers.
        """
        features, target = validate_data(
            self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=True
        )
        columns = _columns(features)
        centre, unit = float(np.mean(target)), float(np.std(target)) or 1.0
        x = standardised(features, columns)
        y = ((target - centre) / unit).astype(np.float32)
        recipe = self._recipe(len(columns), len(target))
        weights = self._train(x, y, recipe)
        self.ensemble_ = Ensemble(features.shape[1], columns, recipe.layers, weights, centre, unit)
        return self

    def predict(self, X: npt.ArrayLike) -> Float64:  # noqa: N803
        """The mean over the members, (n,), in the target's unit."""
        mean: Float64 = self.predict_members(X).mean(axis=0)
        return mean

    def predict_members(self, X: npt.ArrayLike) -> Float64:  # noqa: N803
        """What each member says, (n_members, n), in the target's unit."""
        check_is_fitted(self)
        features = validate_data(
            self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False
        )
        answers: Float64 = self.ensemble_.predict_members(features)
        return answers

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.non_deterministic = False
        return tags

    def _recipe(self, n_columns: int, n_rows: int) -> Recipe:
        return Recipe(
            layers=(n_columns, *self.hidden_layer_sizes, 1),
            epochs=self.epochs or _epochs(n_rows),
            batch_size=self.batch_size or _batch_size(n_rows),
            learning_rate=self.learning_rate,
            warm_up=WARM_UP,
            alpha=ALPHA,
        )

    def _train(self, x: Any, y: Any, recipe: Recipe) -> npt.NDArray[np.float32]:
        stop = Event()

        def member(number: int) -> npt.NDArray[np.float32]:
            seed = np.random.SeedSequence([self.random_state, number])
            with np.errstate(all="ignore"):  # what diverges is refused, in a sentence
                flat = train_member(x, y, recipe, seed, lambda: not stop.is_set())
                refuse_useless(x, y, flat, recipe.layers)
            return flat

        # One BLAS thread a member, or the order of its sums would depend on the number of cores.
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(_cores()) as pool:
            members = [pool.submit(member, number) for number in range(self.n_estimators)]
            try:
                return np.array([one.result() for one in members])
            finally:  # interrupted, or one diverged: the others need not go on
                stop.set()


def _columns(features: Float64) -> npt.NDArray[np.void]:
    """The columns that vary, with mean and standard deviation."""
    used = np.flatnonzero(~np.isnan(features).all(axis=0))
    mean, scale = np.nanmean(features[:, used], axis=0), np.nanstd(features[:, used], axis=0)
    varies = scale > 1e-12 * np.abs(mean)
    columns = np.empty(int(varies.sum()), COLUMN)
    columns["column"] = used[varies]
    columns["mean"], columns["scale"] = mean[varies], scale[varies]
    return columns


def _batch_size(n_rows: int) -> int:
    return 128 if n_rows < 40_000 else 512


def _epochs(n_rows: int) -> int:
    return 40 if n_rows < 40_000 else 50


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
