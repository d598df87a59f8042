"""``matminer-compute endpoint doctor``: runs the checks that were asked for, and shows them."""

import importlib.metadata
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from .terminal import Column, print_json, show

if TYPE_CHECKING:
    from matminer_compute.endpoint.doctor import Verdict
    from matminer_compute.registration import Bundle

_COLUMNS = [Column("verdict"), Column("check"), Column("found"), Column("what to do")]


@click.command()
@click.argument("name", required=False)
@click.option("--endpoint", type=click.UUID, metavar="UUID", help="Ask a worker of this endpoint.")
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The functions that should be allowed; bundle.json here by default with --endpoint.",
)
@click.option("--model", default="Matminer", show_default=True, help="Registered model name.")
@click.option("--version", default="Production", show_default=True, help="Alias, stage or number.")
@click.option(
    "--deadline",
    type=click.FloatRange(min=0, min_open=True),
    default=900.0,
    show_default=True,
    help="Seconds for a worker to answer, its time in the scheduler's queue included.",
)
@click.option(
    "--shared",
    is_flag=True,
    help="Ask a worker that callers share, in place of one in a job of its own.",
)
@click.option("--network", is_flag=True, help="Also see whether Globus's hosts can be reached.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(
    name: str | None,
    endpoint: UUID | None,
    bundle: Path | None,
    shared: bool,
    network: bool,
    as_json: bool,
    **question: Any,
) -> None:
    """Find out what ails an endpoint: each failing line says what to change, and where.

    NAME is an endpoint of this machine, whose files, login and agent are looked at. --endpoint asks
    a worker of a running one what it finds there, in a job of its own, which ends with the answer
    and keeps none of the callers' workers busy. Without either, a worker of this machine is asked,
    with the registry that it would use. The network is left alone but for the registry, --endpoint
    and --network.
    """
    from matminer_compute.errors.machine import packages
    from matminer_compute.registration import Bundle

    known = Bundle.load(bundle or Path("bundle.json")) if bundle or endpoint else None
    with packages():
        from matminer_compute.endpoint import doctor as checks
    verdicts: list[Verdict] = []
    if name:
        from matminer_compute.endpoint.configure import endpoint_folder

        folder = endpoint_folder(name)
        verdicts += checks.examine_folder(folder, known)
        verdicts += checks.examine_environment(folder, question["model"], question["version"])
        verdicts += checks.examine_account(folder)
    if network:
        verdicts += checks.examine_network()
    if endpoint and known:
        verdicts += _far_worker(str(endpoint), known, bool(name), shared, question)
    elif not name:
        verdicts += _worker_here(question)
    failed = any(verdict.verdict == "fail" for verdict in verdicts)
    if as_json:
        print_json({"healthy": not failed, "checks": [vars(verdict) for verdict in verdicts]})
    else:
        show(_COLUMNS, [[v.verdict, v.check, v.found, v.advice or None] for v in verdicts])
    if failed:
        raise click.exceptions.Exit(1)


def _far_worker(
    endpoint: str, bundle: "Bundle", agent_is_here: bool, shared: bool, question: dict[str, Any]
) -> "Iterator[Verdict]":
    from matminer_compute.client import ServiceEndpoint
    from matminer_compute.endpoint.doctor.verdict import fail, ok
    from matminer_compute.registration.service import service_registrar

    status = service_registrar().get_endpoint_status(endpoint).get("status")
    if status != "online":
        advice = "run 'globus-compute-endpoint start NAME' on its machine; it says what it lacks"
        yield fail("endpoint", f"the service says that it is {status}", advice)
        return
    yield ok("endpoint", "the service hears from it")
    function_id = bundle.function_id("inspect_worker")
    tasks = ServiceEndpoint(endpoint, chosen=None if shared else {"canary": True})
    try:
        yield from _asked(
            lambda kwargs: tasks.submit_to_registered_function(function_id, (), kwargs),
            question,
            agent_is_here,
        )
    finally:
        tasks.close()


def _worker_here(question: dict[str, Any]) -> "Iterator[Verdict]":
    from matminer_compute.endpoint import EmbeddedEndpoint
    from matminer_compute.functions import inspect_worker

    with EmbeddedEndpoint(workers=1) as embedded:
        function_id = embedded.register_function(inspect_worker)
        yield from _asked(
            lambda kwargs: embedded.submit_to_registered_function(function_id, (), kwargs),
            question,
            False,  # there is no agent
        )


def _asked(
    submit: Callable[[dict[str, Any]], Future[Any]], question: dict[str, Any], agent_is_here: bool
) -> "Iterator[Verdict]":
    """What a worker's report says, or why there is none."""
    from matminer_compute.client.failures import as_typed
    from matminer_compute.endpoint.doctor import examine_worker
    from matminer_compute.endpoint.doctor.verdict import fail

    deadline, asked = question["deadline"], time.time()
    future = submit({"name": question["model"], "version": question["version"]})
    try:
        report = future.result(deadline)
    except TimeoutError:
        yield fail(
            "worker",
            f"none answered within {deadline:g} s",
            "look whether its job waits or is held (squeue, qstat, kubectl get pods), and into "
            "submit_scripts and endpoint.log in the folder uep.* of the endpoint; give a longer "
            "--deadline if it only waits",
        )
    except Exception as error:  # noqa: BLE001  whatever a task fails with is what is to be shown
        said = str(as_typed(error))
        older = "'canary'" in said  # no part of its schema
        advice = "run 'endpoint init' again, or ask with --shared"
        yield fail("worker", said, advice if older else "fix that, then ask again")
    else:
        agent = _versions() if agent_is_here else {}
        yield from examine_worker(report, agent=agent, asked=asked, answered=time.time())


def _versions() -> dict[str, str | None]:
    packages = ("parsl", "globus-compute-endpoint")
    return {package: importlib.metadata.version(package) for package in packages}
