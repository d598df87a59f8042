"""What the workers of one node hold, together, with one model: one worker and sixteen.

``python benchmarks/memory.py [--rows 0]`` prints a table. Memory is the proportional set size, in
which a page that n processes share counts 1/n in each, so that a sum over workers is the node's.
A worker is a process of its own, as Parsl starts it; or one of Parsl's pool as our endpoints start
it, forked from a process that has the libraries, which counts too; or a thread of the embedded
endpoint.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parent))

from designs import folder_for, prepare

from matminer_compute.client import CompositionClient
from matminer_compute.endpoint import EmbeddedEndpoint

ENGINE = "import globus_compute_endpoint.engines.helper, numpy"
LIBRARIES = (
    f"{ENGINE}, mlflow.pyfunc, mlflow.artifacts, pandas, numba\n"
    "import mlflow.store.model_registry.sqlalchemy_store"
)
OURS = LIBRARIES + (
    "\nfrom matminer_compute.functions import predict_composition as f\n"
    "print(f({formulas})['worker']['seconds']['load'], flush=True)"
)
THREADS = (
    "from matminer_compute.client import CompositionClient\n"
    "from matminer_compute.endpoint import EmbeddedEndpoint\n"
    "endpoint = EmbeddedEndpoint('threads', workers={count})\n"
    "client = CompositionClient(endpoint=endpoint)\n"
    "futures = [client.submit({formulas}) for _ in range({count})]\n"
    "print(max(w['seconds']['load'] for f in futures for w in f.result().workers), flush=True)"
)
SKLEARN = LIBRARIES + (
    "\nimport time; started = time.perf_counter()\n"
    "model = mlflow.sklearn.load_model('models:/Original@Production')\n"
    "print(time.perf_counter() - started, flush=True)\n"
    "model.predict(numpy.ones((1000, 145)))"
)
WAIT = "\nprint('ready', flush=True); input()"


def proportional(pid: int) -> float:
    """Proportional set size of a process, in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(kb) for kb in re.findall(r"^Pss: +(\d+)", text, re.MULTILINE)) / 1024


def hold(code: str, count: int = 1) -> tuple[float, float]:
    """MB that ``count`` processes running ``code`` hold together, and the largest figure said."""
    with tempfile.TemporaryFile("w+") as complaints:
        processes = [
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", code + WAIT],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True,
            )
            for _ in range(count)
        ]  # fmt: skip
        said = 0.0
        for process in processes:
            assert process.stdout is not None
            while (line := process.stdout.readline().strip()) != "ready":
                if not line:
                    complaints.seek(0)
                    raise SystemExit(f"A worker failed:\n{complaints.read()[-2000:]}")
                said = max(said, float(line))
        total = sum(proportional(process.pid) for process in processes)
        for process in processes:
            process.communicate("\n")
    return total, said


def pool(formulas: list[str], count: int) -> tuple[float, float]:
    """The same of a pool's workers and the process they are forked from, once all have answered."""
    os.environ["PARSL_CORES"] = str(count)  # or it starts no more workers than there are cores
    with EmbeddedEndpoint("parsl", workers=count) as endpoint:
        client = CompositionClient(endpoint=endpoint)
        loads: dict[int, float] = {}
        end = time.monotonic() + 600
        while len(loads) < count:
            for future in [client.submit(formulas) for _ in range(count)]:
                for worker in future.result().workers:
                    loads.setdefault(worker["pid"], worker["seconds"]["load"])
            if time.monotonic() > end:
                raise SystemExit(f"Only {len(loads)} of {count} workers have answered.")
        parent = psutil.Process(next(iter(loads))).ppid()
        return sum(map(proportional, [parent, *loads])), max(loads.values())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=0, help="train on so many rows; 0: all")
    parser.add_argument("--most", type=int, default=16, help="workers")
    parser.add_argument("--folder", type=Path, help="where to keep the registry")
    options = parser.parse_args()
    with folder_for(options.folder) as folder:
        metrics = prepare(folder, options.rows)
        formulas = [f"Na{1 + i}Cl{1001 - i}" for i in range(1000)]
        ours = OURS.format(formulas=formulas)
        hold(ours)  # fills the node cache
        print(f"forest of {int(metrics['rows']):,} rows; MB, and seconds of the slowest load\n")
        print("| workers | engine alone | and our libraries | ours, processes | s "
              "| ours, forked | s | ours, threads | s | scikit-learn | s |")  # fmt: skip
        print("|---|---|---|---|---|---|---|---|---|---|---|")
        for count in (1, options.most):
            engine, _ = hold(ENGINE, count)
            libraries, _ = hold(LIBRARIES, count)
            held, load = hold(ours, count)
            forked, in_forked = pool(formulas, count)
            threads, in_threads = hold(THREADS.format(formulas=formulas, count=count))
            many = count if metrics["rows"] < 20_000 else min(count, 4)
            sklearn, slow = hold(SKLEARN, many)
            peer = f"{sklearn:.0f}" + ("" if many == count else f" ({many} workers)")
            print(
                f"| {count} | {engine:.0f} | {libraries:.0f} | {held:.0f} | {load:.2f} "
                f"| {forked:.0f} | {in_forked:.2f} "
                f"| {threads:.0f} | {in_threads:.2f} | {peer} | {slow:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
