"""Our template on a real Slurm of two nodes: from no job to both nodes, and back."""

import json
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner
from waiting import PATIENCE, until
from worker.test_node_cache import whole

from matminer_compute.cli import main

from .conftest import FORMULAS
from .functions import where

pytestmark = pytest.mark.slow


def test_jobs_come_with_tasks_on_both_nodes_and_go_when_idle(start, cluster, tmp_path):
    endpoint = start(max_idletime=5)
    assert cluster.jobs() == []
    seen = endpoint.all_workers(tmp_path / "meeting")
    assert Counter(each["SLURMD_NODENAME"] for each in seen) == {"node1": 2, "node2": 2}
    assert cluster.running_on() == {"node1", "node2"}
    until(lambda: cluster.jobs() == [])
    node, job = endpoint.submit(where).result(PATIENCE)
    assert {"id": job, "state": "RUNNING", "node": node} in cluster.jobs()


def test_the_doctors_canary_has_a_job_of_its_own_which_ends_with_it(start, cluster, tmp_path):
    endpoint = start()
    _, job = endpoint.submit(where).result(PATIENCE)
    endpoint.bundle.save(tmp_path / "bundle.json")
    asked = ["--endpoint", endpoint.agent.endpoint_id, "--bundle", str(tmp_path / "bundle.json")]
    done = CliRunner().invoke(main, ["endpoint", "doctor", *asked, "--json"])
    checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["loading"]["verdict"] == "ok", done.output
    assert len(list(endpoint.agent.folder.rglob("submit_scripts/*.stderr"))) == 2
    until(lambda: [left["id"] for left in cluster.jobs()] == [job])


def test_workers_see_what_worker_init_says(start, proxy, tmp_path):
    for seen in start().all_workers(tmp_path / "meeting"):
        assert seen["MLFLOW_TRACKING_URI"] == proxy.uri
        assert seen["MLFLOW_DISABLE_TELEMETRY"] == "true"
        assert seen["MATMINER_COMPUTE_THREADS"] == seen["OMP_NUM_THREADS"] == "1"
        assert seen["MATMINER_COMPUTE_CACHE"] == f"{tmp_path}/cache-{seen['SLURMD_NODENAME']}"


def test_answers_are_the_embedded_endpoints_and_a_node_downloads_once(
    start, proxy, expected, tmp_path
):
    endpoint = start()
    endpoint.all_workers(tmp_path / "meeting")
    with endpoint.client() as client:
        futures = [client.submit(FORMULAS) for _ in range(4)]
        answers = [future.result(PATIENCE) for future in futures]
    for answer in answers:
        np.testing.assert_array_equal(answer.values, expected.values)
        np.testing.assert_array_equal(answer.std, expected.std)
        assert answer.rejected == expected.rejected
        assert answer.model == expected.model
    workers = [answer.workers[0] for answer in answers]
    assert len({worker["pid"] for worker in workers}) == 4
    assert all(worker["cold"] for worker in workers)
    assert set(proxy.downloads().values()) == {2}  # once a node, for its two workers
    assert whole(tmp_path / "cache-node1")
    assert whole(tmp_path / "cache-node2")
