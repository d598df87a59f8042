"""A million formulas from a CSV file to a Parquet file, and what stands between that and the best.

``python benchmarks/screen.py [--rows 4000] [--formulas 1000000] [--folder F]`` prints a table. The
same formulas are screened by a caller's process over an embedded endpoint, and predicted by the
plain function in a loop, one process a core; a first run has loaded and compiled everything. The
original design is extrapolated from 2,000 of them.
"""

import argparse
import json
import multiprocessing
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from designs import folder_for, original_predict, prepare, real_formulas

from matminer_compute.client import CompositionClient
from matminer_compute.client.shards import wire_bytes
from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.functions import predict_composition

LOOP = 50_000  # formulas a call of the plain function
EXTRAPOLATED = 2_000


class Weighs:
    """An endpoint that adds up what crosses it: seconds of its workers and, if asked, bytes."""

    def __init__(self, endpoint: EmbeddedEndpoint, *, bytes_too: bool = False) -> None:
        self.endpoint, self.bytes_too = endpoint, bytes_too
        self.workers = endpoint.workers
        self.busy, self.there, self.back, self.rows = 0.0, 0, 0, 0

    def register_function(self, function: Any) -> str:
        """Hand on."""
        return self.endpoint.register_function(function)

    def submit_to_registered_function(self, function_id: str, args: Any, kwargs: Any) -> Any:
        """Hand on, and weigh the answer when it comes."""
        future = self.endpoint.submit_to_registered_function(function_id, args, kwargs)
        future.add_done_callback(lambda done: self._weigh(args, done.result()))
        return future

    def _weigh(self, args: Any, answer: Any) -> None:
        if args[0] is None:
            return
        self.busy += sum(answer["worker"]["seconds"].values())
        self.rows += len(args[0])
        if self.bytes_too:
            self.there += wire_bytes(args)
            self.back += wire_bytes(answer)


def write(path: Path, count: int) -> None:
    """``count`` formulas, no composition twice, and a number beside each."""
    real = real_formulas()
    with path.open("w", encoding="utf-8") as file:
        file.write("formula,id\n")
        for n in range(count):
            extra = f"H{0.001 * (n // len(real)):.3f}" if n >= len(real) else ""
            file.write(f"{real[n % len(real)]}{extra},{n}\n")


def formulas_in(path: Path) -> list[str]:
    """What ``write`` wrote."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return [line.rpartition(",")[0] for line in lines]


def peak_memory() -> int:
    """Bytes that this process had at most; getrusage would count what its parent had before."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)[1])


def screen(source: Path, output: Path, workers: int, warm: Path) -> None:
    """As a process of its own: screen, and print what it took."""
    with EmbeddedEndpoint(workers=workers) as endpoint:
        with CompositionClient(endpoint=endpoint) as client:
            client.screen(warm, output, restart=True, progress=False)
        weighs = Weighs(endpoint)
        with CompositionClient(endpoint=weighs) as client:
            started = time.perf_counter()
            found = client.screen(source, output, restart=True, progress=False)
            seconds = time.perf_counter() - started
        light = Weighs(endpoint, bytes_too=True)
        with CompositionClient(endpoint=light) as client:
            client.screen(warm, output.with_name("light.parquet"), restart=True, progress=False)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "rows": found.rows,
                "busy": weighs.busy / workers / seconds,
                "peak": peak_memory(),
                "there": light.there / light.rows,
                "back": light.back / light.rows,
                "size": output.stat().st_size,
            }
        )
    )


def loop(formulas: list[str]) -> float:
    """Seconds in which this process predicts them, having done so before."""
    predict_composition(formulas[:LOOP])
    started = time.perf_counter()
    for first in range(0, len(formulas), LOOP):
        predict_composition(formulas[first : first + LOOP])
    return time.perf_counter() - started


def plain(source: Path, workers: int) -> float:
    """Formulas a second of the plain function in a loop, one process a core."""
    formulas = formulas_in(source)
    parts = [formulas[n::workers] for n in range(workers)]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        return len(formulas) / max(pool.map(loop, parts, chunksize=1))


def measure(folder: Path, count: int, workers: int) -> None:
    """Screen, loop, extrapolate, and print them side by side."""
    source, warm, output = folder / "candidates.csv", folder / "warm.csv", folder / "out.parquet"
    write(source, count)
    write(warm, min(count, 100_000))
    command = [sys.executable, __file__, "--screen", *map(str, (source, output, workers, warm))]
    said = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    took = json.loads(said.splitlines()[-1])
    rate, best = took["rows"] / took["seconds"], plain(source, workers)
    formulas = [
        line.rpartition(",")[0] for line in source.read_text().splitlines()[1:][:EXTRAPOLATED]
    ]
    started = time.perf_counter()
    values = original_predict(formulas)
    original = EXTRAPOLATED / (time.perf_counter() - started)
    np.testing.assert_array_equal(predict_composition(formulas)["values"], values)
    megabytes = took["peak"] / 1e6
    print(f"| {count:,} formulas, CSV to Parquet, {workers} workers | |\n|---|---|")
    print(f"| seconds | {took['seconds']:.1f} |")
    print(f"| formulas a second | {rate:,.0f} |")
    print(f"| beside the plain function in a loop on the same cores | {rate / best:.0%} |")
    print(
        f"| times the original design (one core, from {EXTRAPOLATED:,}) | {rate / original:.0f} |"
    )
    print(f"| workers busy | {took['busy']:.0%} |")
    print(f"| peak memory of the caller | {megabytes:,.0f} MB |")
    print(f"| bytes a formula, there and back | {took['there']:.0f} and {took['back']:.0f} |")


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--screen"]:
        source, output, workers, warm = sys.argv[2:]
        screen(Path(source), Path(output), int(workers), Path(warm))
        return
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=4000, help="train on so many rows; 0: all")
    parser.add_argument("--formulas", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="where to keep the registry")
    options = parser.parse_args()
    with folder_for(options.folder) as folder:
        prepare(folder, options.rows)
        measure(folder, options.formulas, options.workers)


if __name__ == "__main__":
    main()
