"""``matminer-compute register``."""

import click


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
    short_help="Register the functions with Globus Compute; write bundle.json.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def register(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Register the functions: the script ``python -m matminer_compute.registration``."""
    from matminer_compute.registration.__main__ import main

    ctx.exit(main(arguments, program="matminer-compute register"))
