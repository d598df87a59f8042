"""What is publicly known of the machines that ``endpoint init`` knows by name.

The facts stand in ``sites/NAME.yaml``, each file with the pages they were read from and when. What
no page says is left out there, and to a flag or to the operator.
"""

import difflib
from datetime import date
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, PositiveInt

from matminer_compute.errors import EndpointNotConfigured
from matminer_compute.errors.machine import packages

Provider = Literal["local", "slurm", "pbs", "kubernetes"]


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Facts):
    """Where facts were read, and when."""

    url: HttpUrl
    read: date


class Launcher(_Facts):
    """What starts the pool of workers on each node of a job."""

    type: Literal["MpiExecLauncher"]
    bind_cmd: str
    overrides: str


class Site(_Facts):
    """One machine, or any machine of one kind.

    Attributes:
        title: its name in full, and whose it is.
        provider: what starts workers there.
        sources: where all this was read.
        required: options that its jobs are refused or held without, and that have no value here.
        interface: network interface at which nodes reach the machine of the endpoint.
        amqp_port: where the port of AMQP over TLS, 5671, is closed.
        cmd_timeout: seconds to wait for a command of the scheduler.
        queue: partition or queue of ordinary CPU nodes.
        cores_per_node: physical cores of such a node.
        threads_per_core: hardware threads that the scheduler counts as CPUs.
        mem_per_node: GB that a job must ask for.
        launcher: where one job has several nodes; Slurm needs none.
        scheduler_lines: lines that each job must have.
        select_options: more for the ``select`` of PBS.
        scratch: folder of a node's own disk.
        environment: variables that a job must set.
    """

    title: str
    provider: Provider
    sources: tuple[Source, ...] = Field(min_length=1)
    required: tuple[Literal["account", "queue", "qos", "constraint", "container"], ...] = ()
    interface: str | None = None
    amqp_port: Literal[443, 5671] | None = None
    cmd_timeout: PositiveInt | None = None
    queue: str | None = None
    cores_per_node: PositiveInt | None = None
    threads_per_core: PositiveInt = 1
    mem_per_node: PositiveInt | None = None
    launcher: Launcher | None = None
    scheduler_lines: tuple[str, ...] = ()
    select_options: str = ""
    scratch: str = "/tmp"  # noqa: S108  the nodes' own, and the script looks whose the folder is
    environment: dict[str, str] = {}


def site_names() -> list[str]:
    """The names of all sites."""
    folder = resources.files(__package__) / "sites"
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir())


def read_site(name: str) -> Site:
    """The facts of one site.

    Raises:
        EndpointNotConfigured: there is none of this name.
        PackageMissing: globus-compute-endpoint, which reads YAML, is not installed.
    """
    names = site_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise EndpointNotConfigured(
            f"There is no site {name!r}.{hint} 'matminer-compute endpoint sites' lists them; for "
            "any other machine take local, slurm, pbs or kubernetes."
        )
    with packages():
        import yaml
    text = (resources.files(__package__) / "sites" / f"{name}.yaml").read_text(encoding="utf-8")
    return Site.model_validate(yaml.safe_load(text))
