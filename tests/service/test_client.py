"""The client over the real Executor, broker and agent: the same values, and what it survives."""

import subprocess
import sys
import uuid

import numpy as np
import pytest
from globus_compute_common.messagepack import pack
from globus_compute_common.messagepack.message_types import Result
from globus_compute_sdk import Executor
from globus_compute_sdk.serialize import ComputeSerializer, DillDataBase64
from waiting import PATIENCE, until

from matminer_compute.client import (
    CompositionClient,
    EndpointUnavailable,
    EnvironmentMismatch,
    Features,
    ServiceEndpoint,
)
from matminer_compute.endpoint import EmbeddedEndpoint

from .queues import RESULTS

FORMULAS = ["NaCl", "Fe2O3", "not a formula", "CuSO4·5H2O", None, "NaCl", "Xx2O3", "Li0.5CoO2"]


@pytest.fixture(scope="module")
def silent_endpoint(running_service):
    """An endpoint that registered and was never heard of again: it answers nothing."""
    asked = {"endpoint_name": "silent", "multi_user": False}
    return running_service.register_endpoint(asked, None)["endpoint_id"]


@pytest.fixture(scope="module")
def embedded(registry):
    """What the embedded endpoint says, from the same registry."""
    with (
        EmbeddedEndpoint(workers=1, registry=registry.uri) as here,
        CompositionClient(endpoint=here) as client,
    ):
        yield client


@pytest.fixture
def client(bundle, endpoint, service):
    with CompositionClient(bundle, endpoint.endpoint_id) as client:
        yield client


@pytest.mark.parametrize("chain", ["endpoint", "client"])
def test_the_bits_are_those_of_the_embedded_endpoint(bundle, endpoint, embedded, chain):
    with CompositionClient(bundle, endpoint.endpoint_id, chain=chain) as client:
        there, here = client.predict(FORMULAS), embedded.predict(FORMULAS)
    np.testing.assert_array_equal(there.values, here.values)
    np.testing.assert_array_equal(there.std, here.std)
    np.testing.assert_array_equal(there.lower, here.lower)
    np.testing.assert_array_equal(there.upper, here.upper)
    assert there.lower[0] < there.values[0] < there.upper[0]
    assert there.interval == here.interval
    assert there.outside == here.outside
    assert there.in_training == here.in_training
    assert there.rejected == here.rejected
    assert there.model == here.model
    assert there.workers[0]["pid"] != here.workers[0]["pid"]
    assert uuid.UUID(there.workers[0]["task"])


def test_features_come_back_whole(client, embedded):
    there, here = client.featurize(FORMULAS), embedded.featurize(FORMULAS)
    assert isinstance(there, Features)
    np.testing.assert_array_equal(there.matrix, here.matrix)
    assert there.labels == here.labels


def test_many_rows_are_cut_and_put_back_in_order(client, embedded):
    formulas = [f"Na{1 + i % 500}Cl{1 + i // 500}" for i in range(25_000)]
    there, here = client.predict(formulas), embedded.predict(formulas)
    np.testing.assert_array_equal(there.values, here.values)
    assert len(there.workers) == 3


def test_no_request_is_over_the_limit_however_heavy_its_tasks(client, service):
    """A quote weighs four bytes once it is JSON in JSON; the SDK measures nothing."""
    before = len(service.requests)
    formulas = ['"' * 1000 + str(i) for i in range(10_000)]
    answer = client.predict(formulas)
    assert len(answer.rejected) == len(formulas)
    sent = [r.bytes for r in service.requests[before:] if r.path.endswith("/submit")]
    assert sum(sent) > 35_000_000
    assert max(sent) <= 10_000_000


def test_a_result_over_the_limit_is_asked_for_in_halves(client, service, monkeypatch):
    monkeypatch.setattr("matminer_compute.client.served._FEATURIZE_ROWS", 40_000)
    formulas, before = (
        [f"Na{1 + i % 500}Cl{1 + i // 500}" for i in range(40_000)],
        set(service.tasks),
    )
    features = client.featurize(formulas, timeout=PATIENCE)
    assert np.isfinite(features.matrix).all()
    ended = [service.tasks[task] for task in set(service.tasks) - before]
    assert any("MaxResultSizeExceeded" in task.data for task in ended if task.status == "failed")


def test_light_tasks_share_a_request(client, service):
    before = len(service.requests)
    futures = [client.submit(["NaCl"]) for _ in range(200)]
    values = {float(future.result().values[0]) for future in futures}
    assert len(values) == 1
    sent = [r for r in service.requests[before:] if r.path.endswith("/submit")]
    assert len(sent) < 20


def test_an_executor_stopped_by_a_refusal_is_replaced(client, service):
    """globus_sdk itself asks six times; only then does the Executor stop for good."""
    value = client.predict(["NaCl"]).values[0]
    service.refuse(500, times=7)
    assert client.predict(["NaCl"]).values[0] == value
    assert client.predict(["NaCl"]).values[0] == value


def test_a_rate_limit_is_waited_out(client, service):
    value = client.predict(["NaCl"]).values[0]
    service.refuse(429, times=8)
    assert client.predict(["NaCl"]).values[0] == value


def test_an_executor_of_the_callers_will_do_until_it_stops(bundle, endpoint, service):
    executor = Executor(endpoint.endpoint_id)
    with CompositionClient(bundle, executor) as client:
        assert np.isfinite(client.predict(["NaCl"], timeout=PATIENCE).values[0])
        executor.shutdown(wait=False)
        with pytest.raises(EndpointUnavailable, match="takes no more tasks"):
            client.predict(["NaCl"])


def test_what_a_caller_chooses_is_another_process_of_the_endpoint(
    bundle, silent_endpoint, running_service, service
):
    def process(chosen):
        tasks, before = ServiceEndpoint(silent_endpoint, chosen=chosen), set(running_service.tasks)
        with CompositionClient(bundle, tasks) as client:
            client.submit(["NaCl"])
            (sent,) = until(lambda: set(running_service.tasks) - before)
        tasks.close()
        return running_service.tasks[sent].endpoint

    assert process({"account": "a"}) == process({"account": "a"}) != process({"account": "b"})
    assert process(None) == process({})


def test_an_endpoint_that_does_not_exist_is_said_to_be_unusable(bundle):
    with (
        CompositionClient(bundle, uuid.uuid4()) as client,
        pytest.raises(EndpointUnavailable, match="check that it is running"),
    ):
        client.predict(["NaCl"])


CLOSES = """
import sys
from matminer_compute.client import CompositionClient, DeadlineExceeded
client = CompositionClient(sys.argv[1], sys.argv[2])
try:
    client.predict(["NaCl"], timeout=5)
except DeadlineExceeded:
    client.close()
    print("closed")
"""


def test_a_closed_client_lets_its_process_end(bundle, silent_endpoint):
    """The SDK alone would keep it until the last task is answered, which here is never."""
    done = subprocess.run(
        [sys.executable, "-c", CLOSES, str(bundle), silent_endpoint],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["closed"]


def test_a_pickled_answer_is_not_unpickled(bundle, silent_endpoint, service, tmp_path):
    """An endpoint gone bad cannot run code in its caller."""
    trap, before = tmp_path / "was here", set(service.tasks)
    pickled = ComputeSerializer(strategy_data=DillDataBase64()).serialize(Trap(trap))
    with CompositionClient(bundle, silent_endpoint) as client:
        future = client.submit(["NaCl"])
        [task] = until(lambda: set(service.tasks) - before)
        service.queues.send(RESULTS, pack(Result(task_id=task, data=pickled)))
        with pytest.raises(EnvironmentMismatch, match="other than JSON"):
            future.result(PATIENCE)
    assert not trap.exists()


class Trap:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))
