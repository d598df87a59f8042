"""The workers' environment: made of the model's own requirements, whole, once, and it works."""

import inspect
import json
import re
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner
from endpoint_folder import rendered
from test_sites import BUNDLE

from matminer_compute.cli import main
from matminer_compute.endpoint.configure import EndpointOptions, init_endpoint
from matminer_compute.endpoint.doctor import examine_environment
from matminer_compute.endpoint.environment import (
    Requirements,
    activation,
    install,
    requirements_of,
)
from matminer_compute.errors import EndpointNotConfigured, RegistryError
from matminer_compute.functions import inspect_worker

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def tiny(tmp_path):
    """Requirements that are soon installed: a package of one module, from a file."""
    wheel, info = tmp_path / "tiny-1.0-py3-none-any.whl", "tiny-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return Requirements(PYTHON, (str(wheel),))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "environments"


def activated(environment, command):
    return subprocess.run(
        ["bash", "-c", f"{activation(environment)}\n{command}"], capture_output=True, text=True
    )


def test_the_registry_says_what_a_model_needs(registry):
    needed = requirements_of(registry.uri, "Matminer", "Production")
    names = {line.partition("==")[0] for line in needed.lines}
    assert {"mlflow", "numpy", "pymatgen", "globus-compute-endpoint"} <= names
    assert needed.python == PYTHON
    assert needed == requirements_of(registry.uri, "Matminer", "1")


@pytest.mark.parametrize(
    ("uri", "name", "sentence"),
    [
        (None, "No Such Model", "it has 'Matminer"),
        ("http://me:s3cr3t@127.0.0.1:9", "Matminer", "http://127.0.0.1:9 does not answer"),
    ],
)
def test_a_registry_that_does_not_is_a_sentence(uri, name, sentence, registry):
    with pytest.raises(RegistryError, match=sentence) as failed:
        requirements_of(uri or registry.uri, name, "Production")
    assert "s3cr3t" not in str(failed.value)


def test_another_requirement_is_another_folder():
    digests = {
        Requirements(python, lines).digest
        for python in ("3.11", "3.12")
        for lines in ((), ("numpy==2.4.6",), ("numpy==2.4.5",))
    }
    assert len(digests) == 6


def test_it_is_made_once_and_by_one_for_all(tiny, folder):
    with ThreadPoolExecutor(3) as threads:
        made = set(threads.map(lambda _: install(tiny, folder), range(3)))
    (environment,) = made
    begun = (environment / "pyvenv.cfg").stat().st_ctime_ns
    assert install(tiny, folder) == environment
    assert (environment / "pyvenv.cfg").stat().st_ctime_ns == begun
    done = activated(environment, "python -c 'import tiny; print(tiny.__file__)'")
    assert done.stdout.startswith(str(environment)), done.stderr


def test_one_that_was_half_made_is_made_anew_and_never_activated(tiny, folder):
    environment = install(tiny, folder)
    (environment / "complete").unlink()
    (environment / "left").touch()
    refused = activated(environment, "echo started")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "is not whole; run 'matminer-compute endpoint build-env' again" in refused.stderr
    assert install(tiny, folder) == environment
    assert not (environment / "left").exists()
    done = activated(environment, "command -v python")
    assert (done.returncode, done.stdout) == (0, f"{environment}/bin/python\n")


def test_what_cannot_be_installed_is_said_and_not_kept(tmp_path):
    with pytest.raises(EndpointNotConfigured, match="uv said"):
        install(Requirements(PYTHON, ("/no/such/wheel.whl",)), tmp_path)
    (environment,) = tmp_path.glob("matminer-*")
    assert activated(environment, "true").returncode == 1


@pytest.fixture
def tiny_endpoint(tiny, tmp_path, monkeypatch):
    """``tiny_endpoint(registry)``: one whose workers' environment was made of ``tiny``."""
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path / "compute"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def tiny_endpoint(registry):
        environment = install(tiny, tmp_path / "with a space")
        options = EndpointOptions(
            BUNDLE, registry, site="local", worker_init=activation(environment)
        )
        return init_endpoint("e", options), environment

    return tiny_endpoint


def test_the_doctor_sees_what_a_later_promotion_needs_besides(tiny_endpoint, registry):
    folder, environment = tiny_endpoint(registry.uri)
    (verdict,) = examine_environment(folder, "Matminer", "Production")
    assert (verdict.check, verdict.verdict) == ("environment", "warn")
    assert re.match(r"'Matminer' needs also .*, scikit-learn==[0-9.]+, ", verdict.found)
    assert "python==" not in verdict.found
    assert "build-env" in verdict.advice
    assert str(folder / "worker_init.sh") in verdict.advice

    needed = requirements_of(registry.uri, "Matminer", "Production")
    (environment / "complete").write_text("\n".join(needed.contents))
    (verdict,) = examine_environment(folder, "Matminer", "Production")
    assert verdict.verdict == "ok"
    (environment / "complete").unlink()
    (verdict,) = examine_environment(folder, "Matminer", "Production")
    assert (verdict.verdict, "not whole" in verdict.found) == ("fail", True)


def test_the_doctor_says_nothing_of_an_environment_that_is_not_ours(tiny_endpoint, registry):
    folder, environment = tiny_endpoint(registry.uri)
    script = folder / "worker_init.sh"
    script.write_text(script.read_text().replace(environment.name, "mine") + "\n. 'half quoted")
    assert list(examine_environment(folder, "Matminer", "Production")) == []


def test_the_doctor_compares_nothing_with_a_registry_that_is_away(tiny_endpoint):
    folder, _ = tiny_endpoint("http://me:s3cr3t@127.0.0.1:9")
    (verdict,) = examine_environment(folder, "Matminer", "Production")
    assert verdict.verdict == "warn"
    assert "does not answer" in verdict.found
    assert "s3cr3t" not in str(verdict)


@pytest.mark.slow
def test_a_worker_in_it_finds_all_that_the_model_needs(registry, tmp_path, monkeypatch):
    """By the command, into an endpoint's own script, and from there to a prediction."""
    monkeypatch.setenv("GLOBUS_COMPUTE_USER_DIR", str(tmp_path / "compute"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    BUNDLE.save(tmp_path / "bundle.json")
    command = ["endpoint", "init", "e", "--site", "local", "--build-env", "--registry"]
    command += [registry.uri, "--bundle", str(tmp_path / "bundle.json")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    source = tmp_path / "question.py"
    source.write_text(
        "import inspect, json, pathlib, sys\n"
        "scope = {}\n"
        "exec(pathlib.Path(sys.argv[1]).read_text(), scope)\n"
        "print(json.dumps(scope['inspect_worker']()))\n"
    )
    (tmp_path / "function.py").write_text(inspect.getsource(inspect_worker))
    script = rendered("e")["engine"]["provider"]["worker_init"]
    asked = f"{script}\nexport MATMINER_COMPUTE_CACHE='{tmp_path}/cache'\n"
    asked += f"python '{source}' '{tmp_path}/function.py'"
    answer = subprocess.run(["bash", "-c", asked], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    report = json.loads(answer.stdout.splitlines()[-1])
    assert report["registry"]["error"] is None
    assert report["warnings"] == []
    assert report["warm_seconds"] > 0
    assert report["packages"]["parsl"]
