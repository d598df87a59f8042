"""Faults made for real on the whole path: nothing accepted is lost, every call ends."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from waiting import PATIENCE, until

from matminer_compute.client import CompositionClient, DeadlineExceeded, EndpointUnavailable
from matminer_compute.functions import predict_composition, travelling
from matminer_compute.registration import Bundle
from matminer_compute.registration.service import service_registrar

from .agent import TEMPLATE, Agent

pytestmark = pytest.mark.slow

#: A killed worker is noticed within a heartbeat, as in the templates that we ship. One worker, so
#: that a test knows which one has its task.
ONE_WORKER = TEMPLATE.replace(
    "max_workers_per_node: 2",
    "max_workers_per_node: 1\n  heartbeat_period: 5\n  heartbeat_threshold: 30",
)
FORMULAS = [f"Na{1 + i % 500}Cl{1 + i // 500}" for i in range(25_000)]  # three tasks
TASK_TIMEOUT = 30


def held_prediction(
    formulas: list,
    *,
    name: str = "Matminer",
    version: str = "Production",
) -> dict:
    """Wait while the test holds the worker, then predict."""
    import os
    import pathlib
    import time

    hold = pathlib.Path(os.environ["TEST_HOLD"])
    while hold.exists():
        pathlib.Path(f"{hold}.{os.getpid()}").touch()
        time.sleep(0.05)
    return predict_composition(formulas, name=name, version=version)


class Hold:
    """Keeps a task on its worker, so that it is under way when the fault strikes."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.path.touch()
        return self

    def __exit__(self, *_):
        self.release()

    def release(self):
        self.path.unlink(missing_ok=True)
        for mark in self.path.parent.glob(f"{self.path.name}.*"):
            mark.unlink()

    def worker(self):
        """The process that has the task, once it does."""
        [mark] = until(lambda: list(self.path.parent.glob(f"{self.path.name}.*")))
        return int(mark.suffix[1:])


@pytest.fixture(scope="module")
def hold(tmp_path_factory):
    return Hold(tmp_path_factory.mktemp("hold") / "hold")


@pytest.fixture(scope="module")
def agent(running_service, registry, hold, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lone")
    agent = Agent(
        folder / "agent",
        running_service,
        template=ONE_WORKER,
        environment={
            "MLFLOW_TRACKING_URI": registry.uri,
            "MATMINER_COMPUTE_CACHE": str(folder / "cache"),
            "TEST_HOLD": str(hold.path),
        },
    )
    agent.start()
    yield agent
    agent.kill()


@pytest.fixture(scope="module")
def held_bundle(bundle, running_service, tmp_path_factory):
    """Our bundle, with the prediction that a test can hold."""
    running_service.reset()
    held = Bundle.load(bundle)
    known = held.functions["predict_composition"]
    function_id = service_registrar().register_function(travelling(held_prediction))
    held.functions[known.name] = known.model_copy(update={"id": function_id})
    path = tmp_path_factory.mktemp("held") / "bundle.json"
    held.save(path)
    return path


@pytest.fixture
def client(held_bundle, agent, service):
    with CompositionClient(held_bundle, agent.endpoint_id, task_timeout=TASK_TIMEOUT) as client:
        yield client


@pytest.fixture
def value(client):
    """What every answer must be; the worker is warm, and has survived the test before."""
    return client.predict(["NaCl"], timeout=PATIENCE).values[0]


def test_a_killed_worker(client, value, hold, fault):
    with hold:
        future = client.submit(["NaCl"], timeout=PATIENCE)
        worker = hold.worker()
        fault.strikes()
        os.kill(worker, signal.SIGKILL)
    assert future.result().values[0] == value
    fault.is_over("worker killed", "the answer; sent again by the client")


def test_a_killed_agent_that_comes_back(client, value, agent, hold, fault):
    with hold:
        future = client.submit(["NaCl"], timeout=PATIENCE)
        hold.worker()
        fault.strikes()
        agent.kill()
    agent.start()
    assert future.result().values[0] == value
    fault.is_over(
        "agent killed, started again",
        "the answer; the broker still had the task, or the client sent it again after "
        f"`task_timeout` ({TASK_TIMEOUT} s here)",
    )


def test_an_agent_that_does_not_come_back(client, value, agent, fault):
    agent.kill()
    try:
        fault.strikes()
        with pytest.raises(DeadlineExceeded, match=r"within 5 s .*predict_composition"):
            client.predict(["NaCl"], timeout=5)
        fault.is_over(
            "agent killed, not started again",
            "`DeadlineExceeded` at `timeout` (5 s here)",
            "the call",
        )
    finally:
        agent.start()
    assert client.predict(["NaCl"], timeout=PATIENCE).values[0] == value


def test_a_restarted_broker(client, value, broker, hold, fault):
    with hold:
        future = client.submit(["NaCl"], timeout=PATIENCE)
        hold.worker()
        fault.strikes()
        broker.kill()
        broker.start()
    assert future.result().values[0] == value
    fault.is_over("broker killed, started again", "the answer")


def test_a_service_that_is_down_for_twenty_seconds(client, value, service, fault):
    service.stop()
    back = threading.Timer(20, service.start)
    fault.strikes()
    back.start()
    try:
        assert client.predict(["NaCl"], timeout=PATIENCE).values[0] == value
    finally:
        back.join()
    fault.is_over("service down for 20 s", "the answer; asked until it was back")


def test_a_result_delivered_twice(client, value, service, fault):
    service.deliver_twice = True
    fault.strikes()
    assert client.predict(["NaCl"], timeout=PATIENCE).values[0] == value
    fault.is_over("result delivered twice", "the answer, once")
    futures = [client.submit(["NaCl"], timeout=PATIENCE) for _ in range(20)]
    assert {future.result().values[0] for future in futures} == {value}


def test_an_endpoint_whose_workers_cannot_start(bundle, running_service, service, fault, tmp_path):
    broken = TEMPLATE.replace("type: LocalProvider", "type: LocalProvider\n    worker_init: exit 1")
    agent = Agent(tmp_path / "agent", running_service, template=broken)
    agent.start()
    try:
        fault.strikes()
        with (
            CompositionClient(bundle, agent.endpoint_id) as client,
            pytest.raises(EndpointUnavailable, match="submit_scripts"),
        ):
            client.predict(["NaCl"], timeout=PATIENCE)
        fault.is_over("`worker_init` fails", "`EndpointUnavailable`, and where to look", "the call")
    finally:
        agent.kill()


ASKS = """
import json, os, signal, sys, threading, time
from pathlib import Path
from matminer_compute.client import CompositionClient
bundle, endpoint, chain, journal = sys.argv[1:]

def die_with_three_tasks_under_way():
    while not Path(journal).exists() or Path(journal).read_text().count("\\n") < 4:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=die_with_three_tasks_under_way).start()
with CompositionClient(bundle, endpoint, chain=chain) as client:
    client.predict(json.load(sys.stdin), journal=journal)
"""


@pytest.mark.parametrize(("chain", "rows"), [("endpoint", 25_000), ("client", 1_200)])
def test_a_killed_client_is_taken_up_where_it_was(
    held_bundle, client, agent, service, hold, fault, tmp_path, chain, rows
):
    formulas, journal = [*FORMULAS[:rows], None, "not a formula"], tmp_path / "journal"
    expected = client.predict(formulas, timeout=PATIENCE)
    before = len(service.tasks)
    with hold:
        command = [sys.executable, "-c", ASKS, str(held_bundle), agent.endpoint_id, chain]
        asked = subprocess.run([*command, str(journal)], input=json.dumps(formulas), text=True)
        assert asked.returncode == -signal.SIGKILL
    fault.strikes()
    answer = CompositionClient.reattach(journal, timeout=PATIENCE)
    fault.is_over(f"client killed, reattached (chain on the {chain})", "the whole answer")
    np.testing.assert_array_equal(answer.values, expected.values)
    np.testing.assert_array_equal(answer.std, expected.std)
    assert answer.rejected == expected.rejected
    assert not journal.exists()
    # One asks for the pair; a step is sent once for each of the three shards.
    steps = {"endpoint": 1, "client": 2}[chain]
    assert len(service.tasks) - before == 1 + 3 * steps


SCREENS = """
import os, signal, sys, threading, time
from pathlib import Path
from matminer_compute.client import CompositionClient
bundle, endpoint, source, output = sys.argv[1:]
ledger = Path(output + ".ledger")

def die_with_three_tasks_under_way():
    while not ledger.exists() or ledger.read_text().count("\\n") < 4:
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=die_with_three_tasks_under_way).start()
with CompositionClient(bundle, endpoint) as client:
    client.screen(source, output)
"""


def test_a_killed_screening_fetches_what_the_service_has(
    held_bundle, client, agent, service, hold, fault, tmp_path
):
    formulas = [*FORMULAS[:2_500], "not a formula"]
    source, output = tmp_path / "in.txt", tmp_path / "out.csv"
    source.write_text("\n".join(formulas))
    expected = client.predict(formulas, timeout=PATIENCE)
    before = len(service.tasks)
    with hold:
        command = [sys.executable, "-c", SCREENS, str(held_bundle), agent.endpoint_id]
        asked = subprocess.run([*command, str(source), str(output)])
        assert asked.returncode == -signal.SIGKILL
    fault.strikes()
    with CompositionClient(held_bundle, agent.endpoint_id) as again:
        again.predict(["NaCl"], timeout=PATIENCE)  # it has a task group of its own
        found = again.screen(source, output)
    fault.is_over("client killed, its screening begun again", "the whole output")
    with output.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["formula"] for row in rows] == formulas
    values = [float(row["formation_energy_per_atom (eV/atom)"] or "nan") for row in rows]
    np.testing.assert_array_equal(values, expected.values)
    assert found.kept == len(formulas)
    # The pair is asked for once, each of the three shards is sent once; and the one of our own.
    assert len(service.tasks) - before == 1 + 3 + 1
