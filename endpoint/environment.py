"""The workers' environment, made of what the model was trained with.

It has the model's own requirements, the agent's version of ``globus-compute-endpoint`` (which
brings the Parsl that both sides must share) and the minor version of Python that the model was
trained with. Its folder carries the digest of all these, so that another model's is another folder;
a mark is written into it when all is there, and without that it is made anew.
"""

import fcntl
import hashlib
import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from matminer_compute.errors import EndpointNotConfigured, ModelNotLoadable, RegistryError
from matminer_compute.errors.machine import files, packages
from matminer_compute.functions.worker import refusals
from matminer_compute.functions.worker.registry import be_impatient, look_up

from .registry import data_folder

_MARK, _OURS = "complete", "matminer-"
_ACTIVATED = re.compile(rf"^\. '?(.*/{_OURS}[0-9a-f]{{16}})/bin/activate'?$", re.MULTILINE)


@dataclass(frozen=True)
class Requirements:
    """What workers of a model need: a minor version of Python, and lines for pip."""

    python: str
    lines: tuple[str, ...]

    @property
    def contents(self) -> list[str]:
        """All of it, as the mark of a whole environment has it."""
        return [f"python=={self.python}", *self.lines]

    @property
    def digest(self) -> str:
        """Of all of it, in 16 hexadecimal digits."""
        return hashlib.sha256("\n".join(self.contents).encode()).hexdigest()[:16]


def build_environment(registry: str, name: str, version: str, folder: Path | None = None) -> Path:
    """Make the environment for a model's version, unless it is there already.

    Args:
        registry: MLflow tracking URI, as this machine reaches it.
        name: registered model name.
        version: an alias, a stage or a number.
        folder: where environments are kept, visible to nodes; in the data folder by default.

    Returns:
        The environment's own folder.

    Raises:
        RegistryError: the registry, the model or its list of requirements cannot be had.
        EndpointNotConfigured: they cannot be installed, or there is no place for them.
        PackageMissing: mlflow or uv is not installed here.
    """
    return install(requirements_of(registry, name, version), folder)


def activation(environment: Path) -> str:
    """Bash text for ``worker_init``: activate the environment, or end the job if it is half."""
    mark, activate = environment / _MARK, environment / "bin" / "activate"
    sentence = f"{environment} is not whole; run 'matminer-compute endpoint build-env' again."
    return (
        f"[ -e {shlex.quote(str(mark))} ] || {{ echo {shlex.quote(sentence)} >&2; exit 1; }}\n"
        f". {shlex.quote(str(activate))}"
    )


def activated_in(script: str) -> Path | None:
    """The environment of ours whose :func:`activation` stands in a script, if one does."""
    found = _ACTIVATED.search(script)
    return Path(found[1]) if found else None


def contents_of(environment: Path) -> list[str] | None:
    """What an environment of ours was made to hold; None if it is missing or not whole."""
    mark = environment / _MARK
    return mark.read_text().splitlines() if mark.exists() else None


def requirements_of(registry: str, name: str, version: str) -> Requirements:
    """What the registry says that a model's version needs, and the agent's own package.

    Raises:
        RegistryError: it, the model or its list cannot be had.
        PackageMissing: mlflow is not installed here.
    """
    with packages("run it where the model was trained, with a --folder that nodes see"):
        import mlflow.artifacts
        import yaml
    with _pointed_at(registry), tempfile.TemporaryDirectory() as folder:
        try:
            found = look_up(name, version)
            if isinstance(found, RuntimeError):
                raise RegistryError(str(found).partition("] ")[2])
            for file in ("requirements.txt", "python_env.yaml"):
                uri = f"models:/{name}/{found.number}/{file}"
                mlflow.artifacts.download_artifacts(uri, dst_path=folder)
        except RegistryError:
            raise
        except Exception as failure:  # noqa: BLE001  MLflow raises what it likes
            # MLflow's own text may hold a password, so it goes no further.
            what = f"What '{name}' needs cannot be asked for"
            fault = refusals.registry_at_fault(what, registry, failure)
            raise RegistryError(str(fault).partition("] ")[2]) from None
        python = yaml.safe_load(Path(folder, "python_env.yaml").read_text())["python"]
        listed = Path(folder, "requirements.txt").read_text().split("\n")
    lines = {line.strip() for line in listed if line.strip() and not line.startswith("#")}
    if any(line.startswith("-") for line in lines):
        raise ModelNotLoadable(f"'{name}' version {found.number} needs more than names packages.")
    agent = importlib.metadata.version("globus-compute-endpoint")
    lines.add(f"globus-compute-endpoint=={agent}")
    return Requirements(".".join(python.split(".")[:2]), tuple(sorted(lines)))


def install(needed: Requirements, folder: Path | None = None) -> Path:
    """Make an environment that has ``needed``, unless it is there; one process makes it for all.

    Raises:
        EndpointNotConfigured: it cannot be made; says what the installer said.
        PackageMissing: uv is not installed here.
    """
    folder = (folder or data_folder() / "environments").absolute()
    environment = folder / f"{_OURS}{needed.digest}"
    with files("The environment cannot be made", EndpointNotConfigured, "name another --folder"):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f".{environment.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if (environment / _MARK).exists():
                return environment
            shutil.rmtree(environment, ignore_errors=True)  # whoever began it was ended
            _make(needed, environment)
            (environment / _MARK).write_text("\n".join(needed.contents) + "\n")
    return environment


def _make(needed: Requirements, environment: Path) -> None:
    python = environment / "bin" / "python"
    _uv("venv", "--quiet", "--python", needed.python, str(environment))
    _uv("pip", "install", "--quiet", "--python", str(python), *needed.lines)


def _uv(*arguments: str) -> None:
    with packages():
        from uv import find_uv_bin
    done = subprocess.run([find_uv_bin(), *arguments], capture_output=True, text=True)
    if done.returncode:
        said = " ".join(done.stderr.split())[-500:]
        raise EndpointNotConfigured(
            f"The workers' environment cannot be made: uv said '{said}'. Fix that, or make one "
            "yourself and name it in --worker-init."
        )


@contextmanager
def _pointed_at(registry: str) -> Iterator[None]:
    """MLflow takes an address from the environment, and so do the functions that look there.

    It would wait for minutes for a registry that is away.
    """
    before = dict(os.environ)
    os.environ["MLFLOW_TRACKING_URI"] = registry
    os.environ.pop("MLFLOW_REGISTRY_URI", None)
    be_impatient()
    try:
        yield
    finally:
        for key in os.environ.keys() - before.keys():
            del os.environ[key]
        os.environ.update(before)
