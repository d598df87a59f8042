"""The path is real, and what stands in for the service refuses what the service refuses."""

import os
import uuid

import pika
import pytest
from globus_compute_sdk import Client, Executor
from globus_compute_sdk.errors import TaskExecutionFailed
from globus_compute_sdk.serialize import ComputeSerializer, JSONData, PureSourceTextInspect
from globus_sdk import GlobusAPIError
from waiting import PATIENCE, until

from .agent import Agent


def where(*values):
    import os

    return {"values": list(values), "pid": os.getpid()}


def heavy(size):
    return "x" * size


@pytest.fixture
def client(service):
    return Client(
        code_serialization_strategy=PureSourceTextInspect(), data_serialization_strategy=JSONData()
    )


@pytest.fixture
def executor(client, endpoint):
    with Executor(
        endpoint.endpoint_id,
        client=client,
        serializer=ComputeSerializer(PureSourceTextInspect(), JSONData()),
        result_serializers=[JSONData()],
    ) as executor:
        # The SDK keeps a process's last group, and this test wants one of its own.
        executor.task_group_id = None
        yield executor


def refused(future):
    with pytest.raises(GlobusAPIError) as caught:
        future.result(PATIENCE)
    return caught.value.http_status, caught.value.raw_json["reason"]


def test_a_task_runs_in_a_worker_of_the_agent(executor, endpoint):
    answer = executor.submit(where, 1, "two").result(PATIENCE)
    assert answer["values"] == [1, "two"]
    assert answer["pid"] in {process.pid for process in endpoint.processes()}
    assert answer["pid"] != os.getpid()


def test_the_result_came_through_rabbitmq(executor, service, broker):
    """A listener of its own at the exchange sees the very bytes that the SDK gets."""
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        seen = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(seen, "compute", "results")
        future = executor.submit(where)
        answer = future.result(PATIENCE)
        body = until(lambda: channel.basic_get(seen, auto_ack=True)[2])
    assert future.task_id.encode() in body
    assert str(answer["pid"]).encode() in body
    assert service.tasks[future.task_id].status == "success"


def test_tasks_are_found_again_by_their_group(executor, client, endpoint):
    sent = [executor.submit(where, number) for number in range(3)]
    values = [future.result(PATIENCE)["values"] for future in sent]
    with Executor(
        endpoint.endpoint_id, client=client, task_group_id=executor.task_group_id
    ) as again:
        found = {
            future.task_id: future.result(PATIENCE)["values"] for future in again.reload_tasks()
        }
    assert found == dict(zip([future.task_id for future in sent], values, strict=True))


def test_a_result_can_be_asked_for(client, service, endpoint):
    """Without a queue for results, as ``Client.run`` works."""
    function = client.register_function(where)
    task = client.run(5, endpoint_id=endpoint.endpoint_id, function_id=function)
    until(lambda: service.tasks[task].completed)
    assert client.get_result(task)["values"] == [5]
    assert client.get_batch_result([task])[task]["status"] == "success"
    assert client.get_endpoint_status(endpoint.endpoint_id)["status"] == "online"


def test_a_result_over_the_limit_is_lost(executor):
    future = executor.submit(heavy, 11 * 1024 * 1024)
    with pytest.raises(TaskExecutionFailed, match="MaxResultSizeExceeded"):
        future.result(PATIENCE)


def test_a_request_over_the_limit(executor, service):
    status, reason = refused(executor.submit(where, "x" * 10_000_000))
    assert status == 413
    assert "TASK_PAYLOAD_TOO_LARGE" in reason
    assert [r.status for r in service.requests if r.bytes > 10_000_000] == [413]


def test_requests_over_the_rate(client, service):
    """globus_sdk asks again by itself, and so does not notice until that is over."""
    service.rate_limit = (3, 5.0)
    for _ in range(4):
        client.version_check()
    statuses = [request.status for request in service.requests]
    assert 429 in statuses
    assert statuses.count(200) >= 4
    service.rate_limit = (0, 5.0)
    client._compute_web_client.v2.retry_config.max_retries = 1
    with pytest.raises(GlobusAPIError) as caught:
        client.version_check()
    assert caught.value.http_status == 429


def test_a_task_group_cannot_be_made_up(executor):
    executor.task_group_id = uuid.uuid4()
    try:
        status, reason = refused(executor.submit(where))
    finally:
        executor.task_group_id = None
    assert status == 404
    assert "Task group" in reason


def test_what_is_not_known(client, endpoint, executor):
    nobody, function = str(uuid.uuid4()), client.register_function(where)
    assert refused(executor.submit_to_registered_function(nobody)) == (
        404,
        f"Function {nobody} could not be resolved",
    )
    for ask in (
        lambda: client.run(endpoint_id=nobody, function_id=function),
        lambda: client.get_endpoint_status(nobody),
        lambda: client.get_task(nobody),
    ):
        with pytest.raises(GlobusAPIError) as caught:
            ask()
        assert caught.value.http_status == 404


def test_tokens_are_asked_for(service, client):
    before = len(service.requests)
    response = client._compute_web_client.v2.transport.session.get(
        f"{client.web_service_address}/v2/version"
    )
    assert response.status_code == 401
    assert service.requests[before].status == 401


def test_an_endpoint_that_cannot_start_says_so(service, client, tmp_path):
    agent = Agent(tmp_path / "agent", service, template="engine:\n  type: NoSuchEngine\n")
    agent.start()
    try:
        task = client.run(
            endpoint_id=agent.endpoint_id, function_id=client.register_function(where)
        )
        until(lambda: service.tasks[task].completed)
        assert "NoSuchEngine" in service.tasks[task].data
    finally:
        agent.kill()


def test_what_was_accepted_survives_a_crash_of_the_broker(executor, broker):
    futures = [executor.submit(where, number) for number in range(20)]
    until(lambda: all(future.task_id for future in futures))
    broker.kill()
    broker.start()
    assert [f.result(PATIENCE)["values"] for f in futures] == [[n] for n in range(20)]
