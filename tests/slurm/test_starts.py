"""A cluster whose workers once started and do not any more: how often the endpoint tries."""

import pytest
from waiting import PATIENCE, until

from matminer_compute.errors import EndpointUnavailable

from .conftest import change
from .functions import where

pytestmark = pytest.mark.slow


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
