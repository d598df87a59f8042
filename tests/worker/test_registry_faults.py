"""The registry is killed, hangs, answers 500, is slow, or has not got what was asked for."""

import signal
import time
import traceback

import pytest
from waiting import until

from matminer_compute.client import (
    EnvironmentMismatch,
    ModelNotLoadable,
    NoProductionVersion,
    RegistryError,
    RegistryUnreachable,
)
from matminer_compute.functions import inspect_worker, predict_composition

from .registry import FORMULAS
from .test_promotion import check

#: Seconds in which a cold worker gives up by contract, and what a busy machine may add.
COLD_LIMIT, BUSY = 15, 15
PASSWORD = "s3cret-word"


def fails_cold(client, address):
    """A cold worker gives up in time, names the address, and keeps the password to itself."""
    started = time.monotonic()
    with pytest.raises(RegistryUnreachable) as caught:
        client.predict(FORMULAS)
    assert time.monotonic() - started < COLD_LIMIT + BUSY
    assert address in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in caught.value.__cause__.remote_data  # the worker's whole traceback


def stays_stale(client, registry, times=5):
    """Once it has noticed, a warm worker says so in each answer, and answers as before."""
    until(lambda: client.predict(FORMULAS).stale)
    for _ in range(times):
        answer = client.predict(FORMULAS)
        assert answer.stale
        assert check(answer, registry) == "1"
        time.sleep(0.1)  # across more than one refresh interval


@pytest.mark.parametrize("mode", ["hang", "500"])
def test_a_registry_that_fails(mode, start, name, proxy, registry):
    address = proxy.with_password(PASSWORD)
    warm = start(name, registry=address)
    assert not warm.predict(FORMULAS).stale
    proxy.mode = mode
    stays_stale(warm, registry)
    cold = start(name, registry=address)
    fails_cold(cold, proxy.uri)
    proxy.mode = "pass"
    until(lambda: not warm.predict(FORMULAS).stale)
    assert check(cold.predict(FORMULAS), registry) == "1"


@pytest.mark.parametrize("before", ["", "p/", "p@", "p?", "p#", "p[", "p:", "p%2F", "p\\"])
def test_no_password_is_told_however_it_is_written(before, cache, name, monkeypatch):
    """Also where it makes an address that nothing can be asked of."""
    password = before + PASSWORD
    address = f"http://user:{password}@127.0.0.1:9/mlflow?key={PASSWORD}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(RuntimeError, match=r"\[registry-") as caught:
        predict_composition(FORMULAS, name=name)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
    report = inspect_worker()
    assert report["registry"]["error"]
    assert PASSWORD not in str(report)


def test_a_password_stays_on_the_worker(start, name):
    client = start(name, registry=f"http://user:{PASSWORD}@127.0.0.1:9/mlflow?key={PASSWORD}")
    fails_cold(client, "http://127.0.0.1:9/mlflow ")


def test_a_server_that_is_stopped_then_killed_then_started(start, name, server, registry):
    """Signals to the server itself: it hangs with its port open, is gone, and comes back."""
    warm, cold = start(name, registry=server.uri), start(name, registry=server.uri)
    assert not warm.predict(FORMULAS).stale
    server.signal(signal.SIGSTOP)
    try:
        stays_stale(warm, registry, times=2)
        fails_cold(cold, server.uri)
        server.signal(signal.SIGKILL)
        fails_cold(cold, server.uri)
        stays_stale(warm, registry)
    finally:
        server.kill()
        server.start()
    until(lambda: not warm.predict(FORMULAS).stale)
    assert check(cold.predict(FORMULAS), registry) == "1"


def test_a_slow_registry_is_waited_for(start, name, proxy, registry, promoter):
    proxy.mode = "slow"
    client = start(name)
    assert check(client.predict(FORMULAS), registry) == "1"
    promoter.promote(name, "2")
    until(lambda: check(client.predict(FORMULAS), registry) == "2")
    assert not client.predict(FORMULAS).stale


def test_while_one_thread_waits_for_the_registry_the_others_go_on(
    start, name, proxy, registry, monkeypatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")  # MLflow asks no second time
    client = start(name, "threads", workers=8)
    client.predict(FORMULAS)
    proxy.mode = "hang"
    time.sleep(0.2)  # past the refresh interval
    asked = len(proxy.requests)
    futures = [client.submit(FORMULAS) for _ in range(8)]
    answers = [future.result() for future in futures]
    assert [check(answer, registry) for answer in answers] == ["1"] * 8
    assert len(proxy.requests) == asked + 1, proxy.requests[asked:]  # and it hangs still
    assert sum(answer.workers[0]["seconds"]["load"] > 1.9 for answer in answers) == 1


@pytest.mark.parametrize("engine", ["processes", "threads"])
def test_a_download_that_stalls_ends_in_time_for_all_who_wait(engine, start, name, proxy, registry):
    proxy.stall = True
    client = start(name, engine, workers=8)
    started = time.monotonic()
    for future in [client.submit(FORMULAS) for _ in range(8)]:
        with pytest.raises(RegistryUnreachable, match=r"downloaded|Another worker"):
            future.result()
    assert time.monotonic() - started < COLD_LIMIT + BUSY
    proxy.stall = False
    assert check(client.predict(FORMULAS), registry) == "1"


def test_a_version_that_cannot_be_fetched_leaves_the_pair_before_in_use(
    start, name, proxy, registry, promoter, monkeypatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")  # an operator's setting wins
    client = start(name)
    client.predict(FORMULAS)
    proxy.stall = True
    promoter.promote(name, "2")
    until(lambda: client.predict(FORMULAS).stale)
    assert check(client.predict(FORMULAS), registry) == "1"
    proxy.stall = False
    until(lambda: check(client.predict(FORMULAS), registry) == "2")
    assert not client.predict(FORMULAS).stale


def test_no_registry_is_named_at_all(start, name, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    client = start(name)
    client.endpoint.registry = ""
    with pytest.raises(RegistryError, match="MLFLOW_TRACKING_URI is not set"):
        client.predict(FORMULAS)


def test_what_the_registry_has_not_got_each_has_its_own_code(start, name, registry):
    gone = registry.as_name(f"{name} gone")
    registry.client.delete_model_version(gone, "2")
    lone = registry.as_name(f"{name} lone", "1")
    registry.client.delete_model_version(f"{lone} Featurizer", "1")
    client = start(name)
    for model, version, kind, code, sentence in [
        (name, "9", NoProductionVersion, "unknown-version", r"never given\); it has 1, 2, 3"),
        (gone, "2", NoProductionVersion, "version-deleted", "no version 2 any more; it has 1, 3"),
        (gone, "Production", NoProductionVersion, "no-production-version", "promote one"),
        ("Nothing", "Production", NoProductionVersion, "no-such-model", "no 'Nothing'; it has"),
        ("It's none", "1", NoProductionVersion, "no-such-model", "no 'It's none'"),
        (lone, "1", ModelNotLoadable, "featurizer-missing", "needs version 1 of"),
    ]:
        client.model, client.version = model, version
        with pytest.raises(kind, match=sentence) as caught:
            client.predict(FORMULAS)
        assert f"RuntimeError: [{code}] " in caught.value.__cause__.remote_data


def test_an_alias_that_is_taken_away_is_noticed_and_given_back_is_too(start, name, registry):
    client = start(name)
    client.predict(FORMULAS)
    registry.client.delete_registered_model_alias(name, "Production")

    def refused():
        try:
            client.predict(FORMULAS)
        except NoProductionVersion as refusal:
            return str(refusal)
        return None

    assert f"No version of '{name}' is marked 'Production'" in until(refused)
    registry.client.set_registered_model_alias(name, "Production", "3")
    assert check(client.predict(FORMULAS), registry) == "3"


@pytest.mark.filterwarnings("ignore:.*stages will be removed:FutureWarning")
def test_an_older_registry_has_stages_only(start, name, registry):
    registry.client.transition_model_version_stage(name, "2", "Staging")
    assert check(start(name, version="Staging").predict(FORMULAS), registry) == "2"


def test_what_cannot_be_used_says_why(start, name, registry):
    def strange(folder):
        code = next(folder.glob("*.py"))
        code.write_text(code.read_text() + "\nimport no_such_package\n")

    def broken(folder):
        code = next(folder.glob("*.py"))
        code.write_text(code.read_text() + "\nraise ValueError('a broken artifact')\n")

    foreign = registry.as_name(f"{name} foreign", "1", digest="", schema="")
    version = registry.client.get_model_version(foreign, "1")
    for tag in ("digest", "schema"):
        registry.client.delete_model_version_tag(foreign, version.version, tag)
    client = start(name, version="1")
    for model, kind, sentence in [
        (foreign, ModelNotLoadable, "not published by matminer-compute"),
        (registry.altered(f"{name} a", broken, tell=False), ModelNotLoadable, "not what was publ"),
        (registry.altered(f"{name} b", broken, tell=True), ModelNotLoadable, "a broken artifact"),
        (registry.altered(f"{name} c", strange, tell=True), EnvironmentMismatch, "no_such_package"),
    ]:
        client.model = model
        with pytest.raises(kind, match=sentence):
            client.predict(FORMULAS)


def test_libraries_that_differ_from_the_models_are_a_warning_in_each_answer(start, name, registry):
    import json

    import sklearn

    client = start(name)
    assert client.predict(FORMULAS).warnings == []
    same = ".".join(sklearn.__version__.split(".")[:2])
    for trained_with, warned in [(f"{same}.99", False), ("0.24.2", True)]:
        tag = json.dumps({"scikit-learn": trained_with, "no-such-package": "1.0.0"})
        client.model = registry.as_name(f"{name} {trained_with}", "1", requirements=tag)
        client.version = "1"
        for _ in range(2):
            warnings = " ".join(client.predict(FORMULAS).warnings)
            assert f"no-such-package is missing on this worker; '{client.model}'" in warnings
            assert ("trained with 0.24.2" in warnings) == warned
            assert (f"scikit-learn is {sklearn.__version__}" in warnings) == warned
