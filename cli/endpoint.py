"""``matminer-compute endpoint``: what an operator uses."""

from pathlib import Path
from typing import Any

import click

from .commands import Commands
from .terminal import say


@click.group(cls=Commands)
def endpoint() -> None:
    """Set up a Globus Compute endpoint that runs the functions."""


@endpoint.command()
@click.argument("name")
@click.option(
    "--template",
    type=click.Choice(["slurm", "local"]),
    default="slurm",
    show_default=True,
    help="Where workers run: jobs of a cluster, or this machine.",
)
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("bundle.json"),
    show_default=True,
    help="The functions that may run; no other will.",
)
@click.option(
    "--registry",
    envvar="MLFLOW_TRACKING_URI",
    required=True,
    metavar="URI",
    help="MLflow registry, as a worker reaches it.  [env: MLFLOW_TRACKING_URI]",
)
@click.option("--partition", help="Slurm's partition; the cluster's default one by default.")
@click.option("--account", help="Whom Slurm charges; your default account by default.")
@click.option("--walltime", show_default="01:00:00", help="Of one job of Slurm's, HH:MM:SS.")
@click.option(
    "--max-blocks", type=int, show_default="1", help="Jobs of Slurm's at once, a node each."
)
@click.option("--workers-per-node", default=1, show_default=True, help="Workers, a core each.")
@click.option(
    "--worker-init",
    metavar="CMD",
    help="Bash text that activates the workers' environment; this one by default.",
)
def init(name: str, bundle: Path, **options: Any) -> None:
    """Write the folder of the endpoint NAME, ready to be started.

    The rest is changed in its files, which say how.
    """
    from matminer_compute.endpoint.configure import EndpointOptions, init_endpoint
    from matminer_compute.registration import Bundle

    folder = init_endpoint(name, EndpointOptions(bundle=Bundle.load(bundle), **options))
    print(folder)
    say(f"Look through its files, then run 'globus-compute-endpoint start {name}'.")
