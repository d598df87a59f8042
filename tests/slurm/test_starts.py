"""A cluster whose workers once started and do not any more: how often the endpoint tries."""

from contextlib import contextmanager

import pytest
from waiting import PATIENCE, until

from matminer_compute.errors import EndpointUnavailable

from .cluster import NODES
from .conftest import change
from .functions import where

pytestmark = pytest.mark.slow


def test_a_refused_job_is_said_to_be(start, cluster, fault):
    endpoint = start(partition="none-such", max_blocks=1)
    fault.strikes()
    with (
        endpoint.client() as client,
        pytest.raises(EndpointUnavailable, match="ended before a worker was ready") as ended,
    ):
        client.predict(["NaCl"], timeout=2 * PATIENCE)
    fault.is_over("Slurm refuses the job", "`EndpointUnavailable`", "the call")
    assert "Traceback" not in str(ended.value)  # of the two attempts that the engine makes
    assert "invalid partition" in endpoint.log("endpoint.log")


def test_a_held_job_is_said_to_be(start, cluster, fault):
    """As Slurm holds a job by itself whose launch failed on node after node."""
    endpoint = start(max_blocks=1)
    with full(cluster), endpoint.client() as client:
        future = client.submit(["NaCl"])
        (job,) = until(cluster.jobs)
        cluster.control("hold", job["id"])
        fault.strikes()
        with pytest.raises(EndpointUnavailable, match=r"is held \(JobHeld"):
            future.result(4 * PATIENCE)
    fault.is_over("a job is held", "`EndpointUnavailable`, and why", "the call")
    cluster.cancel(job["id"])


@contextmanager
def full(cluster):
    """No job starts."""
    for node in NODES:
        cluster.control("update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    try:
        yield
    finally:
        for node in NODES:
            cluster.control("update", f"NodeName={node}", "State=RESUME")


def test_three_jobs_in_a_row_without_a_worker_are_the_last(start, cluster, fault):
    endpoint = start(max_blocks=1, max_idletime=1)
    folder = endpoint.agent.folder / "tested"
    change(folder / "user_environment.yaml", 'TELL_CALLERS: "no"', 'TELL_CALLERS: "yes"')
    endpoint.submit(where).result(PATIENCE)
    until(lambda: cluster.jobs() == [])
    (folder / "worker_init.sh").write_text("echo 'no such module: python/3.99' >&2\nexit 3\n")
    fault.strikes()
    with (
        endpoint.client() as client,
        pytest.raises(EndpointUnavailable, match="ended before a worker was ready") as ended,
    ):
        client.predict(["NaCl"], timeout=4 * PATIENCE)  # Parsl asks Slurm once a minute
    fault.is_over(
        "`worker_init` fails, which had not", "`EndpointUnavailable`, and why", "the call"
    )
    assert "no such module: python/3.99" in str(ended.value)
    jobs = list(endpoint.agent.folder.rglob("submit_scripts/*.stderr"))
    assert len(jobs) == 1 + 3, jobs
    assert cluster.jobs() == []
