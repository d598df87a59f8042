"""The whole service path: our client beside the bare SDK, which submits a no-op, in one run.

``python benchmarks/service.py`` starts what the tests use (the loopback stand-in of the web
service, a real broker, the unmodified agent and its engine) and prints a table. The bare SDK's
brake on requests is set as the client sets it; as it comes, it allows four single tasks in 16 s.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE)]  # tests.service, not this file

import mlflow
from designs import folder_for, prepare
from service.path import whole_path

from matminer_compute.client import CompositionClient
from matminer_compute.registration import register
from matminer_compute.registration.service import service_registrar

Call = Callable[[], "Future[Any]"]
Submit = Callable[..., "Future[Any]"]


def noop() -> None:
    """What the service itself costs."""


@contextmanager
def bare_sdk(endpoint_id: str) -> Iterator[Submit]:
    """Submit a function with the SDK alone, source text and JSON as ours."""
    from globus_compute_sdk import Executor
    from globus_compute_sdk.serialize import JSONData

    with Executor(
        endpoint_id,
        service_registrar(),
        api_burst_limit=8,
        api_burst_window_s=4,
        result_serializers=[JSONData()],
    ) as executor:
        yield executor.submit_to_registered_function


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=20, help="single tasks of each")
    parser.add_argument("--tasks", type=int, default=1000, help="tasks sent at once")
    parser.add_argument("--folder", type=Path, help="where to keep the registry")
    options = parser.parse_args()
    with folder_for(options.folder) as folder, ExitStack() as stack:
        prepare(folder, 4000)
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        endpoint_id = stack.enter_context(whole_path(scratch, mlflow.get_tracking_uri()))
        bundle = register(service_registrar(), scratch / "bundle.json")
        submit = stack.enter_context(bare_sdk(endpoint_id))
        client = stack.enter_context(CompositionClient(bundle, endpoint_id))
        nothing = service_registrar().register_function(noop)
        same = bundle.function_id("predict_composition")
        calls = {
            "bare SDK, no-op": lambda: submit(nothing),
            "bare SDK, same task": lambda: submit(same, (["NaCl"],)),
            "our client": lambda: client.submit(["NaCl"]),
        }
        together(calls["our client"], 64)  # every worker has its models
        one = seconds_each(calls, 1, options.turns)
        many = seconds_each(calls, options.tasks, 5)
    report(one, many, options.tasks)


def seconds_each(calls: dict[str, Call], tasks: int, turns: int) -> dict[str, float]:
    """Median seconds for so many tasks at once; the calls in turn, so all meet one machine."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(turns):
        for name, call in calls.items():
            started = time.perf_counter()
            together(call, tasks)
            taken[name].append(time.perf_counter() - started)
    return {name: median(each) for name, each in taken.items()}


def together(call: Call, tasks: int) -> None:
    """Submit all, then wait for all."""
    for future in [call() for _ in range(tasks)]:
        future.result()


def report(one: dict[str, float], many: dict[str, float], tasks: int) -> None:
    """Medians, and each as a multiple of the no-op."""
    first = next(iter(one))
    print(f"| whole path | one task, s | times | {tasks:,} at once, s | times | tasks a second |")
    print("|---|---|---|---|---|---|")
    for name in one:
        single, all_ = one[name], many[name]
        print(
            f"| {name} | {single:.3f} | {single / one[first]:.2f} "
            f"| {all_:.2f} | {all_ / many[first]:.2f} | {tasks / all_:.0f} |"
        )


if __name__ == "__main__":
    main()
