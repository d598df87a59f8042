"""The embedded endpoint: the real engines, with the service's limits and none of its network."""

import os
import time
from pathlib import Path

import psutil
import pytest
from globus_compute_sdk.errors import SerializationError, TaskExecutionFailed
from globus_compute_sdk.serialize import CombinedCode, ComputeSerializer, DillCode

from matminer_compute.endpoint import EmbeddedEndpoint
from matminer_compute.errors import (
    EndpointUnavailable,
    FunctionNotAllowed,
    PayloadTooLarge,
    WorkerLost,
)

ENGINES = ("processes", "threads", "parsl")
PATIENCE = 120  # a bound on a hang, not an expectation


def echo(*args, **kwargs):
    return [list(args), kwargs]


def environment(name):
    import os

    return os.environ.get(name)


def process_id():
    import os

    return os.getpid()


def die():
    import os
    import signal

    os.kill(os.getpid(), signal.SIGKILL)


def announce_and_wait(path):
    import pathlib
    import time

    pathlib.Path(path).touch()
    time.sleep(600)


def many_bytes(n):
    return "x" * n


def not_json():
    return {1, 2}


def raises():
    raise LookupError("[some-code] a sentence")


@pytest.fixture(params=ENGINES)
def endpoint(request):
    with EmbeddedEndpoint(request.param, workers=2, registry="sqlite:////nowhere.db") as endpoint:
        yield endpoint


@pytest.fixture
def pool():
    with EmbeddedEndpoint("processes", workers=2, registry="sqlite:////nowhere.db") as endpoint:
        yield endpoint


def call(endpoint, function, *args, **kwargs):
    function_id = endpoint.register_function(function)
    return endpoint.submit_to_registered_function(function_id, args, kwargs).result(PATIENCE)


def until(condition):
    for _ in range(PATIENCE * 20):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("the condition did not come true")


def test_each_engine_runs_a_function_and_hands_the_registry_to_its_workers(endpoint):
    assert call(endpoint, echo, 1, "ü", key=[None]) == [[1, "ü"], {"key": [None]}]
    assert call(endpoint, environment, "MLFLOW_TRACKING_URI") == "sqlite:////nowhere.db"
    assert call(endpoint, environment, "MLFLOW_DISABLE_TELEMETRY") == "true"
    with pytest.raises(TaskExecutionFailed, match=r"LookupError: \[some-code\] a sentence"):
        call(endpoint, raises)


def test_the_service_limits_hold(pool):
    with pytest.raises(PayloadTooLarge, match="bytes"):
        call(pool, echo, "x" * 10_000_001)
    with pytest.raises(TaskExecutionFailed, match="MaxResultSizeExceeded"):
        call(pool, many_bytes, 11 * 1024 * 1024)
    assert len(call(pool, many_bytes, 9_000_000)) == 9_000_000


def test_only_json_crosses(pool):
    with pytest.raises(SerializationError, match="JSONData"):
        call(pool, echo, {1, 2})
    with pytest.raises(TaskExecutionFailed, match=r"JSON|serial"):
        call(pool, not_json)


@pytest.mark.parametrize("strategy", [DillCode, CombinedCode])
def test_a_pickled_function_is_refused_unread(pool, strategy):
    function_id = pool.register_function(echo)
    pool._functions[function_id] = ComputeSerializer(strategy_code=strategy()).serialize(echo)
    with pytest.raises(TaskExecutionFailed, match=r"disabled|allowed"):
        pool.submit_to_registered_function(function_id).result(PATIENCE)


def test_only_what_is_registered_and_allowed_runs():
    with EmbeddedEndpoint("threads", workers=1) as first:
        allowed = first.register_function(echo)
        with pytest.raises(FunctionNotAllowed, match="not registered"):
            first.submit_to_registered_function("0" * 32)
    with EmbeddedEndpoint("threads", workers=1, allowed_functions=[allowed]) as second:
        assert second.register_function(echo) == allowed  # the same source, the same id
        other = second.register_function(raises)
        assert second.submit_to_registered_function(allowed).result(PATIENCE) == [[], {}]
        with pytest.raises(FunctionNotAllowed, match="allowed_functions"):
            second.submit_to_registered_function(other)


@pytest.mark.parametrize("engine", ["processes", "parsl"])
def test_a_killed_worker_is_reported_and_the_next_call_works(engine):
    with EmbeddedEndpoint(engine, workers=1) as endpoint:
        assert call(endpoint, echo) == [[], {}]
        with pytest.raises(WorkerLost, match="safe to ask again"):
            call(endpoint, die)
        assert call(endpoint, echo) == [[], {}]


def test_closing_ends_the_processes_and_fails_what_is_open(tmp_path):
    endpoint = EmbeddedEndpoint("processes", workers=2)
    worker = call(endpoint, process_id)
    function_id = endpoint.register_function(announce_and_wait)
    future = endpoint.submit_to_registered_function(function_id, (str(tmp_path / "here"),))
    until((tmp_path / "here").exists)
    endpoint.close()
    with pytest.raises(EndpointUnavailable, match="closed"):
        future.result(PATIENCE)
    until(lambda: not psutil.pid_exists(worker))
    with pytest.raises(EndpointUnavailable):
        endpoint.submit_to_registered_function(function_id, ("x",))
    endpoint.close()  # once more does no harm


def test_a_thread_engine_leaves_the_process_as_it_found_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////mine.db")
    with EmbeddedEndpoint("threads", registry="sqlite:////other.db") as endpoint:
        assert call(endpoint, environment, "MLFLOW_TRACKING_URI") == "sqlite:////other.db"
        assert Path.cwd() == tmp_path
    assert os.environ["MLFLOW_TRACKING_URI"] == "sqlite:////mine.db"


def test_an_unknown_engine_is_refused():
    with (
        EmbeddedEndpoint("gpu") as endpoint,
        pytest.raises(ValueError, match="processes, threads, parsl"),
    ):
        call(endpoint, echo)


def test_the_embedded_registry_moves_with_the_users_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with EmbeddedEndpoint() as endpoint:
        assert endpoint.registry == f"sqlite:///{tmp_path}/matminer-compute/registry.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://registry:5000")
    with EmbeddedEndpoint() as endpoint:
        assert endpoint.registry == "http://registry:5000"
