"""Regressor artifact: composition features in, values and their spread over the trees out.

This file travels as an MLflow *model from code*: it is copied into the registry and runs on workers
that do not have the package it was published from, so it imports nothing of it. Beside it travel

``pipeline``
    the scikit-learn pipeline as skops (no pickle), read only when there is no flat forest;
``forest`` (random forests and extra trees only)
    the same trees as plain ``.npy`` arrays, written and described by ``model/forest.py``. They are
    memory-mapped, so all workers of a node share one copy, and need neither scikit-learn nor skops;
``kernels``
    the compiled loops that walk them, as source files;
``network`` (in place of both) and ``networks``
    the weights of an ensemble of networks, and the module that computes with them by NumPy alone;
``calibration`` (if there were rows to learn it from)
    what makes an interval of a value and its spread, by ``model/intervals.py``.

Both give the bits of ``Pipeline.predict`` with one job: trees are summed in order, then divided.
Where the model was published so (``aggregate``), they give the median over the trees.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Answer = tuple[Float64, Float64]

FOREST_FORMAT = 2
CALIBRATION_FORMAT = 1
INPUT = np.dtype([("column", "<i4"), ("fill", "<f4")])
BLOCK_ROWS = 2048  # rows that pass through a tree while they are in cache
WORTH_ORDERING = 64  # rows


def import_beside(folder: str, name: str) -> Any:
    """A module out of a folder of source files: a package whose name carries their digest.

    Two versions of the files live side by side in one process, one version is imported once.
    """
    digest = sha256()
    for path in sorted(Path(folder).glob("*.py")):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    package = f"matminer_compute_{Path(folder).name}_{digest.hexdigest()[:32]}"
    if package not in sys.modules:
        spec = importlib.util.spec_from_file_location(package, f"{folder}/__init__.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[package] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[package])
    # The folder that it was first found in may be gone: training's, or a worker's private copy.
    sys.modules[package].__path__ = [str(folder)]
    return importlib.import_module(f"{package}.{name}")


class FlatForest:
    """A forest as ``write_forest`` laid it out, memory-mapped; ValueError if it is damaged."""

    def __init__(
        self, folder: str | os.PathLike[str], kernels: Any, aggregate: str = "mean"
    ) -> None:
        self._kernels = kernels
        self.aggregate = aggregate
        path = Path(folder)
        about = json.loads((path / "forest.json").read_text(encoding="utf-8"))
        if about["format"] != FOREST_FORMAT:
            raise ValueError(f"flat forest of format {about['format']}, expected {FOREST_FORMAT}")
        self.n_features = int(about["n_features"])
        self.bits = int(about["feature_bits"])
        self.nodes = _map(path / "nodes.npy", kernels.NODE)
        self.values: Float64 = self.nodes.view("<f8")
        self.roots: npt.NDArray[np.int64] = _map(path / "roots.npy", np.dtype("<i8"))
        self.inputs = _map(path / "inputs.npy", INPUT)
        self.reads_all = np.array_equal(self.inputs["column"], np.arange(self.n_features))
        self._check(about)
        self._guide = next((root for root in self.roots.tolist() if root >= 0), None)

    def _check(self, about: dict[str, int]) -> None:
        """Refuse what would make the compiled walk read outside the arrays or never end."""
        columns = self.inputs["column"]
        sound = about["n_nodes"] == len(self.nodes) and 0 < self.bits < 30
        sound &= about["n_trees"] == len(self.roots) > 0
        sound &= bool(((columns >= 0) & (columns < self.n_features)).all())
        if not sound or not self._kernels.is_sound(
            self.nodes, self.roots, self.bits, len(self.inputs)
        ):
            raise ValueError("the flat forest is damaged: its arrays do not form a forest")

    def regress(self, features: Float64) -> Answer:
        """Features (n, n_features) to values and standard deviations, both (n,)."""
        if features.shape[1] != self.n_features:
            raise ValueError(f"X has {features.shape[1]} features, expected {self.n_features}")
        values, spread = np.zeros((2, len(features)))
        x = self._prepare(features)
        order = self._order(x)

        def block(start: int) -> None:
            rows = order[start : start + BLOCK_ROWS]
            mean, std = np.zeros((2, len(rows)))
            said = np.empty((1 if self.aggregate == "mean" else len(self.roots), len(rows)))
            walked = self.nodes, self.values, self.roots, self.bits
            self._kernels.walk(*walked, x, rows, said, mean, std)
            values[rows] = mean if self.aggregate == "mean" else _median(said)
            spread[rows] = std

        starts = range(0, len(features), BLOCK_ROWS)
        threads = min(_threads(), len(starts))
        if threads == 1:
            list(map(block, starts))
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(block, starts))
        return values, spread

    def _order(self, x: Float32) -> npt.NDArray[np.intp]:
        """Rows as the leaves of one tree have them, left to right.

        Rows that are alike to one tree mostly are to the others: walked side by side, they take
        the same turns and find the nodes in cache. Each row's own bits do not depend on the order.
        """
        if len(x) < WORTH_ORDERING or self._guide is None:
            return np.arange(len(x))
        leaf = np.empty(len(x), np.int64)
        self._kernels.leaves(self.nodes, self._guide, self.bits, x.ravel(), leaf)
        return np.argsort(leaf, kind="stable")

    def _prepare(self, features: Float64) -> Float32:
        """Select, cast to float32 and fill, in that order: the bits of impute, then cast."""
        read = features if self.reads_all else features[:, self.inputs["column"]]
        with np.errstate(over="ignore"):
            x = read.astype(np.float32, order="C")
        if self.reads_all and np.isfinite(x).all():
            return x
        if np.isinf(x).any() or np.isinf(features).any():
            raise ValueError("Input X contains infinity or a value too large for dtype('float32').")
        np.copyto(x, self.inputs["fill"], where=np.isnan(x))
        return x


def _median(said: Float64) -> Float64:
    """The median over the first axis, as NumPy's; to sort is faster than to part, for so few."""
    ordered = np.sort(said, axis=0)
    half = len(said) // 2
    middle: Float64 = ordered[half] if len(said) % 2 else (ordered[half - 1] + ordered[half]) / 2
    return middle


def _map(path: Path, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype != dtype or array.ndim != 1:
        raise ValueError(f"{path.name} holds {array.dtype} {array.shape}, expected {dtype}")
    return np.asarray(array)


def _threads() -> int:
    """One, since a node runs many workers; MATMINER_COMPUTE_THREADS asks for more."""
    wanted = os.environ.get("MATMINER_COMPUTE_THREADS") or "1"
    if not wanted.isdecimal():
        raise ValueError(f"MATMINER_COMPUTE_THREADS must be a whole number, not {wanted!r}")
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return max(1, min(int(wanted), len(os.sched_getaffinity(0))))
    return max(1, min(int(wanted), os.cpu_count() or 1))


def _numba_works() -> bool:
    """Whether numba is here and fits numpy; if not, scikit-learn gives the same bits, slower."""
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


class SklearnRegressor:
    """Any scikit-learn regressor or pipeline, read from skops with a reviewed list of types."""

    def __init__(
        self, path: str | os.PathLike[str], trusted: list[str], aggregate: str = "mean"
    ) -> None:
        import skops.io
        from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
        from sklearn.pipeline import Pipeline

        self.aggregate = aggregate
        self.pipeline = skops.io.load(path, trusted=trusted)
        steps = self.pipeline if isinstance(self.pipeline, Pipeline) else [self.pipeline]
        self.before = self.pipeline[:-1] if len(steps) > 1 else None
        self.final = steps[-1]
        if hasattr(self.final, "n_jobs"):
            self.final.n_jobs = 1  # no pool of processes inside a worker
        is_forest = isinstance(self.final, RandomForestRegressor | ExtraTreesRegressor)
        self.trees = self.final.estimators_ if is_forest and self.final.n_outputs_ == 1 else []

    def regress(self, features: Float64) -> Answer:
        """Features (n, n_features) to values and standard deviations (NaN: no trees), both (n,)."""
        features = features.copy()  # an imputer may be told to work in place
        x = self.before.transform(features) if self.trees and self.before else features
        if not self.trees or not isinstance(x, np.ndarray):
            values = np.asarray(self.pipeline.predict(features), np.float64)
            return values, np.full(len(values), np.nan)
        # The compiled walk's operations in its order; only the first tree need check its input.
        self.trees[0].predict(x)
        x = np.asarray(x, np.float32, order="C")
        said = np.empty((len(self.trees), len(x)))
        total, mean, squares = np.zeros((3, len(x)))
        for tree, estimator in enumerate(self.trees):
            value = said[tree] = estimator.predict(x, check_input=False)
            total += value
            delta = value - mean
            mean += delta * (1.0 / (tree + 1))
            squares += delta * (value - mean)
        values = total / len(self.trees) if self.aggregate == "mean" else _median(said)
        return values, np.sqrt(squares / len(self.trees))


class Intervals:
    """Intervals that hold the truth as often as they say, for rows like those trained on."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        about = json.loads(Path(path).read_text(encoding="utf-8"))
        if about["format"] != CALIBRATION_FORMAT:
            raise ValueError(
                f"calibration of format {about['format']}, expected {CALIBRATION_FORMAT}"
            )
        self._floor, self._column, self._sizes = about["floor"], about["column"], about["sizes"]
        self._quantiles = {float(q): np.array(f) for q, f in about["quantiles"].items()}
        self.levels = sorted(self._quantiles)

    def of(self, features: Float64, values: Float64, std: Float64, level: float) -> Answer:
        """Where the intervals of a level begin and end, both (n,): value ± q (std + floor)."""
        if level not in self._quantiles:
            raise ValueError(f"the model has intervals of {self.levels}, not of {level}")
        group: Any = 0
        if self._column is not None:
            elements = np.nan_to_num(features[:, self._column])
            group = np.searchsorted(self._sizes, elements, side="right") - 1
        half = self._quantiles[level][group] * (np.nan_to_num(std) + self._floor)
        return values - half, values + half


class Regressor(PythonModel):
    """The published regressor: :meth:`regress` for the functions, :meth:`predict` for serving.

    Attributes:
        property, unit: what it predicts, and in which unit.
        intervals: None if there are none; ``no_interval`` then says why.
        notes: what an operator of this machine should know.
    """

    def load_context(self, context: Any) -> None:
        """Map the network or, if numba is here, the flat forest; else read the pipeline."""
        config = context.model_config
        self.property: str = config["property"]
        self.unit: str = config["unit"]
        aggregate = config.get("aggregate", "mean")
        self.no_interval = str(config.get("no_interval", ""))
        calibration = context.artifacts.get("calibration")
        self.intervals = Intervals(calibration) if calibration else None
        self._model: Any  # whatever has ``regress(features)``
        self.notes: list[str] = []
        if "network" in context.artifacts:
            reading = import_beside(context.artifacts["networks"], "reading")
            self._model = reading.read(context.artifacts["network"])
        elif "forest" in context.artifacts and _numba_works():
            kernels = import_beside(context.artifacts["kernels"], "for_forests")
            self._model = FlatForest(context.artifacts["forest"], kernels, aggregate)
            self.notes = kernels.notes
        else:
            trusted = config["skops_trusted_types"]
            self._model = SklearnRegressor(context.artifacts["pipeline"], trusted, aggregate)

    def regress(self, features: Float64) -> Answer:
        """Predict the property and its spread over the trees or members.

        Args:
            features: float64 (n, n_features), in the order the model was trained with; NaN is
                handled as the pipeline handles it, but a row of nothing else gets NaN.

        Returns:
            Values and population standard deviation over these, both float64 (n,), in
            :attr:`unit`. The deviation is NaN for estimators without trees or members to compare.

        Raises:
            ValueError: another number of features, or infinite ones.
        """
        features = np.asarray(features, np.float64)
        if features.ndim != 2:
            raise ValueError(f"features must be (n, n_features), not {features.shape}")
        values, std = np.full((2, len(features)), np.nan)
        known = ~np.isnan(features).all(axis=1)  # an imputer would make a value out of nothing
        if known.all():
            return self._model.regress(features) if len(features) else (values, std)
        if known.any():
            values[known], std[known] = self._model.regress(features[known])
        return values, std

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Float64:
        """MLflow's serving face: a table of features (n, n_features) to values (n,)."""
        return self.regress(np.asarray(model_input, np.float64))[0]


set_model(Regressor())
