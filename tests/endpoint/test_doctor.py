"""The doctor: a healthy endpoint has no complaint, and what is broken is the one complaint."""

import copy
import json
import os
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from test_sites import BUNDLE

from matminer_compute.cli import main
from matminer_compute.endpoint.configure import EndpointOptions, init_endpoint
from matminer_compute.endpoint.doctor import (
    examine_account,
    examine_folder,
    examine_network,
    examine_worker,
)
from matminer_compute.functions import inspect_worker

SECRET = "s3cr3t-of-mine"
TEMPLATE = "user_config_template.yaml.j2"
HERE = {"parsl": "2026.10.26", "globus-compute-endpoint": "4.19.0"}


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
    file.write_text(text.replace(before, after))


def test_a_healthy_folder_has_no_complaint(folder):
    verdicts = list(examine_folder(folder, BUNDLE))
    assert complaints(verdicts) == []
    checks = ["configuration", "functions", "template", "address", "serializers", "worker_init"]
    assert [v.check for v in verdicts] == [*checks, "secrets"]


@pytest.mark.parametrize(
    ("file", "before", "after", "verdict", "check", "sentence"),
    [
        ("config.yaml", "public: false", "public: [", "fail", "configuration", "Invalid config"),
        ("config.yaml", "public: false", "colour: red", "fail", "configuration", "colour"),
        ("config.yaml", "6f0ba58e", "00000000", "fail", "functions", "not allowed: predict"),
        (TEMPLATE, "max_blocks: 1", "max_blocks: {{", "fail", "template", "expected token"),
        (TEMPLATE, "max_blocks: 1", "colour: 1", "fail", "template", "colour"),
        (TEMPLATE, "max_blocks: 1", "max_blocks: {{ blocks }}", "fail", "template", "blocks"),
        (
            TEMPLATE,
            "address: 127.0.0.1",
            "address: {type: address_by_interface, ifname: none0}",
            "fail",
            "template",
            "No such device",
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
        (
            "worker_init.sh",
            "export MLFLOW_TRACKING_URI=",
            "export URI=",
            "fail",
            "registry of workers",
            "MLFLOW_TRACKING_URI",
        ),
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


def test_an_address_that_is_the_nodes_own_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path / "compute"))
    options = EndpointOptions(BUNDLE, "http://r:5000", site="slurm", interface="lo")
    (complaint,) = complaints(examine_folder(init_endpoint("hpc", options), BUNDLE))
    assert (complaint.verdict, complaint.check) == ("fail", "address")


def test_an_endpoint_that_lets_everything_run_is_warned_of(folder):
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text[: text.index("allowed_functions:")])
    (complaint,) = complaints(examine_folder(folder))
    assert (complaint.verdict, complaint.check) == ("warn", "functions")


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
    pid.touch()
    _, agent = examine_account(folder)
    assert (agent.verdict, "an-id" in agent.found) == ("ok", True)
    os.utime(pid, (time.time() - 3600,) * 2)
    _, agent = examine_account(folder)
    assert (agent.verdict, "another login node" in agent.found) == ("warn", True)


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


@pytest.fixture
def certified(tmp_path, monkeypatch):
    """The port of a server on loopback with a certificate that this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "certificate.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                accepted, _ = server.accept()
            except OSError:
                return
            try:
                context.wrap_socket(accepted, server_side=True).close()
            except OSError:
                accepted.close()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def test_a_host_is_reached_refused_or_somebody_elses(certified, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    hosts = [("localhost", certified), ("127.0.0.1", certified), ("127.0.0.1", nobody)]
    reached, other, refused = examine_network(hosts)
    assert reached.verdict == "ok"
    assert (other.verdict, "certificate" in other.found) == ("fail", True)
    assert (refused.verdict, refused.check) == ("fail", f"127.0.0.1:{nobody}")


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
