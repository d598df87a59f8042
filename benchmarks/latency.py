"""What one prediction costs: warm, cold, and in bytes, beside the original design and a no-op.

``python benchmarks/latency.py [--rows 4000]`` prints a table. Both designs serve the same forest
from the same registry, on the same engine, in this one run; the figures are medians, and what to
quote is the ratio.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from designs import folder_for, original_predict, prepare, seconds

from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.functions import featurize_composition, predict, predict_composition
from matminer_compute.registration import chain

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


def nothing(formulas: list[str]) -> None:
    """The no-op that a prediction is compared with: the engine's own cost."""
    return


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
        "no-op": endpoint.register_function(chain(nothing)),
        "predict_composition": endpoint.register_function(chain(predict_composition)),
        "original": endpoint.register_function(chain(original_predict)),
    }
    client = CompositionClient(endpoint=endpoint)

    def submit(name: str) -> Any:
        return endpoint.submit_to_registered_function(ids[name], (["NaCl"],)).result()

    calls = {name: lambda name=name: submit(name) for name in ids}
    calls["client.predict"] = lambda: client.predict(["NaCl"])
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for name in calls:
        calls[name]()
    for turn in range(400):
        for name, call in calls.items():
            if name != "original" or turn % 20 == 0:
                taken[name].append(seconds(call, 1))
    parts = submit("predict_composition")["worker"]["seconds"]
    return {name: median(values) for name, values in taken.items()} | parts


def wire() -> dict[str, int]:
    """Bytes of JSON each way, for 1,000 formulas."""
    formulas = [f"Na{1 + i}Cl{1001 - i}" for i in range(1000)]
    featurized = featurize_composition(formulas)
    return {
        "formulas": len(json.dumps(formulas)),
        "features, as they travel": len(json.dumps(featurized)),
        "predictions": len(json.dumps(predict(featurized))),
    }


def peak_megabytes() -> float:
    """The most this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


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
        with EmbeddedEndpoint("processes", workers=1) as endpoint:
            taken = warm(endpoint)
        sizes = wire()
    noop, ours = taken["no-op"], taken["client.predict"]
    print(f"forest of {int(metrics['rows']):,} rows, one worker, process engine\n")
    print("| one formula, warm | ms | |\n|---|---|---|")
    print(f"| no-op round trip | {noop * 1e3:.2f} | 1 |")
    for name in ("predict_composition", "client.predict"):
        print(f"| {name} | {taken[name] * 1e3:.2f} | {taken[name] / noop:.2f} times the no-op |")
    print(
        f"| original | {taken['original'] * 1e3:.1f} | {taken['original'] / ours:.0f} times ours |"
    )
    for part in ("load", "featurize", "predict"):
        print(f"| of which {part} | {taken[part] * 1e3:.3f} | |")
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
