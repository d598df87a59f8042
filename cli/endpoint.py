"""``matminer-compute endpoint``: what an operator uses."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from .commands import Commands
from .doctor import doctor
from .terminal import Column, print_json, say, show

_Command = Callable[..., None]


@click.group(cls=Commands)
def endpoint() -> None:
    """Set up a Globus Compute endpoint that runs the functions."""


def _of_jobs(command: _Command) -> _Command:
    """The options that only some sites have a use for; the others refuse them."""
    for option in reversed(
        (
            click.option("--queue", "--partition", help="Queue, or partition of Slurm's."),
            click.option("--account", help="Account the scheduler charges."),
            click.option(
                "--walltime", show_default="01:00:00", help="Walltime of one job, HH:MM:SS."
            ),
            click.option("--max-blocks", type=int, show_default="1", help="Jobs or pods at once."),
            click.option("--nodes-per-block", type=int, show_default="1", help="Nodes of a job."),
            click.option("--qos", help="Slurm's quality of service."),
            click.option("--constraint", help="What Slurm's nodes must be, such as cpu."),
            click.option("--shared-nodes", is_flag=True, help="Ask for CPUs, not whole nodes."),
            click.option("--mem-per-node", type=int, help="GB to ask for; GiB of a pod."),
            click.option("--interface", help="Network interface of this machine that nodes reach."),
            click.option("--cmd-timeout", type=int, help="Seconds for the scheduler to answer."),
            click.option("--container", metavar="IMAGE", help="Apptainer's image, or the pods'."),
            click.option(
                "--caller-chooses",
                multiple=True,
                type=click.Choice(["account", "queue", "walltime"]),
                help="What a caller may set; repeat it for more.  By default nothing.",
            ),
        )
    ):
        command = option(command)
    return command


@endpoint.command()
@click.argument("name")
@click.option(
    "--site",
    default="slurm",
    show_default=True,
    help="Where workers run: a machine by name, or local, slurm, pbs, kubernetes.",
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
@click.option("--workers-per-node", default=1, show_default=True, help="Workers, a core each.")
@click.option(
    "--worker-init",
    metavar="CMD",
    help="Bash text that activates the workers' environment; this one by default.",
)
@click.option("--build-env", is_flag=True, help="Make that environment first: see 'build-env'.")
@_of_jobs
@click.option("--amqp-port", type=int, help="443 where a site lets nothing else out.")
@click.option("--public", is_flag=True, help="Let all users find it in Globus's web application.")
def init(name: str, bundle: Path, build_env: bool, **options: Any) -> None:
    """Write the folder of the endpoint NAME, ready to be started.

    'endpoint sites' lists the machines that are known by name, and what each of them wants. The
    rest is changed in the folder's files, which say how.
    """
    from matminer_compute.endpoint.configure import EndpointOptions, init_endpoint
    from matminer_compute.registration import Bundle

    known = Bundle.load(bundle)
    if build_env:
        if options["worker_init"] or options["container"]:
            raise click.UsageError("--build-env makes what --worker-init or --container names.")
        from matminer_compute.endpoint.environment import activation, build_environment

        say("The workers' environment is made; that takes some minutes, the first time.")
        environment = build_environment(options["registry"], known.model, "Production")
        options["worker_init"] = activation(environment)
    folder = init_endpoint(name, EndpointOptions(bundle=known, **options))
    print(folder)
    say(f"Look through its files, then run 'globus-compute-endpoint start {shlex.quote(name)}'.")


@endpoint.command()
@click.option("--json", "as_json", is_flag=True, help="All that is known of them, as JSON.")
def sites(as_json: bool) -> None:
    """List the machines that 'endpoint init --site' knows, and what each of them wants."""
    from matminer_compute.endpoint.catalogue import read_site, site_names

    known = {name: read_site(name) for name in site_names()}
    if as_json:
        print_json({name: site.model_dump(mode="json") for name, site in known.items()})
        return
    columns = [Column("site"), Column("machine"), Column("kind"), Column("wants"), Column("read")]
    show(
        columns,
        [
            [
                name,
                site.title,
                site.provider,
                " ".join(f"--{option}" for option in site.required) or None,
                str(max(source.read for source in site.sources)),
            ]
            for name, site in known.items()
        ],
    )


@endpoint.command()
@click.option(
    "--registry",
    envvar="MLFLOW_TRACKING_URI",
    required=True,
    metavar="URI",
    help="MLflow registry, as this machine reaches it.  [env: MLFLOW_TRACKING_URI]",
)
@click.option("--model", default="Matminer", show_default=True, help="Registered model name.")
@click.option("--version", default="Production", show_default=True, help="Alias, stage or number.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where environments are kept, visible to nodes; in your data folder by default.",
)
def build_env(registry: str, model: str, version: str, folder: Path | None) -> None:
    """Make the environment that workers of a model need, unless it is there already.

    It has what the model was trained with, and this machine's version of globus-compute-endpoint,
    in a folder that carries the digest of all that. Prints what --worker-init takes.
    """
    from matminer_compute.endpoint.environment import activation, build_environment

    print(activation(build_environment(registry, model, version, folder)))


@endpoint.command()
@click.argument("name")
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("bundle.json"),
    show_default=True,
    help="The functions that may run; no other will.",
)
def allow(name: str, bundle: Path) -> None:
    """Let the functions of a newly registered bundle run on the endpoint NAME, and no others."""
    from matminer_compute.endpoint.configure import allow_functions
    from matminer_compute.registration import Bundle

    if allow_functions(name, Bundle.load(bundle)):
        say(f"Changed; run 'globus-compute-endpoint restart {shlex.quote(name)}' to use it.")
    else:
        say("They are allowed already.")


endpoint.add_command(doctor)
