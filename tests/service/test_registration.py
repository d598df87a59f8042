"""``matminer-compute register`` against the service, as its publisher runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from matminer_compute.client import EndpointUnavailable
from matminer_compute.registration import FUNCTIONS, Bundle, register
from matminer_compute.registration.service import service_registrar

GROUP = "33333333-3333-4333-8333-333333333333"
NAMES = set(FUNCTIONS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bundle.json"


@pytest.fixture
def registrar(service):
    """The SDK's client, which does not ask six times before it says no."""
    registrar = service_registrar()
    registrar._compute_web_client.v3.retry_config.max_retries = 0
    return registrar


def command(*arguments):
    return subprocess.run(
        [Path(sys.executable).with_name("matminer-compute"), "register", *arguments],
        capture_output=True,
        text=True,
    )


def registered(service):
    """How the service answered each request to register a function."""
    return [r.status for r in service.requests if r.path == "/v3/functions"]


def assert_one_sentence(done, *words):
    """A failure for a person: no traceback, no secret, nothing on standard output."""
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr
    for secret in ("Traceback", "Bearer", "not-a-secret"):
        assert secret not in done.stderr


def test_what_the_bundle_says_the_service_has(service, path):
    done = command("-o", str(path))
    assert done.returncode == 0, done.stderr
    bundle = Bundle.load(path)
    assert set(bundle.functions) == NAMES
    for name, function in bundle.functions.items():
        there = service.functions[function.id]
        assert (there.name, there.public, there.group) == (name, False, None)
        assert f"def {name}(" in there.code
        assert "PureSourceTextInspect" in done.stdout
        assert f"  - {function.id}  # {name}" in done.stdout


def test_registering_twice_sends_nothing(service, path):
    command("-o", str(path))
    before = path.read_bytes()
    assert registered(service) == [200] * len(NAMES)
    done = command("-o", str(path))
    assert done.returncode == 0
    assert len(registered(service)) == len(NAMES)
    assert path.read_bytes() == before


def test_another_machine_with_the_same_bundle_sends_nothing(service, path, tmp_path, monkeypatch):
    command("-o", str(path))
    copy = tmp_path / "elsewhere" / "bundle.json"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path / "other user"))
    monkeypatch.chdir(copy.parent)
    done = command()
    assert done.returncode == 0, done.stderr
    assert len(registered(service)) == len(NAMES)
    assert copy.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("options", "public", "group"), [(["--public"], True, None), (["--group", GROUP], False, GROUP)]
)
def test_an_audience(service, path, options, public, group):
    command("-o", str(path))
    private = Bundle.load(path)
    done = command("-o", str(path), *options)
    assert done.returncode == 0, done.stderr
    bundle = Bundle.load(path)
    assert (bundle.public, bundle.group) == (public, group)
    for function in bundle.functions.values():
        there = service.functions[function.id]
        assert (there.public, there.group) == (public, group)
    assert {old.id for old in bundle.history} == {old.id for old in private.functions.values()}


def test_drift_is_found_without_the_service(service, path):
    command("-o", str(path))
    assert command("--check", "-o", str(path)).returncode == 0
    content = json.loads(path.read_text())
    content["functions"]["predict"]["sha256"] = "0" * 64
    path.write_text(json.dumps(content))
    service.requests.clear()
    assert_one_sentence(command("--check", "-o", str(path)), "drifted", "predict")
    assert service.requests == []


def test_a_service_that_is_down(service, path):
    service.stop()
    assert_one_sentence(command("-o", str(path)), "cannot be used", "check the network")
    assert not path.exists()


def test_a_refusal_half_way(service, path):
    service.refuse(403, after=2, path="/v3/functions")
    assert_one_sentence(command("-o", str(path)), "HTTP 403", "check your login")
    half = Bundle.load(path)
    assert len(half.functions) == 2
    assert command("-o", str(path)).returncode == 0
    whole = Bundle.load(path)
    assert half.functions.items() < whole.functions.items()
    assert registered(service) == [200, 200, 403] + [200] * (len(whole.functions) - 2)


@pytest.mark.parametrize(("status", "word"), [(429, "20 requests"), (500, "later"), (403, "login")])
def test_a_refusal_is_typed(service, registrar, path, status, word):
    service.refuse(status, path="/v3/functions")
    with pytest.raises(EndpointUnavailable, match=word) as caught:
        register(registrar, path)
    assert f"(HTTP {status})" in str(caught.value)
    assert not path.exists()


def test_a_service_that_goes_away_half_way(service, registrar, path):
    class Unlucky:
        """Loses the service after two functions."""

        def register_function(self, *arguments, **options):
            if len(registered(service)) == 2:
                service.stop()
            return registrar.register_function(*arguments, **options)

    with pytest.raises(EndpointUnavailable, match="could not be reached"):
        register(Unlucky(), path)
    assert len(Bundle.load(path).functions) == 2
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_change_of_audience_that_fails_half_way_leaves_no_mixture(service, registrar, path):
    """Else a function that everyone may call would stay in a bundle that says it is private."""
    register(registrar, path)
    service.refuse(500, after=2, path="/v3/functions")
    with pytest.raises(EndpointUnavailable):
        register(registrar, path, public=True)
    half = Bundle.load(path)
    assert half.public
    assert len(half.functions) == 2
    assert all(service.functions[f.id].public for f in half.functions.values())
    private = register(registrar, path)
    assert set(private.functions) == NAMES
    assert not any(service.functions[f.id].public for f in private.functions.values())


def test_a_busy_service_is_waited_for(service, path):
    """Three requests in three seconds, where registering takes five."""
    service.rate_limit = (3, 3.0)
    done = command("-o", str(path))
    assert done.returncode == 0, done.stderr
    assert 429 in [request.status for request in service.requests]
    assert set(Bundle.load(path).functions) == NAMES
