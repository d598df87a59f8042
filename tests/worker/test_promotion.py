"""Warm workers, live promotion, one consistent pair of versions."""

import os
import platform
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from waiting import PATIENCE, until

from matminer_compute.functions import predict_composition, travelling

from .conftest import run
from .registry import FORMULAS


def loaded():
    """What this worker holds, by name and number, and how many models are alive in it at all."""
    import gc
    import sys

    gc.collect()
    kinds = [type(thing).__name__ for thing in gc.get_objects()]
    worker = next(
        module
        for name, module in sys.modules.items()
        if name.startswith("matminer_compute_") and name.endswith(".functions.worker.models")
    )
    return {
        "versions": [[name, number] for _, name, number in worker.held],
        "alive": kinds.count("Regressor"),
    }


def begin_anew():
    """Count nothing that this worker has from the process it was forked from."""
    import gc

    gc.freeze()


def together(folder, count, formulas, name):
    """predict_composition, on ``count`` workers at the same time."""
    import os
    import pathlib
    import time

    pathlib.Path(folder, str(os.getpid())).touch()
    while len(list(pathlib.Path(folder).iterdir())) < count:
        time.sleep(0.01)
    return predict_composition(formulas, name=name)


def of_every_worker(endpoint, count, name, here):
    """What each of the endpoint's ``count`` workers answers; ``here`` is theirs to meet in."""
    here.mkdir()
    function_id = endpoint.register_function(travelling(together))
    arguments = (str(here), count, FORMULAS, name)
    futures = [endpoint.submit_to_registered_function(function_id, arguments) for _ in range(count)]
    return [future.result(PATIENCE) for future in futures]


def check(predictions, registry):
    """The answer is, to the last bit, that of the pair it names."""
    pair = registry.pairs[predictions.model["version"]]
    assert predictions.featurizer["version"] == pair.featurizer_version
    assert predictions.featurizer["schema"] == predictions.model["schema"]
    assert predictions.values.tolist() == pair.values
    return pair.version


def test_a_warm_call_asks_nothing_of_the_registry(start, name, proxy, registry, monkeypatch):
    monkeypatch.setenv("MATMINER_COMPUTE_REFRESH_S", "3600")
    client = start(name)
    first = client.predict(FORMULAS)
    check(first, registry)
    assert first.workers[0]["cold"]
    asked = len(proxy.requests)
    for _ in range(5):
        again = client.predict(FORMULAS)
        check(again, registry)
        assert not again.workers[0]["cold"]
        assert again.workers[0]["pid"] == first.workers[0]["pid"]
    assert len(proxy.requests) == asked


def test_every_answer_says_what_gave_it_and_where(start, name, registry):
    answer = start(name).predict(FORMULAS)
    for said, of in [(answer.model, name), (answer.featurizer, f"{name} Featurizer")]:
        version = registry.client.get_model_version(of, "1")
        assert said == {
            "name": of,
            "version": "1",
            "run_id": version.run_id,
            "schema": version.tags["schema"],
        }
    [worker] = answer.workers
    assert set(worker) == {"host", "python", "pid", "task", "cold", "seconds"}
    assert (worker["host"], worker["python"]) == (platform.node(), platform.python_version())
    assert worker["pid"] != os.getpid()
    assert uuid.UUID(worker["task"])
    assert set(worker["seconds"]) == {"load", "featurize", "predict"}
    assert all(seconds > 0 for seconds in worker["seconds"].values())


def test_of_many_threads_one_loads_and_the_others_wait(start, name, proxy, registry):
    client = start(name, "threads", workers=8)
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(client.predict, [FORMULAS] * 8))
    assert [check(answer, registry) for answer in answers] == ["1"] * 8
    assert [answer.workers[0]["cold"] for answer in answers].count(True) == 1
    assert set(proxy.downloads().values()) == {1}


def test_eight_cold_processes_download_once(start, name, proxy, registry, tmp_path):
    answers = of_every_worker(start(name, workers=8).endpoint, 8, name, tmp_path / "here")
    assert len({answer["worker"]["pid"] for answer in answers}) == 8
    assert all(answer["worker"]["cold"] for answer in answers)
    assert [answer["values"] for answer in answers] == [registry.pairs["1"].values] * 8
    assert set(proxy.downloads().values()) == {1}


@pytest.mark.parametrize(
    ("engine", "versions"),
    [
        pytest.param("processes", "12", id="processes, another preset"),
        pytest.param("processes", "13", id="processes, other featurizer code"),
        pytest.param("threads", "123", id="threads, all three"),
    ],
)
def test_production_flips_twenty_times_under_a_steady_stream(
    engine, versions, start, name, registry, promoter
):
    client = start(name, engine, workers=2)
    flips = [versions[(i + 1) % len(versions)] for i in range(20)]
    latest: dict[int, str] = {}  # by caller: the version of its last answer
    answered: Counter[str] = Counter()
    stop = threading.Event()

    def call(caller):
        while not stop.is_set():
            latest[caller] = check(client.predict(FORMULAS), registry)
            answered[latest[caller]] += 1

    with ThreadPoolExecutor(4) as callers:
        calls = [callers.submit(call, caller) for caller in range(4)]
        try:
            until(lambda: len(latest) == 4)
            for version in flips:
                promoter.promote(name, version)
                # All callers, so all workers; a caller that fails would never get there.
                until(lambda: set(latest.values()) == {version} or any(c.done() for c in calls))  # noqa: B023
        finally:
            stop.set()
        for done in calls:
            done.result()
    assert set(answered) == set(versions)


def test_promotion_reaches_a_warm_worker_within_the_refresh_interval(
    start, name, registry, promoter
):
    client = start(name)
    assert check(client.predict(FORMULAS), registry) == "1"
    for version in ("2", "3", "1"):
        promoter.promote(name, version)
        time.sleep(0.2)  # the refresh interval: the very next call must have it
        assert check(client.predict(FORMULAS), registry) == version


def test_a_caller_who_chains_the_two_steps_gets_one_pair_too(start, name, registry, promoter):
    client = start(name, chain="client")
    for version in ("2", "3", "1"):
        promoter.promote(name, version)
        until(lambda: check(client.predict(FORMULAS), registry) == version)  # noqa: B023


def test_a_worker_keeps_two_versions_and_gives_the_memory_of_others_back(
    start, name, registry, promoter
):
    client = start(name)
    run(client.endpoint, begin_anew)
    for version in ("1", "2", "3", "1", "2"):
        promoter.promote(name, version)
        until(lambda: check(client.predict(FORMULAS), registry) == version)  # noqa: B023
    state = run(client.endpoint, loaded)
    assert sorted(state["versions"]) == sorted(
        [model, number] for model in (name, f"{name} Featurizer") for number in "12"
    )
    assert state["alive"] == 2


def test_a_number_sticks_whatever_is_production(start, name, registry, promoter):
    client = start(name, version=3)
    for production in ("2", "1"):
        promoter.promote(name, production)
        assert check(client.predict(FORMULAS), registry) == "3"


def test_on_parsl_too_a_promotion_reaches_warm_workers_and_faults_do_not(
    start, name, registry, promoter, proxy, tmp_path
):
    client = start(name, "parsl", workers=2)

    def served(here):
        answers = of_every_worker(client.endpoint, 2, name, tmp_path / here)
        return {answer["model"]["version"] for answer in answers}

    # Both, for one that has yet to load a version could not answer while the registry fails.
    assert served("before") == {"1"}
    promoter.promote(name, "2")
    time.sleep(0.2)  # the refresh interval
    assert served("after") == {"2"}
    proxy.mode = "500"
    until(lambda: client.predict(FORMULAS).stale)
    assert check(client.predict(FORMULAS), registry) == "2"
    proxy.mode = "pass"
    until(lambda: not client.predict(FORMULAS).stale)
