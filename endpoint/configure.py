"""Write the folder of a Globus Compute endpoint, for ``globus-compute-endpoint start NAME``."""

import os
import re
import shlex
import shutil
import string
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from globus_compute_sdk.sdk.compute_dir import get_compute_dir

from matminer_compute.errors import EndpointNotConfigured
from matminer_compute.errors.address import address_fault
from matminer_compute.errors.machine import files, packages
from matminer_compute.functions.worker.address import public_address
from matminer_compute.registration import Bundle

#: Set for the operator's commands, and needed by those that the endpoint starts.
_INHERITED = ("GLOBUS_COMPUTE_USER_DIR", "SLURM_CONF")
_SCHEDULER_NAME = re.compile(r"[\w.,+-]+", re.ASCII)
#: What MLflow can keep a registry in, beside sqlite.
_SCHEMES = ("http", "https", "postgresql", "mysql", "mssql")
_HERE = ("localhost", "::1", "0.0.0.0")  # noqa: S104  compared with, never bound to
#: Options that only a job of Slurm's can follow.
_OF_SLURM = ("partition", "account", "walltime", "max_blocks")
_WALLTIME = re.compile(r"(\d+):([0-5]\d):([0-5]\d)", re.ASCII)


@dataclass(frozen=True)
class EndpointOptions:
    """What differs between endpoints; the rest an operator changes in the files.

    Args:
        bundle: whose functions may run, and no others.
        registry: MLflow tracking URI, as a worker reaches it.
        template: where workers run.
        workers_per_node: workers, each on a core of its own.
        worker_init: bash text that makes ``globus-compute-endpoint`` and the model's packages
            available on a node; by default it puts the environment of this process on ``PATH``.
        partition: Slurm's partition; the cluster's default one if None.
        account: whom Slurm charges; the operator's default if None.
        walltime: of one of Slurm's jobs, ``HH:MM:SS``; an hour if None.
        max_blocks: Slurm's jobs at once, each of one node; one if None.
    """

    bundle: Bundle
    registry: str
    template: Literal["slurm", "local"] = "slurm"
    workers_per_node: int = 1
    worker_init: str | None = None
    partition: str | None = None
    account: str | None = None
    walltime: str | None = None
    max_blocks: int | None = None


def init_endpoint(name: str, options: EndpointOptions) -> Path:
    """Write the endpoint's folder, whole or not at all, readable by its owner alone.

    No account is needed. The registry's address, which may hold a password, is only in
    ``worker_init.sh``: the endpoint sends configuration and template to Globus when it starts.

    Returns:
        The folder, below ``GLOBUS_COMPUTE_USER_DIR`` or else ``~/.globus_compute``.

    Raises:
        BundleError: the bundle is not of Globus Compute.
        EndpointNotConfigured: the folder exists or cannot be written, or a value cannot be used.
        PackageMissing: globus-compute-endpoint is not installed.
    """
    _check_name(name)
    with files(
        "The folder of Globus Compute cannot be used",
        EndpointNotConfigured,
        "set GLOBUS_COMPUTE_USER_DIR to a folder of yours",
    ):
        folder = get_compute_dir().absolute() / name
        if folder.exists():
            raise EndpointNotConfigured(
                f"The endpoint folder {folder} exists; edit its files, or remove it first."
            )
        texts = {
            file_name: _Text(text).substitute(_values(name, folder, options))
            for file_name, text in _texts(options.template).items()
        }
        _check_shell(texts["worker_init.sh"])
        _write(folder, texts)
    return folder


def _write(folder: Path, texts: dict[str, str]) -> None:
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        for file_name, text in texts.items():
            file = part / file_name
            file.touch(mode=0o600)
            file.write_text(text, encoding="utf-8")
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


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
    functions = options.bundle.of_globus_compute().functions.values()
    if not functions:
        raise EndpointNotConfigured(
            "The bundle holds no functions to allow; make one with 'matminer-compute register'."
        )
    return {
        "name": _yaml(name),
        "allowed_functions": "\n".join(f"  - {_yaml(f.id)}  # {f.name}" for f in functions),
        "environment": "\n".join(f"{key}: {_yaml(value)}" for key, value in environment.items()),
        "worker_init": options.worker_init or f'export PATH={shlex.quote(bin_folder)}:"$PATH"',
        "registry": shlex.quote(_reachable(options.registry, options.template)),
        "read_worker_init": _yaml(f". {shlex.quote(str(folder / 'worker_init.sh'))}"),
        "workers_per_node": str(_positive("workers_per_node", options.workers_per_node)),
        **_slurm(options),
    }


def _slurm(options: EndpointOptions) -> dict[str, str]:
    asked = [name for name in _OF_SLURM if getattr(options, name) is not None]
    if options.template != "slurm" and asked:
        raise EndpointNotConfigured(
            f"The {options.template} template starts no job of Slurm's: leave out "
            f"{', '.join(asked)}, or use the template slurm."
        )
    walltime = "01:00:00" if options.walltime is None else options.walltime
    max_blocks = 1 if options.max_blocks is None else options.max_blocks
    return {
        "partition": _scheduler_name("partition", options.partition),
        "account": _scheduler_name("account", options.account),
        "walltime": _yaml(walltime),
        "drain_period": str(_drain_period(walltime)),
        "max_blocks": str(_positive("max_blocks", max_blocks)),
    }


def _yaml(value: str) -> str:
    """``value`` as a YAML string in which Jinja finds nothing of its own either."""
    plain = (c if c.isascii() and c.isprintable() and c not in '"\\{' else None for c in value)
    return '"' + "".join(p or f"\\U{ord(c):08x}" for p, c in zip(plain, value, strict=True)) + '"'


def _check_name(name: str) -> None:
    with packages():
        from globus_compute_endpoint.endpoint.endpoint import Endpoint

    try:
        Endpoint.validate_endpoint_name(name)
    except ValueError as error:
        raise EndpointNotConfigured(str(error)) from error


def _reachable(registry: str, template: str) -> str:
    """The registry's address, if a worker can make something of it."""
    scheme = registry.partition("://")[0].partition("+")[0].lower()
    if scheme == "sqlite":
        # Every task changes its working directory.
        if not registry.partition("://")[2].startswith("//"):
            raise EndpointNotConfigured(
                "The registry must be sqlite:/// with an absolute path: a worker would look for a "
                "relative one in another folder at every task."
            )
        return registry
    if scheme not in _SCHEMES:
        raise EndpointNotConfigured(
            f"The registry {public_address(registry)} cannot be one: it must be an http(s) "
            "address, a database (postgresql, mysql, mssql), or sqlite:/// with an absolute path."
        )
    if fault := address_fault(registry):
        raise EndpointNotConfigured(fault)
    host = urlsplit(registry).hostname or ""
    if not host:
        raise EndpointNotConfigured(
            f"The registry {public_address(registry)} names no host: write it as http://host:port."
        )
    if template == "slurm" and (host in _HERE or host.startswith("127.")):
        raise EndpointNotConfigured(
            f"The registry {public_address(registry)} is each node's own {host}: name the host as "
            "the nodes reach it."
        )
    return registry


def _check_shell(text: str) -> None:
    """Let bash read the script, without running it: a slip would end every job at its start."""
    try:
        script = text.encode()
    except UnicodeEncodeError as error:
        raise EndpointNotConfigured("The registry and --worker-init must be UTF-8.") from error
    bash = shutil.which("bash")
    if bash is None:
        return
    read = subprocess.run([bash, "-n"], input=script, capture_output=True)
    if read.returncode:
        said = read.stderr.decode(errors="replace").strip()
        complaint = said.partition("\n")[0].removeprefix(f"{bash}: ")
        raise EndpointNotConfigured(
            f"bash cannot read the script of worker_init ({complaint}); mend --worker-init."
        )


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
