"""The walk through the trees: each method's time for a row, and how near ours is to the memory's.

``python benchmarks/forest.py [--rows 4000]`` prints two tables. The features are those of bundled
formulas; every method gives the bits of ``Pipeline.predict`` and is checked for it in the run.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import mlflow
import numpy as np
from designs import folder_for, prepare, real_formulas, seconds
from numba import njit

from matminer_compute.functions import featurize_composition

SIZES = (1, 100, 10_000)
CHAINS = 8  # walks that a processor may have under way at once
LEFT_IS_LEAF, RIGHT_IS_LEAF, DISTANCES = 1 << 30, 1 << 31, (1 << 30) - 1


@njit(nogil=True)
def leaf_of(nodes: Any, root: int, bits: int, x: Any, row: int) -> Any:
    """The leaf that a row reaches in one tree, and how many inner nodes it passes."""
    at, passed, is_leaf = root, 0, False
    while not is_leaf:
        node, passed = nodes[at], passed + 1
        if x[row, node.step & ((1 << bits) - 1)] <= node.threshold:
            at, is_leaf = at + 1, node.step & LEFT_IS_LEAF != 0
        else:
            at, is_leaf = at + ((node.step & DISTANCES) >> bits), node.step & RIGHT_IS_LEAF != 0
    return at, passed


@njit(nogil=True)
def row_by_row(nodes: Any, leaves: Any, roots: Any, bits: int, x: Any) -> Any:
    """The plainest compiled walk over the same arrays: one row at a time through every tree."""
    values = np.zeros(len(x))
    for row in range(len(x)):
        for root in roots:
            values[row] += leaves[leaf_of(nodes, root, bits, x, row)[0]]
        values[row] /= len(roots)
    return values


@njit(nogil=True)
def visits(nodes: Any, roots: Any, bits: int, x: Any) -> int:
    """Inner nodes that the rows of ``x`` pass, all trees together."""
    count = 0
    for row in range(len(x)):
        for root in roots:
            count += leaf_of(nodes, root, bits, x, row)[1]
    return count


@njit(nogil=True)
def chase(nodes: Any, steps: int, at: Any) -> int:
    """``steps`` dependent reads of nodes in each of some chains: the least a walk waits for."""
    for _ in range(steps):
        for lane in range(len(at)):
            at[lane] = nodes[at[lane]].step
    return at.sum()


def step_limit(nodes_in_tree: int, dtype: Any, lanes: int) -> float:
    """Seconds a step of a walk that reads a node and does nothing else, one tree's size of them."""
    nodes = np.zeros(max(nodes_in_tree, lanes), dtype)
    order = np.random.default_rng(0).permutation(len(nodes))
    nodes["step"][order] = np.roll(order, 1)  # one cycle through all of them
    chase(nodes, 1, np.arange(lanes))
    steps = 200_000
    return seconds(lambda: chase(nodes, steps, np.arange(lanes)), 5) / (steps * lanes)


def methods(pipeline: Any, model: Any) -> dict[str, Callable[[Any], Any]]:
    """Every way to the same values, by what to call it."""
    forest, before = pipeline[-1], pipeline[:-1]

    def trees(features: Any) -> Any:
        x = before.transform(features).astype(np.float32)
        total = np.zeros(len(x))
        for tree in forest.estimators_:
            total += tree.tree_.predict(x)[:, 0]
        return total / len(forest.estimators_)

    def plain(features: Any) -> Any:
        return row_by_row(
            model.nodes, model.values, model.roots, model.bits, model._prepare(features)
        )

    def ours(features: Any) -> Any:
        os.environ["MATMINER_COMPUTE_THREADS"] = "1"
        return model.regress(features)[0]

    def two_threads(features: Any) -> Any:
        os.environ["MATMINER_COMPUTE_THREADS"] = "2"
        return model.regress(features)[0]

    return {
        "`Pipeline.predict`, one job": pipeline.predict,
        "loop over `tree_.predict`": trees,
        "numba, a row at a time": plain,
        "ours (with the deviation)": ours,
        "ours, two threads": two_threads,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=4000, help="train on so many rows; 0: all")
    parser.add_argument("--folder", type=Path, help="where to keep the registry")
    options = parser.parse_args()
    with folder_for(options.folder) as folder:
        metrics = prepare(folder, options.rows)
        formulas = real_formulas()
        np.random.default_rng(0).shuffle(formulas)
        features = featurize_composition(formulas[: SIZES[-1]], encode=False)["features"]
        pipeline = mlflow.sklearn.load_model("models:/Original@Production")
        pipeline[-1].n_jobs = 1
        name = "models:/Matminer@Production"
        model = mlflow.pyfunc.load_model(name).unwrap_python_model()._model
        compare(methods(pipeline, model), features, int(metrics["rows"]))
        against_the_limit(pipeline, model, features)


def compare(by_name: dict[str, Callable[[Any], Any]], features: Any, trained_on: int) -> None:
    """Microseconds a row of every method at every size."""
    truth = next(iter(by_name.values()))(features)
    print(f"forest of {trained_on:,} rows, µs a row\n")
    print("| method | " + " | ".join(f"{size:,} rows" for size in SIZES) + " |")
    print("|---|" + "---|" * len(SIZES))
    for what, method in by_name.items():
        np.testing.assert_array_equal(method(features), truth)
        each = [
            seconds(lambda m=method, x=features[:size]: m(x), max(5, 200 // size)) / size * 1e6
            for size in SIZES
        ]
        print(f"| {what} | " + " | ".join(f"{us:,.1f}" for us in each) + " |", flush=True)


def against_the_limit(pipeline: Any, model: Any, features: Any) -> None:
    """Node visits and bytes, and what a visit costs beside the bare read of a node."""
    os.environ["MATMINER_COMPUTE_THREADS"] = "1"
    x = model._prepare(features)
    passed = visits(model.nodes, model.roots, model.bits, x)
    started = time.perf_counter()
    model.regress(features)
    step = (time.perf_counter() - started) / passed
    limit = step_limit(len(model.nodes) // len(model.roots), model.nodes.dtype, CHAINS)
    ours = model.nodes.nbytes
    theirs = sum(t.tree_.node_count for t in pipeline[-1].estimators_) * 72  # node and its value
    print("\n| one walk of 10,000 rows | |\n|---|---|")
    print(f"| node visits a row | {passed / len(x):,.0f} |")
    print(f"| bytes of nodes read a row | {passed / len(x) * model.nodes.itemsize:,.0f} |")
    print(f"| a visit | {step * 1e9:.2f} ns |")
    print(f"| the bare read of a node, {CHAINS} chains in a tree's size | {limit * 1e9:.2f} ns |")
    print(f"| size of the forest | {ours / 1e6:.0f} MB (scikit-learn: {theirs / 1e6:.0f} MB) |")


if __name__ == "__main__":
    main()
