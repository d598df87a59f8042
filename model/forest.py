"""Flatten fitted tree ensembles into arrays that workers map and share.

``write_forest`` lays a random forest or extra trees out as the artifact in
``artifacts/regressor.py`` walks it, in one folder:

``nodes.npy``
    8 bytes a node, every tree in preorder. An inner node is a ``threshold``, float32, and a
    ``step``, uint32: the feature in the lowest ``feature_bits``, then the distance to the right
    child (the left one is the next node), and in the two highest bits whether the left and the
    right child are leaves. A leaf is what it predicts, float64.
``roots.npy``
    int64, the root of each tree; of a tree that is a single leaf, ``~root``.
``inputs.npy``
    where ``feature`` points: ``column`` int32 of the matrix the pipeline takes, and ``fill``
    float32, what stands there for a missing value (NaN goes right, -inf left).
``forest.json``
    format, sizes, and the scikit-learn version that grew the trees.

A scikit-learn node is 64 bytes, besides its value.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor
from sklearn.utils.validation import check_is_fitted

FOREST_FORMAT = 2
NODE = np.dtype([("threshold", "<f4"), ("step", "<u4")])
STEP_BITS = 30  # of feature and distance; the other two mark leaves
INPUT = np.dtype([("column", "<i4"), ("fill", "<f4")])
LEAF = -1  # both children of a leaf in scikit-learn's trees

# What a skops file of ours may hold beyond skops' own list, each one reviewed (skops 0.16,
# scikit-learn 1.9). All are data holders: none runs code of the file's choosing when it is loaded.
# skops leaves the two kinds of trees to us because scikit-learn follows their node numbers without
# bounds checks, so that a forged file could crash a worker. Ours come from the registry that also
# holds the code the worker runs: who can forge the one can replace the other.
TRUSTED_TYPES: tuple[str, ...] = (
    "numpy.dtype",  # the dtype an imputer or binner saw; made from a name, nothing is evaluated
    "sklearn.tree._tree.Tree",  # nodes and values of forests, extra trees, gradient boosting
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",  # nodes, category bitsets
)


class _Flat(NamedTuple):
    nodes: npt.NDArray[np.void]
    roots: npt.NDArray[np.int64]


def write_forest(pipeline: Any, folder: str | os.PathLike[str]) -> bool:
    """Write the flat forest of a fitted pipeline, if it has one that is sure to answer the same.

    Flattened are ``RandomForestRegressor`` and ``ExtraTreesRegressor`` (these classes, no subclass)
    of one output, alone or as the last step of a ``Pipeline`` after nothing but a ``SimpleImputer``
    of NaN in float64 without indicator. Everything else is left to scikit-learn.

    Args:
        pipeline: a fitted scikit-learn pipeline or forest.
        folder: where the arrays go; made if missing, untouched if nothing is written.

    Returns:
        Whether it was written.

    Raises:
        sklearn.exceptions.NotFittedError: the pipeline holds such a forest, but not a fitted one.
    """
    imputer, forest = _steps(pipeline)
    if forest is None:
        return False
    check_is_fitted(forest)
    trees = _trees(forest)
    inputs = _routed(forest) if imputer is None else _imputed(forest, imputer)
    if not trees or inputs is None:
        return False
    bits = max(1, int(len(inputs) - 1).bit_length())
    flat = _flatten(trees, bits, route=imputer is None)
    if flat is None:
        return False
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for name, array in {**flat._asdict(), "inputs": inputs}.items():
        np.save(path / f"{name}.npy", array, allow_pickle=False)
    about = {
        "format": FOREST_FORMAT,
        "n_features": int((imputer or forest).n_features_in_),
        "n_trees": len(flat.roots),
        "n_nodes": len(flat.nodes),
        "feature_bits": bits,
        "scikit_learn": sklearn.__version__,
    }
    (path / "forest.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return True


def _steps(pipeline: Any) -> tuple[Any, Any]:
    """Imputer (or None) and forest, or two None where there is any other step."""
    steps = [pipeline]
    if type(pipeline) is Pipeline:
        steps = [step for _, step in pipeline.steps if step is not None and step != "passthrough"]
    if not steps or type(steps[-1]) not in (RandomForestRegressor, ExtraTreesRegressor):
        return None, None
    if len(steps) == 1:
        return None, steps[0]
    if len(steps) == 2 and type(steps[0]) is SimpleImputer:
        return steps[0], steps[1]
    return None, None


def _trees(forest: Any) -> list[Any]:
    """The low-level trees of a forest of plain one-output trees, else an empty list."""
    if not all(
        type(tree) in (DecisionTreeRegressor, ExtraTreeRegressor)
        and tree.tree_.value.shape[1:] == (1, 1)
        and tree.n_features_in_ == forest.n_features_in_
        for tree in forest.estimators_
    ):
        return []
    return [tree.tree_ for tree in forest.estimators_]


def _imputed(forest: Any, imputer: Any) -> npt.NDArray[np.void] | None:
    """Inputs of a forest behind an imputer: its columns, each filled with its statistic."""
    check_is_fitted(imputer)
    statistics = imputer.statistics_
    plain = (
        isinstance(imputer.missing_values, float)
        and np.isnan(imputer.missing_values)
        and not imputer.add_indicator
        and statistics.dtype == imputer._fit_dtype == np.float64
    )
    if not plain:
        return None
    empty = np.isnan(statistics)  # never seen in training: such a column is dropped
    if imputer.keep_empty_features and empty.any():
        return None
    columns = np.flatnonzero(~empty)
    with np.errstate(over="ignore"):
        fill = statistics[columns].astype(np.float32)
    if len(columns) != forest.n_features_in_ or not np.isfinite(fill).all():
        return None
    return _inputs(columns, fill)


def _routed(forest: Any) -> npt.NDArray[np.void] | None:
    """Inputs of a forest that meets missing values itself, where each node says where they go.

    Every column comes twice: as it is, for nodes that send NaN right (where a comparison with NaN
    sends it anyway), and with -inf in place of NaN, for those that send it left.
    """
    if not forest.estimators_[0].__sklearn_tags__().input_tags.allow_nan:
        return None
    columns = np.arange(forest.n_features_in_)
    fill = np.repeat(np.array([np.nan, -np.inf], np.float32), len(columns))
    return _inputs(np.tile(columns, 2), fill)


def _inputs(columns: npt.NDArray[Any], fill: npt.NDArray[Any]) -> npt.NDArray[np.void]:
    inputs = np.empty(len(columns), INPUT)
    inputs["column"], inputs["fill"] = columns, fill
    return inputs


def _flatten(trees: list[Any], bits: int, *, route: bool) -> _Flat | None:
    """Nodes and roots of all trees; None if a distance does not fit into a step.

    Args:
        trees: fitted ``sklearn.tree._tree.Tree`` objects.
        bits: of a step that are the feature.
        route: nodes that send missing values left read the second copy of their column.
    """
    counts = [int(tree.node_count) for tree in trees]
    if max(counts) >= 1 << (STEP_BITS - bits):
        return None
    starts = np.cumsum([0, *counts[:-1]])
    nodes = np.empty(sum(counts), NODE)
    for tree, start, count in zip(trees, starts.tolist(), counts, strict=True):
        _lay_out(tree, nodes[start : start + count], bits, route)
    single = np.array(counts) == 1
    return _Flat(nodes, np.where(single, ~starts, starts).astype(np.int64))


def _lay_out(tree: Any, nodes: npt.NDArray[np.void], bits: int, route: bool) -> None:
    """One tree into its part of the nodes."""
    left, right = tree.children_left, tree.children_right
    place, size = _preorder(left, right)
    is_leaf = left == LEAF
    inner = np.flatnonzero(~is_leaf)
    left, right = left[inner], right[inner]
    feature = tree.feature[inner]
    if route:
        feature = feature + tree.n_features * tree.missing_go_to_left[inner]
    step = feature | (size[left] + 1) << bits
    step |= is_leaf[left].astype(np.int64) << STEP_BITS
    step |= is_leaf[right].astype(np.int64) << (STEP_BITS + 1)
    nodes["threshold"][place[inner]] = _round_down(tree.threshold[inner])
    nodes["step"][place[inner]] = step
    nodes.view("<f8")[place[is_leaf]] = tree.value[is_leaf, 0, 0]


def _preorder(
    left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Each node's place, if a node comes before its left branch and this before the right one.

    Also how many nodes are below and at each. scikit-learn numbers most trees so, but not those
    that were grown best first.
    """
    levels, here = [], np.zeros(1, np.int64)
    while len(here := here[left[here] != LEAF]):  # the inner nodes of a level
        levels.append(here)
        here = np.concatenate([left[here], right[here]])
    size, place = np.ones(len(left), np.int64), np.zeros(len(left), np.int64)
    for here in reversed(levels):
        size[here] += size[left[here]] + size[right[here]]
    for here in levels:
        place[left[here]] = place[here] + 1
        place[right[here]] = place[here] + 1 + size[left[here]]
    return place, size


def _round_down(threshold: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest float32 that is not above each threshold.

    scikit-learn compares features cast to float32 with float64 thresholds. For a float32 ``x``,
    ``x <= t`` holds exactly when ``x`` is not above the largest float32 below or at ``t``: half the
    bytes, the same decision.
    """
    with np.errstate(over="ignore"):
        rounded = threshold.astype(np.float32)
    above = rounded > threshold
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded
