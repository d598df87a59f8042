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
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from designs import folder_for, prepare
from service.path import whole_path

from matminer_compute.client import CompositionClient
from matminer_compute.registration import register
from matminer_compute.registration.service import service_registrar


def noop() -> None:
    """What the service itself costs."""


@contextmanager
def bare_sdk(endpoint_id: str) -> Iterator[Callable[[], "Future[Any]"]]:
    """Submit a no-op with the SDK alone, source text and JSON as ours."""
    from globus_compute_sdk import Executor
    from globus_compute_sdk.serialize import JSONData

    client = service_registrar()
    function_id = client.register_function(noop)
    with Executor(
        endpoint_id,
        client,
        api_burst_limit=8,
        api_burst_window_s=4,
        result_serializers=[JSONData()],
    ) as executor:
        yield lambda: executor.submit_to_registered_function(function_id)


def seconds_each(calls: dict[str, Callable[[], Any]], times: int) -> dict[str, list[float]]:
    """Seconds of each call, in turn, so that all meet the same machine."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(times):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - started)
    return taken


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
        endpoint_id = stack.enter_context(whole_path(scratch))
        bundle = register(service_registrar(), scratch / "bundle.json")
        bare = stack.enter_context(bare_sdk(endpoint_id))
        ours = stack.enter_context(CompositionClient(bundle, endpoint_id))
        for _ in range(2):  # every worker warm
            together([lambda: ours.submit(["NaCl"])] * 8)
            together([bare] * 8)
        single = seconds_each(
            {"bare": lambda: bare().result(), "ours": lambda: ours.predict(["NaCl"])},
            options.turns,
        )
        many = seconds_each(
            {
                "bare": lambda: together([bare] * options.tasks),
                "ours": lambda: together([lambda: ours.submit(["NaCl"])] * options.tasks),
            },
            3,
        )
    report(single, many, options.tasks)


def together(submit: "list[Callable[[], Future[Any]]]") -> None:
    """Submit all, then wait for all."""
    for future in [one() for one in submit]:
        future.result()


def report(single: dict[str, list[float]], many: dict[str, list[float]], tasks: int) -> None:
    """Medians, and ours as a multiple of the bare SDK's."""
    print("| whole path | bare SDK, no-op | client.predict | times |\n|---|---|---|---|")
    bare, ours = (median(single[name]) for name in ("bare", "ours"))
    print(f"| one task, s | {bare:.3f} | {ours:.3f} | {ours / bare:.2f} |")
    bare, ours = (median(many[name]) for name in ("bare", "ours"))
    print(f"| {tasks:,} tasks at once, s | {bare:.2f} | {ours:.2f} | {ours / bare:.2f} |")
    print(f"| tasks a second | {tasks / bare:.0f} | {tasks / ours:.0f} | |")


if __name__ == "__main__":
    main()
