"""``matminer-compute register``: what makes the functions callable."""

from pathlib import Path
from uuid import UUID

import click

from matminer_compute.errors.machine import check_writable

from .terminal import say


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("bundle.json"),
    show_default=True,
    help="The bundle: ids of the functions, for your callers.",
)
@click.option("--check", is_flag=True, help="Compare it with the source; change nothing.")
@click.option("--public", is_flag=True, help="Every Globus user may call the functions.")
@click.option("--group", type=click.UUID, metavar="UUID", help="A Globus group may call them.")
def register(output: Path, check: bool, public: bool, group: UUID | None) -> None:
    """Register the functions with Globus Compute and write the bundle.

    Doing it twice changes nothing. It prints what lets an endpoint run these functions only.
    """
    from matminer_compute import registration

    if public and group:
        raise click.UsageError("--public and --group exclude each other.")
    if check:
        if public or group:
            raise click.UsageError("--check changes nothing, and takes no --public or --group.")
        registration.check(output)
        say(f"{output} matches the source.")
        return
    from matminer_compute.registration.service import service_registrar

    check_writable(output)  # before anyone is asked to log in
    bundle = registration.register(
        service_registrar(), output, public=public, group=str(group) if group else None
    )
    say(f"{output} is up to date: give it to your callers. An endpoint allows:")
    click.echo(bundle.endpoint_configuration(), nl=False)
