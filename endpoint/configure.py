"""Write the folder of a Globus Compute endpoint, for ``globus-compute-endpoint start NAME``."""

import os
import re
import shlex
import shutil
import string
import sys
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from globus_compute_sdk.sdk.compute_dir import get_compute_dir

from matminer_compute.errors import EndpointNotConfigured
from matminer_compute.registration import Bundle

#: Set for the operator's commands, and needed by those that the endpoint starts.
_INHERITED = ("GLOBUS_COMPUTE_USER_DIR", "SLURM_CONF")
_SCHEDULER_NAME = re.compile(r"[\w.,+-]+", re.ASCII)
_WALLTIME = re.compile(r"(\d+):([0-5]\d):([0-5]\d)", re.ASCII)


@dataclass(frozen=True)
class EndpointOptions:
    """What differs between endpoints; the rest an operator changes in the files.

    Args:
        bundle: whose functions may run, and no others.
        registry: MLflow tracking URI, as a worker reaches it.
        template: where workers run.
        workers_per_node: workers, each on a core of its own.
        worker_init: shell text that makes ``globus-compute-endpoint`` and the model's packages
            available on a node; by default it puts the environment of this process on ``PATH``.
        partition: Slurm's partition; the cluster's default one if None.
        account: whom Slurm charges; the operator's default if None.
        walltime: of one job, ``HH:MM:SS``.
        max_blocks: jobs at once, each of one node.
    """

    bundle: Bundle
    registry: str
    template: Literal["slurm", "local"] = "slurm"
    workers_per_node: int = 1
    worker_init: str | None = None
    partition: str | None = None
    account: str | None = None
    walltime: str = "01:00:00"
    max_blocks: int = 1


def init_endpoint(name: str, options: EndpointOptions) -> Path:
    """Write the endpoint's folder, whole or not at all, readable by its owner alone.

    No account is needed. The registry's address, which may hold a password, is only in
    ``worker_init.sh``: the endpoint sends configuration and template to Globus when it starts.

    Returns:
        The folder, below ``GLOBUS_COMPUTE_USER_DIR`` or else ``~/.globus_compute``.

    Raises:
        EndpointNotConfigured: the folder exists, or a value cannot be used.
    """
    folder = get_compute_dir().absolute() / name
    _check_name(name)
    if folder.exists():
        raise EndpointNotConfigured(
            f"The endpoint folder {folder} exists; edit its files, or remove it first."
        )
    values = _values(name, folder, options)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{name}-"))
    try:
        for file_name, text in _texts(options.template).items():
            file = part / file_name
            file.touch(mode=0o600)
            file.write_text(_Text(text).substitute(values), encoding="utf-8")
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


class _Text(string.Template):
    """Our own marks, since ``$`` is the shell's and ``{{ }}`` is Jinja's."""

    delimiter = "@"


def _texts(template: str) -> dict[str, str]:
    root = resources.files(__package__) / "templates"
    files = [*root.iterdir(), *(root / template).iterdir()]
    return {file.name: file.read_text(encoding="utf-8") for file in files if file.is_file()}


def _values(name: str, folder: Path, options: EndpointOptions) -> dict[str, str]:
    bin_folder = str(Path(sys.executable).parent)
    environment = {"PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    environment |= {key: os.environ[key] for key in _INHERITED if key in os.environ}
    functions = options.bundle.functions.values()
    if not functions:
        raise EndpointNotConfigured(
            "The bundle holds no functions to allow; make one with 'matminer-compute register'."
        )
    return {
        "name": _yaml(name),
        "allowed_functions": "\n".join(f"  - {_yaml(f.id)}  # {f.name}" for f in functions),
        "environment": "\n".join(f"{key}: {_yaml(value)}" for key, value in environment.items()),
        "worker_init": options.worker_init or f'export PATH={shlex.quote(bin_folder)}:"$PATH"',
        "registry": shlex.quote(_absolute(options.registry)),
        "read_worker_init": _yaml(f". {shlex.quote(str(folder / 'worker_init.sh'))}"),
        "partition": _scheduler_name("partition", options.partition),
        "account": _scheduler_name("account", options.account),
        "walltime": _yaml(options.walltime),
        "drain_period": str(_drain_period(options.walltime)),
        "max_blocks": str(_positive("max_blocks", options.max_blocks)),
        "workers_per_node": str(_positive("workers_per_node", options.workers_per_node)),
    }


def _yaml(value: str) -> str:
    """``value`` as a YAML string in which Jinja finds nothing of its own either."""
    plain = (c if c.isascii() and c.isprintable() and c not in '"\\{' else None for c in value)
    return '"' + "".join(p or f"\\U{ord(c):08x}" for p, c in zip(plain, value, strict=True)) + '"'


def _check_name(name: str) -> None:
    from globus_compute_endpoint.endpoint.endpoint import Endpoint

    try:
        Endpoint.validate_endpoint_name(name)
    except ValueError as error:
        raise EndpointNotConfigured(str(error)) from error


def _absolute(registry: str) -> str:
    # Every task changes its working directory.
    scheme, separator, rest = registry.partition("://")
    path = rest.removeprefix("/") if scheme.startswith("sqlite") else "/"
    if not separator or not path.startswith("/"):
        raise EndpointNotConfigured(
            "The registry must be an http(s) address, or sqlite:/// with an absolute path: a "
            "worker would look for a relative one in another folder at every task."
        )
    return registry


def _scheduler_name(what: str, value: str | None) -> str:
    if value is None:
        return "null"
    # Parsl writes it as it is into a line of the job's script.
    if not _SCHEDULER_NAME.fullmatch(value):
        raise EndpointNotConfigured(f"{value!r} cannot be the name of a Slurm {what}.")
    return _yaml(value)


def _drain_period(walltime: str) -> int:
    """Seconds after which a job takes no new task: five minutes, or a fifth, before its end."""
    match = _WALLTIME.fullmatch(walltime)
    hours, minutes, seconds = map(int, match.groups()) if match else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if total < 60:
        raise EndpointNotConfigured(
            f"The walltime {walltime!r} must be HH:MM:SS, and at least a minute."
        )
    return total - min(300, total // 5)


def _positive(what: str, value: int) -> int:
    if value < 1:
        raise EndpointNotConfigured(f"{what} is {value}; it must be at least 1.")
    return value
