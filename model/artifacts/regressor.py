"""Regressor artifact: composition features in, values and their spread over the trees out.

This file travels as an MLflow *model from code*: it is copied into the registry and runs on workers
that do not have the package it was published from, so it imports nothing of it. Beside it travel

``pipeline``
    the scikit-learn pipeline as skops (no pickle), read only when there is no flat forest;
``forest`` (random forests and extra trees only)
    the same trees as plain ``.npy`` arrays, written and described by ``model/forest.py``. They are
    memory-mapped, so all workers of a node share one copy, and need neither scikit-learn nor skops.

Both give the bits of ``Pipeline.predict`` with one job: trees are summed in order, then divided.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Answer = tuple[Float64, Float64]

FOREST_FORMAT = 1
# Half the nodes of a binary tree are leaves; only the other half is stored, 16 bytes each, so that
# a step down costs one cache line. A child below zero is a leaf: leaves[~child].
NODE = np.dtype([("threshold", "<f4"), ("feature", "<i4"), ("left", "<i4"), ("right", "<i4")])
INPUT = np.dtype([("column", "<i4"), ("fill", "<f4")])
LANES = 8  # walks in flight at once, so that their cache misses overlap
BLOCK_ROWS = 2048  # rows that pass through a tree while it is in cache


def _walk(
    nodes: npt.NDArray[np.void],
    leaves: Float64,
    roots: npt.NDArray[np.int32],
    x: Float32,
    values: Float64,
    spread: Float64,
) -> None:
    """Mean and population standard deviation over the trees; compiled by numba.

    The mean is the plain sum in tree order, divided at the end, as scikit-learn does it. The
    deviation follows Welford (Technometrics 4, 1962): ``d = v - m; m += d / k; s += d * (v - m)``,
    ``std = sqrt(s / n_trees)``, which never subtracts two large squares.
    """
    rows = x.shape[0]
    n_trees = roots.shape[0]
    at = np.empty(LANES, np.int32)
    mean = np.zeros(rows)
    for tree in range(n_trees):
        weight = 1.0 / (tree + 1)
        for first in range(0, rows, LANES):
            at[:] = roots[tree]
            latest = roots[tree]
            while latest >= 0:
                latest = np.int32(-1)
                for lane in range(LANES):  # always all of them, so that the loop is unrolled
                    if at[lane] >= 0:
                        node = nodes[at[lane]]
                        row = min(first + lane, rows - 1)
                        # NaN compares false: a missing value goes right.
                        if x[row, node.feature] <= node.threshold:
                            at[lane] = node.left
                        else:
                            at[lane] = node.right
                        latest = max(latest, at[lane])
            for lane in range(min(LANES, rows - first)):
                row = first + lane
                value = leaves[~at[lane]]
                values[row] += value
                delta = value - mean[row]
                mean[row] += delta * weight
                spread[row] += delta * (value - mean[row])
    for row in range(rows):
        values[row] /= n_trees
        spread[row] = np.sqrt(spread[row] / n_trees)


def _compiled_walk() -> Callable[..., None]:
    """:func:`_walk` compiled for memory-mapped arrays, once a process, from numba's disk cache.

    numba's cache finds a function's globals again by the name of their module, and mlflow gives
    this module a new name at every load. So the function gets globals of its own, in a module named
    by what this file says: the same in every process, another for another version of the file.
    """
    from llvmlite.binding import get_host_cpu_features, get_host_cpu_name
    from numba import config, float32, float64, from_dtype, int32, njit, types, void

    name = "matminer_walk_" + sha256(Path(__file__).read_bytes()).hexdigest()
    module = sys.modules.setdefault(name, ModuleType(name))
    compiled: Callable[..., None] | None = getattr(module, "compiled", None)
    if compiled is not None:
        return compiled
    vars(module).update(np=np, LANES=LANES)
    walk = FunctionType(_walk.__code__, vars(module))
    # Kinds of CPU that share a disk keep files of their own: numba numbers them without a lock.
    cpu = f"{get_host_cpu_name()} {get_host_cpu_features().flatten()}"
    walk.__qualname__ = f"walk_{sha256(cpu.encode()).hexdigest()[:16]}"

    def mapped(dtype: Any) -> Any:
        return types.Array(dtype, 1, "C", readonly=True)

    arrays = mapped(from_dtype(NODE)), mapped(float64), mapped(int32)
    signature = void(*arrays, float32[:, ::1], float64[::1], float64[::1])
    # Without a folder of its own numba would write beside this file, into the store it lies in. It
    # reads the variable when it is first imported, which may have been before the loader set it.
    folder, before = os.environ.get("NUMBA_CACHE_DIR"), vars(config)["CACHE_DIR"]
    vars(config)["CACHE_DIR"] = folder or before
    try:
        compiled = njit(signature, nogil=True, cache=folder is not None)(walk)
    except (RuntimeError, OSError):
        # No folder to write to (no home), or no room left: compile in memory.
        compiled = njit(signature, nogil=True)(walk)
    finally:
        vars(config)["CACHE_DIR"] = before
    vars(module)["compiled"] = compiled
    return compiled


class FlatForest:
    """A forest as ``write_forest`` laid it out, memory-mapped; ValueError if it is damaged."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._walk = _compiled_walk()
        path = Path(folder)
        about = json.loads((path / "forest.json").read_text(encoding="utf-8"))
        if about["format"] != FOREST_FORMAT:
            raise ValueError(f"flat forest of format {about['format']}, expected {FOREST_FORMAT}")
        self.n_features = int(about["n_features"])
        self.nodes = _map(path / "nodes.npy", NODE)
        self.leaves: Float64 = _map(path / "leaves.npy", np.dtype("<f8"))
        self.roots: npt.NDArray[np.int32] = _map(path / "roots.npy", np.dtype("<i4"))
        self.inputs = _map(path / "inputs.npy", INPUT)
        self.reads_all = np.array_equal(self.inputs["column"], np.arange(self.n_features))
        self._check(about)
        self._guide, self._numbers = self._first_tree()

    def _check(self, about: dict[str, int]) -> None:
        """Refuse what would make the compiled walk read outside the arrays or never end."""
        n_nodes, n_leaves, columns = len(self.nodes), len(self.leaves), self.inputs["column"]

        def inside(child: npt.NDArray[Any], parent: Any) -> bool:
            later = (child > parent) & (child < n_nodes)
            return bool((later | ((child < 0) & (child >= -n_leaves))).all())

        sound = about["n_nodes"] == n_nodes and about["n_leaves"] == n_leaves
        sound &= about["n_trees"] == len(self.roots) > 0 and inside(self.roots, -1)
        sound &= bool(((columns >= 0) & (columns < self.n_features)).all())
        for start in range(0, n_nodes, 1 << 18):
            part = self.nodes[start : start + (1 << 18)]
            here = np.arange(start, start + len(part))
            sound &= inside(part["left"], here) and inside(part["right"], here)
            sound &= bool(((part["feature"] >= 0) & (part["feature"] < len(columns))).all())
        if not sound:
            raise ValueError("the flat forest is damaged: its arrays do not form a forest")

    def _first_tree(self) -> tuple[npt.NDArray[np.int32], Float64]:
        """The root of the first tree that has inner nodes, and the numbers of its leaves."""
        starts = self.roots[self.roots >= 0]
        nodes = self.nodes[: starts[1]] if len(starts) > 1 else self.nodes
        if np.maximum(nodes["left"], nodes["right"]).max(initial=-1) >= len(nodes):
            raise ValueError("the flat forest is damaged: its first tree runs into another")
        last = ~np.minimum(nodes["left"], nodes["right"]).min(initial=-1)
        return starts[:1], np.arange(last + 1, dtype=np.float64)

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
            self._walk(self.nodes, self.leaves, self.roots, x[rows], mean, std)
            values[rows], spread[rows] = mean, std

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
        if len(x) <= LANES or len(self._guide) == 0:
            return np.arange(len(x))
        leaf, spread = np.zeros((2, len(x)))
        self._walk(self.nodes, self._numbers, self._guide, x, leaf, spread)
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

    def __init__(self, path: str | os.PathLike[str], trusted: list[str]) -> None:
        import skops.io
        from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
        from sklearn.pipeline import Pipeline

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
        # The operations of _walk in the same order; only the first tree needs to check its input.
        self.trees[0].predict(x)
        x = np.asarray(x, np.float32, order="C")
        total, mean, squares = np.zeros((3, len(x)))
        for tree, estimator in enumerate(self.trees):
            value = estimator.predict(x, check_input=False)
            total += value
            delta = value - mean
            mean += delta * (1.0 / (tree + 1))
            squares += delta * (value - mean)
        return total / len(self.trees), np.sqrt(squares / len(self.trees))


class Regressor(PythonModel):
    """The published regressor: :meth:`regress` for the functions, :meth:`predict` for serving."""

    def load_context(self, context: Any) -> None:
        """Map the flat forest if one came along and numba is here, else read the pipeline."""
        config = context.model_config
        self.property: str = config["property"]
        self.unit: str = config["unit"]
        self._model: FlatForest | SklearnRegressor
        if "forest" in context.artifacts and _numba_works():
            self._model = FlatForest(context.artifacts["forest"])
        else:
            trusted = config["skops_trusted_types"]
            self._model = SklearnRegressor(context.artifacts["pipeline"], trusted)

    def regress(self, features: Float64) -> Answer:
        """Predict the property and its spread over the trees.

        Args:
            features: float64 (n, n_features), in the order the model was trained with; NaN is
                handled as the pipeline handles it.

        Returns:
            Values and population standard deviation over the trees, both float64 (n,), in
            :attr:`unit`. The deviation is NaN for estimators without trees to compare.

        Raises:
            ValueError: another number of features, or infinite ones.
        """
        features = np.asarray(features, np.float64)
        if features.ndim != 2:
            raise ValueError(f"features must be (n, n_features), not {features.shape}")
        if len(features) == 0:
            return np.empty(0), np.empty(0)
        return self._model.regress(features)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Float64:
        """MLflow's serving face: a table of features (n, n_features) to values (n,)."""
        return self.regress(np.asarray(model_input, np.float64))[0]


set_model(Regressor())
