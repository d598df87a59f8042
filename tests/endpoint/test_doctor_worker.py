"""What the doctor makes of a worker's own report: what is broken in it is the one complaint."""

import copy
import json

import pytest
from test_doctor import HERE, SECRET, complaints

from matminer_compute.endpoint.doctor import examine_worker
from matminer_compute.functions import inspect_worker


@pytest.fixture(scope="module")
def healthy(registry, tmp_path_factory):
    """A worker's own report, from a real registry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", registry.uri)
        patch.setenv("MATMINER_COMPUTE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return json.loads(json.dumps(inspect_worker()))


def judged(report, **agent):
    clock = report["node"]["clock"]
    return list(examine_worker(report, agent=agent, asked=clock, answered=clock))


def test_a_healthy_worker_has_no_complaint(healthy):
    agent = {package: healthy["packages"][package] for package in HERE}
    verdicts = judged(healthy, **agent)
    assert complaints(verdicts) == []
    checks = ["worker", "parsl", "globus-compute-endpoint", "registry", "model", "libraries"]
    assert [v.check for v in verdicts] == [
        *checks,
        "loading",
        "cache",
        "memory",
        "threads",
        "clock",
    ]


@pytest.mark.parametrize(
    ("changes", "verdict", "check", "sentence"),
    [
        ({"packages": {"parsl": "2024.1.1"}}, "fail", "parsl", "2024.1.1 on the worker"),
        (
            {"packages": {"globus-compute-endpoint": "3.1.0"}},
            "warn",
            "globus-compute-endpoint",
            "4.19.0 here",
        ),
        (
            {"warnings": ["numpy is 1.0 on this worker; 'Matminer' was trained with 2.4."]},
            "warn",
            "libraries",
            "numpy is 1.0",
        ),
        ({"warnings": ["The cache folder /c is full."]}, "warn", "loading", "is full"),
        ({"node": {"cache": {"error": "Permission denied"}}}, "warn", "cache", "Permission denied"),
        ({"node": {"cache": {"free": 1000}}}, "warn", "cache", "GB left"),
        (
            {"node": {"memory": {"held": 10**9, "free": 10**9}, "threads": {
                "PARSL_WORKER_COUNT": "3", "MATMINER_COMPUTE_THREADS": "1", "OMP_NUM_THREADS": "1",
            }, "cpus": 4}},
            "warn",
            "memory",
            "for 2 more",
        ),
        (
            {"node": {"threads": {"PARSL_WORKER_COUNT": "9"}, "cpus": 8}},
            "warn",
            "threads",
            "8 CPUs for 9",
        ),
        (
            {"node": {"threads": {"PARSL_WORKER_COUNT": "2", "OMP_NUM_THREADS": None}, "cpus": 8}},
            "warn",
            "threads",
            "as many threads as it likes",
        ),
    ],
)  # fmt: skip
def test_what_ails_a_worker_is_the_one_complaint(changes, verdict, check, sentence, healthy):
    report = copy.deepcopy(healthy)
    report["packages"] |= HERE
    merge(report, changes)
    (complaint,) = complaints(judged(report, **HERE))
    assert (complaint.verdict, complaint.check) == (verdict, check)
    assert sentence in complaint.found
    assert complaint.advice


def merge(into, changes):
    for key, value in changes.items():
        if isinstance(value, dict):
            merge(into[key], value)
        else:
            into[key] = value


@pytest.mark.parametrize("off", [-3600, 3600])
def test_a_clock_that_is_off_is_found(off, healthy):
    clock = healthy["node"]["clock"]
    verdicts = examine_worker(healthy, agent={}, asked=clock + off, answered=clock + off + 1)
    (complaint,) = complaints(verdicts)
    assert (complaint.check, "3600 s off" in complaint.found or "3599" in complaint.found) == (
        "clock",
        True,
    )


@pytest.mark.parametrize(
    ("address", "name", "check", "advice"),
    [
        (None, "Matminer", "registry", "export MLFLOW_TRACKING_URI"),
        ("http://me:{secret}@127.0.0.1:9", "Matminer", "registry", "start the registry"),
        ("the real one", "No Such", "model", "--model"),
        ("the real one", "Matminer Featurizer", "model", "promote"),
    ],
)
def test_what_the_registry_lacks_is_the_one_complaint(
    address, name, check, advice, registry, monkeypatch
):
    """In a real report, of a registry that is like that."""
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if address:
        uri = registry.uri if address == "the real one" else address.format(secret=SECRET)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    verdicts = judged(inspect_worker(name=name, version="No Such Mark"))
    (complaint,) = complaints(verdicts)
    assert (complaint.verdict, complaint.check) == ("fail", check)
    assert advice in complaint.advice
    assert SECRET not in str(verdicts)
