"""What the workers of one node hold, together, with one model: one worker and sixteen.

``python benchmarks/memory.py [--rows 0]`` prints a table. Memory is the proportional set size, in
which a page that n processes share counts 1/n in each, so that a sum over workers is the node's.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from designs import folder_for, prepare

BARE = "import mlflow.pyfunc, mlflow.artifacts, numpy, pandas, numba"
OURS = (
    "from matminer_compute.functions import predict_composition as f\n"
    "print(f({formulas})['worker']['seconds']['load'], flush=True)"
)
SKLEARN = (
    "import mlflow, numpy, time; started = time.perf_counter()\n"
    "model = mlflow.sklearn.load_model('models:/Original@Production')\n"
    "print(time.perf_counter() - started, flush=True)\n"
    "model.predict(numpy.ones((1000, 145)))"
)
WAIT = "\nprint('ready', flush=True); input()"


def proportional(pid: int) -> float:
    """Proportional set size of a process, in MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss: +(\d+)", text, re.MULTILINE)[1]) / 1024  # type: ignore[index]


def hold(code: str, count: int) -> tuple[float, float]:
    """MB that ``count`` processes running ``code`` hold together, and the last one's own figure."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code + WAIT],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for _ in range(count)
    ]  # fmt: skip
    said = 0.0
    for process in processes:
        assert process.stdout is not None
        while (line := process.stdout.readline().strip()) != "ready":
            if not line:
                raise SystemExit("a worker failed; run its code by hand")
            said = float(line)
    total = sum(proportional(process.pid) for process in processes)
    for process in processes:
        process.communicate("\n")
    return total, said


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
        hold(ours, 1)  # fills the node cache
        print(f"forest of {int(metrics['rows']):,} rows\n")
        print(
            "| workers | libraries alone, MB | ours, MB | loads in, s | scikit-learn, MB | in, s |"
        )
        print("|---|---|---|---|---|---|")
        for count in (1, options.most):
            bare, _ = hold(BARE, count)
            held, load = hold(ours, count)
            many = count if metrics["rows"] < 20_000 else min(count, 4)
            sklearn, slow = hold(SKLEARN, many)
            peer = f"{sklearn:.0f}" + ("" if many == count else f" ({many} workers)")
            print(f"| {count} | {bare:.0f} | {held:.0f} | {load:.2f} | {peer} | {slow:.2f} |")


if __name__ == "__main__":
    main()
