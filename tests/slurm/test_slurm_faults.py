"""What a caller meets when a node is lost or a job reaches its walltime."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from globus_compute_sdk.errors import TaskExecutionFailed
from waiting import PATIENCE, until
from worker.test_node_cache import parts

from .conftest import FORMULAS
from .functions import stay, where

pytestmark = pytest.mark.slow


@pytest.fixture
def meeting(tmp_path):
    folder = tmp_path / "meeting"
    folder.mkdir()
    return folder


@pytest.fixture
def lose(cluster):
    """Lose a node, as Slurm learns of it from its administrator; it is back after the test.

    What ran there is queued again, and would wait for an agent that the test has stopped.
    """
    lost, jobs = [], set()

    def lose(node):
        lost.append(node)
        jobs.update(job["id"] for job in cluster.jobs() if job["node"] == node)
        cluster.kill_slurmd(node)
        cluster.down(node)

    yield lose
    for node in lost:
        cluster.restart_slurmd(node)
    for job in jobs & {job["id"] for job in cluster.jobs()}:
        cluster.cancel(job)


def held_on(folder):
    """The node of the task that stays, once it is there."""
    return until(lambda: (folder / "arrived").exists() and (folder / "arrived").read_text())


def test_a_lost_node_is_told_to_the_caller_and_the_next_task_works(start, lose, meeting, fault):
    endpoint = start(max_retries_on_system_failure=0, max_blocks=1)
    task = endpoint.submit(stay, str(meeting))
    node = held_on(meeting)
    lose(node)
    fault.strikes()
    with pytest.raises(TaskExecutionFailed, match="ManagerLost"):
        task.result(PATIENCE)
    fault.is_over("node lost, no retries, bare SDK", "`TaskExecutionFailed`", "its tasks")
    assert endpoint.submit(where).result(PATIENCE)[0] != node
    fault.is_over("the same, the next task", "its result, from a new job")


@pytest.mark.parametrize("retries", [0, 1])
def test_a_lost_node_is_hidden_from_the_clients_caller(
    retries, start, lose, proxy, expected, fault, tmp_path
):
    """By the client, which sends again, or already by the endpoint, as in the template."""
    endpoint = start(max_retries_on_system_failure=retries)
    endpoint.all_workers(tmp_path / "meeting")
    proxy.stall = True
    with endpoint.client() as client:
        future = client.submit(FORMULAS)
        caches = {node: tmp_path / f"cache-{node}" for node in ("node1", "node2")}
        (node,) = until(lambda: [node for node, cache in caches.items() if parts(cache)])
        lose(node)
        fault.strikes()
        proxy.stall = False
        answer = future.result(PATIENCE)
    who = "the endpoint" if retries else "the client"
    fault.is_over(
        f"node lost, `max_retries_on_system_failure: {retries}`", f"the answer; {who} sent it again"
    )
    np.testing.assert_array_equal(answer.values, expected.values)
    assert answer.workers[0]["cold"]


def test_a_task_whose_job_reaches_its_walltime_runs_again_in_another_job(
    start, cluster, meeting, fault
):
    endpoint = start(max_blocks=1)
    task = endpoint.submit(stay, str(meeting))
    held_on(meeting)
    (job,) = cluster.jobs()
    end = datetime.now().astimezone() + timedelta(seconds=2)
    cluster.control("update", f"JobId={job['id']}", f"EndTime={end:%Y-%m-%dT%H:%M:%S}")
    until(lambda: cluster.jobs() == [])
    fault.strikes()
    assert "JobState=TIMEOUT" in cluster.control("show", "job", job["id"])
    assert task.result(PATIENCE) == "again"
    fault.is_over("walltime reached, the only job", "the answer, from a new job")
    assert endpoint.submit(where).result(PATIENCE)[1] != job["id"]


def test_a_job_near_its_walltime_ends_by_itself_and_loses_nothing(start, cluster, meeting, fault):
    endpoint = start(
        max_blocks=1, max_workers_per_node=1, drain_period=30, max_retries_on_system_failure=0
    )
    task = endpoint.submit(stay, str(meeting))
    held_on(meeting)
    (job,) = cluster.jobs()
    # A job that was slow to start drained before it had the task: its log is there too.
    until(lambda: all("Requesting drain" in log for log in endpoint.logs("manager.log")))
    after = endpoint.submit(where)  # no worker is free before the request is read
    (meeting / "go").touch()
    assert task.result(PATIENCE) == "first"
    fault.strikes()
    assert after.result(PATIENCE)[1] != job["id"]
    fault.is_over("job drained before its walltime, the only one", "both answers")
    assert "JobState=COMPLETED" in cluster.control("show", "job", job["id"])
