"""The doctor's canary: one task through the service, the broker and the agent to a worker."""

import json

import pytest
from click.testing import CliRunner

from matminer_compute.cli import main

from .agent import Agent


@pytest.fixture
def ask(bundle):
    def ask(endpoint, *more):
        command = ["endpoint", "doctor", "--endpoint", str(endpoint), "--bundle", str(bundle)]
        done = CliRunner().invoke(main, [*command, "--json", *more])
        said = json.loads(done.stdout)
        assert done.exit_code == (0 if said["healthy"] else 1)
        return {check["check"]: check for check in said["checks"]}

    return ask


def test_a_worker_of_a_running_endpoint_says_what_it_finds(ask, endpoint, service):
    checks = ask(endpoint.endpoint_id, "--shared")
    assert {c["verdict"] for c in checks.values()} <= {"ok", "warn"}
    assert checks["endpoint"]["found"] == "the service hears from it"
    assert checks["model"]["found"].startswith("'Matminer' version 1, with")
    assert checks["loading"]["found"].startswith("first answer in ")


def test_the_canary_has_workers_of_its_own(ask, endpoint, running_service, service):
    """The service has the agent start a process for each choice of its callers."""
    assert ask(endpoint.endpoint_id)["worker"]["verdict"] == "ok"
    *_, canary = [task.endpoint for task in running_service.tasks.values()]
    ask(endpoint.endpoint_id, "--shared")
    *_, shared = [task.endpoint for task in running_service.tasks.values()]
    assert canary != shared
    assert (endpoint.folder / f"uep.{canary}").is_dir()


def test_an_endpoint_that_knows_no_canary_is_asked_otherwise(ask, service, tmp_path):
    """Its folder is from before the doctor had one."""
    older = Agent(tmp_path, service, schema='{"additionalProperties": false}')
    try:
        older.start()
        checks = ask(older.endpoint_id)
    finally:
        older.stop()
    assert checks["worker"]["verdict"] == "fail"
    assert "--shared" in checks["worker"]["advice"]


def test_a_model_that_is_not_there_is_said_from_there(ask, endpoint, service):
    checks = ask(endpoint.endpoint_id, "--shared", "--model", "No Such Model")
    assert checks["model"]["verdict"] == "fail"
    assert "it has 'Matminer" in checks["model"]["found"]


def test_nobody_waits_longer_than_the_deadline(ask, endpoint, service):
    checks = ask(endpoint.endpoint_id, "--shared", "--deadline", "0.001")
    assert checks["worker"]["verdict"] == "fail"
    assert "none answered within 0.001 s" in checks["worker"]["found"]
    assert "submit_scripts" in checks["worker"]["advice"]


def test_an_endpoint_that_is_down_is_not_asked(ask, running_service, service):
    asked = {"endpoint_name": "silent", "multi_user": False}
    silent = running_service.register_endpoint(asked, None)["endpoint_id"]
    checks = ask(silent)
    assert list(checks) == ["endpoint"]
    assert checks["endpoint"]["verdict"] == "fail"
    assert silent not in {task.endpoint for task in running_service.tasks.values()}
