"""What one prediction costs: warm, cold, and in bytes, beside the original design and a no-op.

``python benchmarks/latency.py [--rows 4000]`` prints a table. Both designs serve the same forest
from the same registry, on the same engine, in this one run; the figures are medians, and what to
quote is the ratio. The no-op is the bare engine's: a packed ``Task`` of an identity function,
submitted and unpacked by hand, with nothing of ours in between, called in turn with the rest.
"""

import argparse
import inspect
import json
import os
import resource
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from designs import folder_for, original_predict, prepare, seconds
from globus_compute_common import messagepack
from globus_compute_common.messagepack.message_types import Result, Task
from globus_compute_endpoint.engines.base import GCFuture, GlobusComputeEngineBase
from globus_compute_sdk.serialize import ComputeSerializer, JSONData, PureSourceTextInspect

from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.functions import (
    featurize_composition,
    predict,
    predict_composition,
    travelling,
)

NAMES = "import mlflow.pyfunc, mlflow.artifacts, numpy, pandas, numba"
CLIENT = "import matminer_compute.client"
OURS = (
    "from matminer_compute.functions import predict_composition as f; assert f(['NaCl'])['values']"
)
# What a prediction has imported in the end, a registry's database driver and all: the bare import.
LIBRARIES = """
import importlib, contextlib
for name in open({list!r}).read().split():
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
"""
LISTING = (
    OURS
    + """
import sys
own = ("matminer_compute", "code_model", "matminer_walk", "predict", "featurize", "__main__")
names = [name for name in sys.modules if not name.startswith(own)]
open({list!r}, "w").write("\\n".join(names))
"""
)
ORIGINAL = "from designs import original_predict as f; assert f(['NaCl'])"


def identity(formulas: list[str]) -> list[str]:
    """The no-op that a prediction is compared with."""
    return formulas


def bare(engine: GlobusComputeEngineBase) -> Callable[[], Any]:
    """The round trip of the no-op through the engine alone."""
    serializer = ComputeSerializer(strategy_code=PureSourceTextInspect(), strategy_data=JSONData())
    code = serializer.serialize(identity)
    json_data = [f"{JSONData.__module__}.{JSONData.__qualname__}"]

    def call() -> Any:
        task_id = uuid.uuid4()
        arguments = (serializer.serialize([["NaCl"]]), serializer.serialize({}))
        buffer = serializer.pack_buffers([code, *arguments])
        future = GCFuture(task_id)
        packed = messagepack.pack(Task(task_id=task_id, task_buffer=buffer))
        engine.submit(future, packed, {}, json_data)
        result = messagepack.unpack(future.result())
        assert isinstance(result, Result)
        return serializer.deserialize(result.data)

    return call


def process_seconds(code: str, times: int = 7) -> float:
    """Median seconds of a fresh Python process that runs ``code``."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-W", "ignore", "-c", code]

    def run() -> None:
        subprocess.run(command, env=environment, check=True, capture_output=True)

    run()  # fills the node cache, numba's cache and the operating system's
    return seconds(run, times)


def warm(endpoint: EmbeddedEndpoint) -> dict[str, float]:
    """Median round trips in seconds, taken in turn so that drift meets all of them alike."""
    ids = {
        "embedded no-op": endpoint.register_function(identity),
        "predict_composition": endpoint.register_function(predict_composition),
        "original": endpoint.register_function(travelling(original_predict)),
    }
    client = CompositionClient(endpoint=endpoint)

    def submit(name: str) -> Any:
        return endpoint.submit_to_registered_function(ids[name], (["NaCl"],)).result()

    calls = {name: lambda name=name: submit(name) for name in ids}
    calls["client.predict"] = lambda: client.predict(["NaCl"])
    for call in calls.values():
        call()
    calls["bare no-op"] = bare(endpoint.running_engine())
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(1000):
        for name, call in calls.items():
            if name != "original" or turn % 50 == 0:
                taken[name].append(seconds(call, 1))
    parts = submit("predict_composition")["worker"]["seconds"]
    return {name: median(values) for name, values in taken.items()} | parts


def wire() -> dict[str, int]:
    """Bytes of JSON each way, for 1,000 formulas."""
    formulas = [f"Na{1 + i}Cl{1001 - i}" for i in range(1000)]
    featurized = featurize_composition(formulas)
    return {
        "formulas": len(json.dumps(formulas)),
        "the function's text, with each task": len(inspect.getsource(predict_composition)),
        "features, as they travel": len(json.dumps(featurized)),
        "predictions": len(json.dumps(predict(featurized))),
    }


def peak_megabytes() -> float:
    """The most this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show_warm(engine: str, taken: dict[str, float]) -> None:
    """Print the round trips on one engine, as ratios to the bare no-op."""
    noop, ours = taken["bare no-op"], taken["client.predict"]
    print(f"\n| one formula, warm, {engine} engine | ms | |\n|---|---|---|")
    for name in ("bare no-op", "embedded no-op", "predict_composition", "client.predict"):
        print(f"| {name} | {taken[name] * 1e3:.2f} | {taken[name] / noop:.2f} times the no-op |")
    print(
        f"| original | {taken['original'] * 1e3:.1f} | {taken['original'] / ours:.0f} times ours |"
    )
    for part in ("load", "featurize", "predict"):
        print(f"| of which {part} | {taken[part] * 1e3:.3f} | |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=4000, help="rows to train the forest on")
    parser.add_argument("--folder", type=Path, help="where to keep the registry")
    options = parser.parse_args()
    with folder_for(options.folder) as folder:
        metrics = prepare(folder, options.rows)
        listed = str(folder / "modules.txt")
        process_seconds(LISTING.format(list=listed), times=1)
        codes = {
            "names": NAMES,
            "libraries": LIBRARIES.format(list=listed),
            "ours": OURS,
            "original": ORIGINAL,
            "client": CLIENT,
        }
        cold = {name: process_seconds(code) for name, code in codes.items()}
        taken = {}
        for engine in ("processes", "threads"):
            with EmbeddedEndpoint(engine, workers=1) as endpoint:
                taken[engine] = warm(endpoint)
        sizes = wire()
    print(f"forest of {int(metrics['rows']):,} rows, one worker")
    for engine, times in taken.items():
        show_warm(engine, times)
    print("\n| fresh process, node cache warm | s | |\n|---|---|---|")
    print(f"| import of what it names (mlflow, numpy, pandas, numba) | {cold['names']:.2f} | |")
    print(f"| bare import of all the libraries it needs | {cold['libraries']:.2f} | 1 |")
    print(
        f"| first prediction | {cold['ours']:.2f} | {cold['ours'] / cold['libraries']:.2f} times |"
    )
    ratio = cold["original"] / cold["libraries"]
    print(f"| original | {cold['original']:.2f} | {ratio:.2f} times |")
    print(f"| import of the client | {cold['client']:.2f} | |")
    print("\n| 1,000 formulas, on the wire | bytes |\n|---|---|")
    for name, size in sizes.items():
        print(f"| {name} | {size:,} |")
    print("\n| training | s |\n|---|---|")
    for step in ("featurize", "validate", "fit", "publish"):
        print(f"| {step} | {metrics[f'seconds_{step}']:.1f} |")
    print(f"\npeak memory of this process, which trained: {peak_megabytes():.0f} MB")


if __name__ == "__main__":
    main()
