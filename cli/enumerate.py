"""``matminer-compute enumerate``: the candidates of a space."""

import sys
from pathlib import Path

import click

from .terminal import say


@click.command("enumerate")
@click.argument("space", type=click.Path(dir_okay=False, path_type=Path), metavar="SPACE.toml")
@click.option("--count", is_flag=True, help="Print how many there are, and nothing else.")
def enumerate_space(space: Path, count: bool) -> None:
    """Print the candidates of a space, a formula a line."""
    from matminer_compute.client.spaces import Space

    candidates = Space.load(space)
    for formula in candidates.unread:
        say(f"Warning: known: {formula!r} cannot be read, so it is not left out.")
    if count:
        click.echo(candidates.count())
        return
    if not candidates.exact:
        say("The same composition may come more than once, in different parts of this space.")
    for formula in candidates:
        sys.stdout.write(f"{formula}\n")
