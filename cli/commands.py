"""The group that all commands hang from: one way to fail, and the nearest name for a slip."""

import difflib
import io
import sys
from typing import Any

import click

from matminer_compute.errors import FileUnusable, MatminerComputeError
from matminer_compute.errors.machine import files, sentence

from .terminal import make_legible, say


class Commands(click.Group):
    """Says which command was meant, and shows an error as the sentence it is, not a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run as a program."""
        make_legible(sys.stdout)
        make_legible(sys.stderr)
        try:
            try:
                return super().main(*args, **kwargs)
            finally:
                _flush()  # a full disk is met here, and not after all is over
        except MatminerComputeError as error:
            _fail(str(error))
        except (OSError, ModuleNotFoundError) as error:
            _fail(sentence(error))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            names = _names(self)
            near = difflib.get_close_matches(args[0], names, n=3)
            if near:
                error.message += f" Did you mean {' or '.join(repr(names[n]) for n in near)}?"
            raise


def _names(group: click.Group) -> dict[str, str]:
    """What a person may type for each command, those of groups below without the group's name."""
    names: dict[str, str] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            names |= {below: f"{name} {full}" for below, full in _names(command).items()}
        names[name] = name
    return names


def _fail(text: str) -> None:
    say(f"Error: {text}")
    sys.exit(1)


def _flush() -> None:
    output = sys.stdout
    try:
        with files("Standard output cannot be written"):
            output.flush()
    except FileUnusable as error:
        sys.stdout = io.StringIO()  # else Python tries again at its end
        if not isinstance(error.__cause__, BrokenPipeError):  # whoever reads has seen enough
            raise
