"""What an operator chooses for an endpoint, and what of it fits the site."""

import re
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from matminer_compute.errors import EndpointNotConfigured
from matminer_compute.functions.worker.address import public_address
from matminer_compute.registration import Bundle
from matminer_compute.registration.address import address_fault

from .catalogue import Provider, Site
from .script import holds_secret

Choice = Literal["account", "queue", "walltime"]

_SCHEDULER_NAME = re.compile(r"[\w.,+-]+", re.ASCII)
#: Slurm's constraints are expressions, as in ``cpu&nvme``.
_CONSTRAINT = re.compile(r"[\w.,+*|&()\[\]-]+", re.ASCII)
_INTERFACE = re.compile(r"[\w.:@-]{1,15}", re.ASCII)  # Linux has room for 15 characters
_IMAGE = re.compile(r"[\w./:@+-]+", re.ASCII)
_WALLTIME = re.compile(r"(\d+):([0-5]\d):00", re.ASCII)
#: What MLflow can keep a registry in, beside sqlite.
_SCHEMES = ("http", "https", "postgresql", "mysql", "mssql")
_HERE = ("localhost", "::1", "0.0.0.0")  # noqa: S104  compared with, never bound to

_OF_JOBS = {
    "queue", "account", "walltime", "max_blocks", "nodes_per_block", "interface", "cmd_timeout",
    "mem_per_node", "container", "caller_chooses",
}  # fmt: skip
#: The options that only some providers can follow.
_FITS: dict[Provider, set[str]] = {
    "local": set(),
    "slurm": _OF_JOBS | {"qos", "constraint", "shared_nodes"},
    "pbs": _OF_JOBS,
    "kubernetes": {"max_blocks", "mem_per_node", "container", "interface"},
}
_SOME = _FITS["slurm"]


@dataclass(frozen=True)
class EndpointOptions:
    """What differs between endpoints; the rest an operator changes in the files.

    What is None is as the site has it.

    Args:
        bundle: whose functions may run, and no others.
        registry: MLflow tracking URI, as a worker reaches it.
        site: where workers run: a name that ``endpoint sites`` lists.
        workers_per_node: workers, each on a core of its own.
        worker_init: bash text that makes ``globus-compute-endpoint`` and the model's packages
            available on a node; by default it puts the environment of this process on ``PATH``.
        queue: Slurm's partition, or the queue of PBS; the cluster's default one if None.
        account: the account that the scheduler charges; the operator's default if None.
        walltime: of a job, ``HH:MM:SS`` in whole minutes; an hour if None. A caller who may choose
            it can ask for no more.
        max_blocks: jobs or pods at once; one if None.
        nodes_per_block: nodes of a job; one if None.
        qos: Slurm's quality of service.
        constraint: what Slurm's nodes must be, such as ``cpu``.
        shared_nodes: ask for the workers' CPUs alone, and not for whole nodes.
        mem_per_node: GB (GiB of a pod) to ask for.
        interface: network interface of this machine that nodes reach.
        amqp_port: port to reach Globus at: 443 where 5671 is closed.
        cmd_timeout: seconds to wait for a command of the scheduler.
        container: image that workers run in: Apptainer's, or the pods'.
        public: whether all users find the endpoint in Globus's web application.
        caller_chooses: what a caller may set; each other choice is another process with workers
            of its own.
    """

    bundle: Bundle
    registry: str
    site: str = "slurm"
    workers_per_node: int = 1
    worker_init: str | None = None
    queue: str | None = None
    account: str | None = None
    walltime: str | None = None
    max_blocks: int | None = None
    nodes_per_block: int | None = None
    qos: str | None = None
    constraint: str | None = None
    shared_nodes: bool = False
    mem_per_node: int | None = None
    interface: str | None = None
    amqp_port: int | None = None
    cmd_timeout: int | None = None
    container: str | None = None
    public: bool = False
    caller_chooses: tuple[Choice, ...] = ()

    def at(self, site: Site) -> "EndpointOptions":
        """These options with the site's own values where none was chosen.

        Raises:
            EndpointNotConfigured: one cannot be used, does not fit the site, or is missing.
        """
        asked = sorted(name for name in _SOME if getattr(self, name))
        if unfit := [_flag(name) for name in asked if name not in _FITS[site.provider]]:
            raise EndpointNotConfigured(
                f"{site.title} is of the kind {site.provider!r}, which has no use for "
                f"{', '.join(unfit)}: leave that out, or choose another --site."
            )
        own = ("queue", "interface", "amqp_port", "cmd_timeout", "mem_per_node")
        filled = replace(self, **{n: getattr(site, n) for n in own if getattr(self, n) is None})
        filled._check_values(site)
        wanting = {n for n in site.required if getattr(filled, n) is None}
        if missing := sorted(map(_flag, wanting - set(self.caller_chooses))):
            raise EndpointNotConfigured(f"{site.title} wants {', '.join(missing)}.")
        return filled

    def _check_values(self, site: Site) -> None:
        for name, pattern, what in (
            ("queue", _SCHEDULER_NAME, "the name of a partition or queue"),
            ("account", _SCHEDULER_NAME, "the name of an account"),
            ("qos", _SCHEDULER_NAME, "the name of a quality of service"),
            ("constraint", _CONSTRAINT, "a constraint"),
            ("interface", _INTERFACE, "the name of a network interface"),
            ("container", _IMAGE, "the name of an image"),
        ):
            value = getattr(self, name)
            # Parsl writes it as it is into a line of the job's script.
            if value is not None and not pattern.fullmatch(value):
                raise EndpointNotConfigured(f"{_flag(name)} {value!r} cannot be {what}.")
        for name in (
            "workers_per_node", "max_blocks", "nodes_per_block", "mem_per_node", "cmd_timeout",
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and value < 1:
                raise EndpointNotConfigured(f"{_flag(name)} is {value}; it must be at least 1.")
        if self.amqp_port not in (None, 443, 5671):
            raise EndpointNotConfigured(
                f"--amqp-port is {self.amqp_port}; Globus listens at 443 and at 5671."
            )
        cores = site.cores_per_node
        if cores and self.workers_per_node > cores:
            raise EndpointNotConfigured(
                f"--workers-per-node is {self.workers_per_node}; a node of {site.title} has "
                f"{cores} cores, and each worker wants one."
            )
        if site.provider == "pbs" and (self.nodes_per_block or 1) > 1 and not site.launcher:
            raise EndpointNotConfigured(
                f"What starts workers on several nodes of a job is not known for {site.title}: "
                "leave out --nodes-per-block, and let --max-blocks be the number of nodes."
            )
        if "\r" in (self.worker_init or ""):
            raise EndpointNotConfigured(
                "--worker-init holds a carriage return, as lines of Windows end, which bash would "
                "take for part of a word: end its lines with a plain newline."
            )
        if site.provider == "kubernetes" and holds_secret(self.worker_init or ""):
            raise EndpointNotConfigured(
                "--worker-init holds what looks like a password or a token, and would be sent to "
                "Globus, since a pod reads no file of this machine: leave it out, and give it to "
                "the pods' image."
            )
        drain_period(DEFAULT_WALLTIME if self.walltime is None else self.walltime)
        check_registry(self.registry, site.provider)


DEFAULT_WALLTIME = "01:00:00"


def drain_period(walltime: str) -> int:
    """Seconds after which a job takes no new task: five minutes, or a fifth, before its end.

    Raises:
        EndpointNotConfigured: it is not ``HH:MM:00``, or too short.
    """
    match = _WALLTIME.fullmatch(walltime)
    hours, minutes = map(int, match.groups()) if match else (0, 0)
    total = 3600 * hours + 60 * minutes
    if not total:
        # Slurm is asked for minutes, and takes none for no limit at all.
        raise EndpointNotConfigured(
            f"The walltime {walltime!r} must be HH:MM:SS, in whole minutes and at least a minute."
        )
    return total - min(300, total // 5)


def check_registry(registry: str, provider: Provider) -> None:
    """See whether a worker can make something of the registry's address.

    Raises:
        EndpointNotConfigured: it cannot; says why, without what may be a secret.
    """
    scheme = registry.partition("://")[0].partition("+")[0].lower()
    shown = public_address(registry) or repr(registry)
    if scheme == "sqlite":
        if provider == "kubernetes":
            raise EndpointNotConfigured(
                "The registry is a file of this machine, which no pod sees: run 'mlflow server'."
            )
        # Every task changes its working directory.
        if not registry.partition("://")[2].startswith("//"):
            raise EndpointNotConfigured(
                "The registry must be sqlite:/// with an absolute path: a worker would look for a "
                "relative one in another folder at every task."
            )
        return
    if re.search(r"\s", registry):
        raise EndpointNotConfigured(
            f"The registry {shown} holds a blank: write it as http://host:port, and a blank of a "
            "password as %20."
        )
    if scheme not in _SCHEMES:
        raise EndpointNotConfigured(
            f"The registry {shown} cannot be one: it must be an http(s) "
            "address, a database (postgresql, mysql, mssql), or sqlite:/// with an absolute path."
        )
    if fault := address_fault(registry):
        raise EndpointNotConfigured(fault)
    parts = urlsplit(registry)
    host = parts.hostname or ""
    if not host:
        raise EndpointNotConfigured(
            f"The registry {shown} names no host: write it as http://host:port."
        )
    if provider != "local" and (host in _HERE or host.startswith("127.")):
        raise EndpointNotConfigured(
            f"The registry {shown} is each node's own {host}: name the host as the nodes reach it."
        )
    if provider == "kubernetes" and ("@" in parts.netloc or parts.query):
        raise EndpointNotConfigured(
            f"The registry {shown} would be sent to Globus with its secrets, since a pod reads no "
            "file of this machine: leave them out, and give them to the pods' image as "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
