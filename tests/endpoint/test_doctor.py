"""The doctor: a healthy endpoint has no complaint, and what is broken is the one complaint."""

import json
import os
import shutil
import subprocess
import time

import pytest
from click.testing import CliRunner
from test_sites import BUNDLE

from matminer_compute.cli import main
from matminer_compute.endpoint.configure import EndpointOptions, init_endpoint
from matminer_compute.endpoint.doctor import (
    examine_account,
    examine_folder,
)

SECRET = "s3cr3t-of-mine"
ENVIRONMENT = "user_environment.yaml"
TEMPLATE = "user_config_template.yaml.j2"
HERE = {"parsl": "2026.10.26", "globus-compute-endpoint": "4.19.0"}
ANOTHER = "6f0ba58e-2f4e-4a4b-9c2b-7d1a6d3f0f12"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A healthy endpoint on this machine, whose registry wants a password."""
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path / "compute"))
    registry = f"http://me:{SECRET}@registry:5000"
    return init_endpoint("here", EndpointOptions(BUNDLE, registry, site="local"))


def complaints(verdicts):
    """What is not well: verdict, check, found and advice of each line."""
    return [v for v in verdicts if v.verdict != "ok"]


def edit(file, before, after):
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after), newline="")


def test_a_healthy_folder_has_no_complaint(folder):
    verdicts = list(examine_folder(folder, BUNDLE))
    assert complaints(verdicts) == []
    checks = ["configuration", "functions", "template", "address", "serializers", "worker_init"]
    assert [v.check for v in verdicts] == [*checks, "programs", "secrets"]


@pytest.mark.parametrize(
    ("file", "before", "after", "verdict", "check", "sentence"),
    [
        ("config.yaml", "public: false", "public: [", "fail", "configuration", "Invalid config"),
        ("config.yaml", "public: false", "colour: red", "fail", "configuration", "colour"),
        ("config.yaml", "6f0ba58e", "00000000", "fail", "functions", "not allowed: predict"),
        ("config.yaml", "  - ", f"  - {ANOTHER}\n  - ", "warn", "functions", "1 more may run"),
        (TEMPLATE, "max_blocks: 1", "max_blocks: {{", "fail", "template", "expected token"),
        (TEMPLATE, "max_blocks: 1", "colour: 1", "fail", "template", "colour"),
        (TEMPLATE, "max_blocks: 1", "max_blocks: {{ blocks }}", "fail", "template", "blocks"),
        (
            TEMPLATE,
            "address: 127.0.0.1",
            "address: {type: address_by_interface, ifname: none0}",
            "fail",
            "template",
            "no network interface none0",
        ),
        (TEMPLATE, "LocalProvider", "Local", "fail", "template", "KubernetesProvider, LSFProvider"),
        (
            TEMPLATE,
            "GlobusComputeEngine",
            "Parsl",
            "fail",
            "template",
            "one of GlobusComputeEngine, GlobusMPIEngine",
        ),
        (
            TEMPLATE,
            "address: 127.0.0.1",
            "address: {type: by_name}",
            "fail",
            "template",
            "one of address_by_hostname, address_by_interface",
        ),
        (TEMPLATE, "address: 127.0.0.1", "# no address", "warn", "address", "web site"),
        (
            TEMPLATE,
            "    - globus_compute_sdk.serialize.JSONData",
            "    - globus_compute_sdk.serialize.DillDataBase64",
            "warn",
            "serializers",
            "pickle",
        ),
        ("worker_init.sh", "cache=", "if cache=", "fail", "worker_init", "unexpected"),
        ("worker_init.sh", "cache=", "cat <<EOF\ncache=", "fail", "worker_init", "here-document"),
        ("worker_init.sh", "\n", "\r\n", "fail", "worker_init", "Windows"),
        (
            "worker_init.sh",
            "export MLFLOW_TRACKING_URI=",
            "export URI=",
            "fail",
            "registry of workers",
            "MLFLOW_TRACKING_URI",
        ),
        *(
            ("worker_init.sh", before, after, "fail", "registry of workers", "does not name it")
            for before, after in (
                ("export MLFLOW_TRACKING_URI=", "# export MLFLOW_TRACKING_URI="),
                (f"=http://me:{SECRET}@registry:5000", "="),
            )
        ),
        (TEMPLATE, "worker_init: ", "# ", "fail", "registry of workers", "MLFLOW_TRACKING_URI"),
        (ENVIRONMENT, "PATH: ", "PATH: [", "fail", "programs", "not a YAML mapping"),
        (ENVIRONMENT, "/", "/gone/", "fail", "programs", "leads to no"),
        (
            TEMPLATE,
            "worker_init: ",
            f"# MLFLOW_TRACKING_PASSWORD={SECRET}\n    worker_init: ",
            "fail",
            "secrets",
            TEMPLATE,
        ),
    ],
)
def test_what_is_broken_in_a_folder_is_the_one_complaint(
    file, before, after, verdict, check, sentence, folder
):
    edit(folder / file, before, after)
    verdicts = list(examine_folder(folder, BUNDLE))
    (complaint,) = complaints(verdicts)
    assert (complaint.verdict, complaint.check) == (verdict, check)
    assert sentence in complaint.found + complaint.advice
    assert str(folder / file) in complaint.advice or folder.name in complaint.advice
    assert SECRET not in str(verdicts)


@pytest.mark.parametrize(
    ("gone", "verdict", "check", "sentence"),
    [
        (TEMPLATE, "fail", "template", TEMPLATE),
        ("worker_init.sh", "fail", "worker_init", "does not exist"),
        ("user_environment.yaml", "fail", "programs", "cannot be read"),
        ("bin", "warn", "programs", "ours are not used"),
        ("python", "fail", "programs", "matminer_compute_starts.py"),
    ],
)
def test_what_is_gone_from_a_folder_is_the_one_complaint(gone, verdict, check, sentence, folder):
    (folder / gone).rename(folder.parent / gone)
    (complaint,) = complaints(examine_folder(folder, BUNDLE))
    assert (complaint.verdict, complaint.check) == (verdict, check)
    assert sentence in complaint.found


def test_a_program_that_may_not_be_executed_is_found(folder):
    (folder / "bin" / "globus-compute-endpoint").chmod(0o600)
    (complaint,) = complaints(examine_folder(folder, BUNDLE))
    assert (complaint.verdict, complaint.check) == ("warn", "programs")


def test_a_folder_that_was_renamed_or_copied_is_found(folder):
    other = folder.rename(folder.with_name("other"))
    said = {v.check: v for v in complaints(examine_folder(other, BUNDLE))}
    assert said["worker_init"].verdict == "fail"
    assert str(folder / "worker_init.sh") in said["worker_init"].found
    assert said["programs"].verdict == "warn"
    shutil.copytree(other, folder)
    said = {v.check: v for v in complaints(examine_folder(other, BUNDLE))}
    assert said["worker_init"].verdict == "warn"
    assert "not with the script of this folder" in said["worker_init"].found


def test_an_address_that_is_the_nodes_own_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path / "compute"))
    options = EndpointOptions(BUNDLE, "http://r:5000", site="slurm", interface="lo")
    (complaint,) = complaints(examine_folder(init_endpoint("hpc", options), BUNDLE))
    assert (complaint.verdict, complaint.check) == ("fail", "address")


def test_pods_want_another_package_and_read_no_script_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path / "compute"))
    options = EndpointOptions(BUNDLE, "http://r:5000", site="kubernetes", container="image:1")
    folder = init_endpoint("pods", options)
    edit(folder / TEMPLATE, "DO_NOT_TRACK=", f"MLFLOW_TRACKING_TOKEN={SECRET} DO_NOT_TRACK=")
    template, secrets = complaints(examine_folder(folder, BUNDLE))
    assert (template.verdict, template.advice) == ("fail", "run 'pip install kubernetes' there")
    assert (secrets.verdict, "the pods' image" in secrets.advice) == ("fail", True)
    assert "worker_init.sh" not in secrets.advice


def test_a_caller_who_must_choose_a_walltime_finds_one(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path / "compute"))
    options = EndpointOptions(
        BUNDLE, "http://r:5000", walltime="00:05:00", caller_chooses=("walltime",)
    )
    folder = init_endpoint("hpc", options)
    edit(folder / "user_config_schema.json", '"required": []', '"required": ["walltime"]')
    assert "template" not in {v.check for v in complaints(examine_folder(folder, BUNDLE))}


def test_an_endpoint_that_lets_everything_run_is_warned_of(folder):
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text[: text.index("allowed_functions:")])
    (complaint,) = complaints(examine_folder(folder))
    assert (complaint.verdict, complaint.check) == ("warn", "functions")


def test_an_endpoint_that_lets_nothing_run_fails(folder):
    text = (folder / "config.yaml").read_text()
    none = text[: text.index("allowed_functions:")] + "allowed_functions: []\n"
    (folder / "config.yaml").write_text(none)
    (complaint,) = complaints(examine_folder(folder))
    assert (complaint.verdict, complaint.check) == ("fail", "functions")
    assert "no function may run" in complaint.found


def test_a_folder_that_others_read_is_found(folder):
    folder.chmod(0o755)
    (folder / "worker_init.sh").chmod(0o644)
    (complaint,) = complaints(examine_folder(folder))
    assert (complaint.check, complaint.advice) == ("secrets", f"run 'chmod -R go= {folder}'")


def test_the_login_is_seen_without_asking_anybody(folder, monkeypatch):
    for variable in ("GLOBUS_COMPUTE_CLIENT_ID", "GLOBUS_COMPUTE_CLIENT_SECRET"):
        monkeypatch.delenv(variable, raising=False)
    login, agent = examine_account(folder)
    assert (login.verdict, login.check) == ("fail", "login")
    assert "globus-compute-endpoint login" in login.advice
    assert (agent.verdict, agent.check) == ("warn", "agent")
    monkeypatch.setenv("GLOBUS_COMPUTE_CLIENT_SECRET", SECRET)
    login, _ = examine_account(folder)
    assert (login.verdict, login.found.count(SECRET)) == ("fail", 0)
    monkeypatch.setenv("GLOBUS_COMPUTE_CLIENT_ID", "an id")
    login, _ = examine_account(folder)
    assert (login.verdict, login.found.count(SECRET)) == ("ok", 0)


def test_an_agent_is_up_gone_or_perhaps_elsewhere(folder):
    (folder / "endpoint.json").write_text(json.dumps({"endpoint_id": "an-id"}))
    _, agent = examine_account(folder)
    assert (agent.verdict, agent.advice) == ("warn", "run 'globus-compute-endpoint start here'")
    pid = folder / "daemon.pid"
    pid.write_text(f"{os.getpid()}\n")
    _, agent = examine_account(folder)
    assert (agent.verdict, "an-id" in agent.found) == ("ok", True)
    ended = subprocess.Popen(["true"])
    ended.wait()
    for other in (f"{ended.pid}\n", "", "9" * 30):
        pid.write_text(other)
        _, agent = examine_account(folder)
        assert (agent.verdict, "on another machine" in agent.found) == ("warn", True)
    os.utime(pid, (time.time() - 3600,) * 2)
    _, agent = examine_account(folder)
    assert (agent.verdict, "another login node" in agent.found) == ("warn", True)


def test_the_command_shows_them_and_says_by_its_exit_code_whether_all_is_well(folder, tmp_path):
    BUNDLE.save(tmp_path / "bundle.json")
    command = ["endpoint", "doctor", "here", "--bundle", str(tmp_path / "bundle.json"), "--json"]
    login = {"GLOBUS_COMPUTE_CLIENT_ID": "id", "GLOBUS_COMPUTE_CLIENT_SECRET": SECRET}
    done = CliRunner().invoke(main, command, env=login)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["healthy"]
    assert {c["check"] for c in said["checks"] if c["verdict"] == "warn"} == {"agent"}
    edit(folder / TEMPLATE, "max_blocks: 1", "max_blocks: {{")
    done = CliRunner().invoke(main, command[:-1], env=login)
    assert done.exit_code == 1
    assert "fail\ttemplate\t" in done.stdout
    assert SECRET not in done.output


def test_an_endpoint_that_is_not_there_is_a_sentence(folder):
    done = CliRunner().invoke(main, ["endpoint", "doctor", "nowhere"])
    assert done.exit_code == 1
    assert "There is no endpoint 'nowhere'" in done.stderr


def test_without_an_endpoint_a_worker_of_this_machine_is_asked(registry, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry.uri)
    done = CliRunner().invoke(main, ["endpoint", "doctor", "--json"])
    assert done.exit_code == 0, done.output
    checks = {c["check"]: c for c in json.loads(done.stdout)["checks"]}
    assert checks["model"]["found"].startswith("'Matminer' version 1, with")
    assert checks["loading"]["verdict"] == "ok"
