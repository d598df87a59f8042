"""``matminer-compute functions``: what travels, for whoever wants to read it."""

import click

from .commands import Commands


@click.group(cls=Commands)
def functions() -> None:
    """Read the functions that run on an endpoint."""


@functions.command()
@click.argument("name")
def show(name: str) -> None:
    """Print the whole text that travels for the function NAME."""
    import inspect

    from matminer_compute.registration import FUNCTIONS

    if name not in FUNCTIONS:
        raise click.UsageError(f"There is no function {name!r}; there are {', '.join(FUNCTIONS)}.")
    click.echo(inspect.getsource(FUNCTIONS[name]), nl=False)
