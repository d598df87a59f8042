"""Formulas a second, original and ours side by side, one core each, and what two workers add.

``python benchmarks/throughput.py [--rows 4000] [--most 100000]`` prints a table. Both designs have
their models loaded and serve the same forest in this one process; each size is featurized and
predicted by one and then the other. The formulas are the bundled ones, then the same again with
other amounts, so that no composition comes twice.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import mlflow
import numpy as np
import pandas as pd
from designs import folder_for, prepare, real_formulas

from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.functions import featurize_composition, predict_composition

SIZES = (1_000, 10_000, 100_000)
ALL = 179_000  # what formulas_of can give without a composition coming twice


def formulas_of(count: int) -> list[str]:
    """``count`` formulas, no composition twice."""
    real = real_formulas()
    rng = np.random.default_rng(0)
    rng.shuffle(real)
    scaled = (f"{formula}H{0.01 * (1 + k % 97):.2f}" for k, formula in enumerate(real))
    return [*real, *scaled][:count]


def once(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of one call, and its result."""
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


def typical(call: Callable[[], Any], times: int) -> tuple[float, Any]:
    """Median seconds of some calls, and the last result."""
    taken = [once(call) for _ in range(times)]
    return median(seconds for seconds, _ in taken), taken[-1][1]


def side_by_side(most: int) -> None:
    """Both designs in this process, on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    featurizer = mlflow.pyfunc.load_model("models:/Original Featurizer@Production")
    pipeline = mlflow.sklearn.load_model("models:/Original@Production")
    pipeline[-1].n_jobs = 1
    predict_composition(["NaCl"])
    print("| formulas | featurize, original | ours | times | predict, original | ours | times "
          "| whole path, times |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for size in (size for size in SIZES if size <= most):
        formulas = formulas_of(size)
        table = pd.DataFrame({"formula": formulas})
        slow, features = once(lambda table=table: featurizer.predict(table))
        slow_predict, values = once(lambda features=features: pipeline.predict(features))

        times = max(5, 100_000 // size)
        fast, ours = typical(lambda f=formulas: featurize_composition(f, encode=False), times)
        whole, answer = typical(lambda f=formulas: predict_composition(f), times)
        np.testing.assert_array_equal(ours["features"][ours["index"]], features)
        np.testing.assert_array_equal(answer["values"], values)
        rest = whole - fast

        def each(seconds: float, size: int = size) -> str:
            return f"{seconds / size * 1e6:.1f} µs"

        print(
            f"| {size:,} | {each(slow)} | {each(fast)} | {slow / fast:.0f} "
            f"| {each(slow_predict)} | {each(rest)} | {slow_predict / rest:.1f} "
            f"| {(slow + slow_predict) / whole:.0f} |",
            flush=True,
        )


def workers(counts: tuple[int, ...]) -> None:
    """The client over an endpoint of one worker and of two, which share the cores with it."""
    taken = {}
    for size in (1, 2):
        with EmbeddedEndpoint(workers=size) as endpoint, CompositionClient(endpoint=endpoint) as c:
            c.predict(formulas_of(20_000))  # every worker has its models
            for count in counts:
                formulas = formulas_of(count)
                taken[count, size] = typical(lambda c=c, f=formulas: c.predict(f), 5)[0]
    print("\n| formulas through the client | one worker | two | times |\n|---|---|---|---|")
    for count in counts:
        one, two = taken[count, 1], taken[count, 2]
        print(f"| {count:,} | {one:.2f} s | {two:.2f} s | {one / two:.2f} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=4000, help="train on so many rows; 0: all")
    parser.add_argument("--most", type=int, default=100_000, help="leave larger sizes out")
    parser.add_argument("--folder", type=Path, help="where to keep the registry")
    options = parser.parse_args()
    with folder_for(options.folder) as folder:
        metrics = prepare(folder, options.rows)
        print(f"forest of {int(metrics['rows']):,} rows, one core each\n")
        cores = os.sched_getaffinity(0)
        side_by_side(options.most)
        os.sched_setaffinity(0, cores)
        workers((options.most, ALL))


if __name__ == "__main__":
    main()
