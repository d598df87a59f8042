"""``matminer-compute screen``: candidates of any number, from file to file."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import click

from .session import endpoints_options, interval_option, open_client
from .terminal import Column, is_for_a_person, print_json, say, show

if TYPE_CHECKING:
    from matminer_compute.client.row import Row
    from matminer_compute.client.screened import Screening
    from matminer_compute.client.spaces import Space

_SHARDS_MISSING = 3
_INTERRUPTED = 130


@click.command()
@click.argument(
    "source", metavar="INPUT", required=False, type=click.Path(path_type=Path, allow_dash=True)
)
@click.option(
    "--space",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="SPACE.toml",
    help="Candidates made on the workers, instead of INPUT.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A .csv, .jsonl or .parquet file, the first two also .gz.",
)
@click.option("--column", help="The column of formulas; by default the one with such a name.")
@click.option("--top", type=click.IntRange(min=1), help="Keep so many rows, in order.")
@click.option(
    "--order",
    type=click.Choice(["lowest", "highest"]),
    default="lowest",
    show_default=True,
    help="Which are the top.",
)
@click.option("--below", type=float, help="Keep values below this.")
@click.option("--above", type=float, help="Keep values above this.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A page of HTML about what was found.",
)
@click.option("--restart", is_flag=True, help="Begin anew, whatever was left or stands there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@endpoints_options
@interval_option
def screen(
    source: Path | None,
    space: Path | None,
    output: Path,
    column: str | None,
    top: int | None,
    order: Literal["lowest", "highest"],
    below: float | None,
    above: float | None,
    report: Path | None,
    restart: bool,
    as_json: bool,
    endpoints: tuple[UUID, ...],
    bundle: Path | None,
    **which: Any,
) -> None:
    """Predict every formula of INPUT, a file of any length, or every candidate of a space.

    INPUT is a .txt, .csv, .tsv, .jsonl or .parquet file, packed (.gz) or not, or - for standard
    input. Should the command end before it is done, the same command goes on where it was.
    """
    from matminer_compute.client.numerals import count

    with ExitStack() as stack:
        if space and report and space.resolve() == report.resolve():
            raise click.UsageError(f"--report would replace {space}, the space: name another file.")
        candidates = stack.enter_context(_candidates(source, space))
        client = stack.enter_context(open_client(endpoints, bundle, **which))
        try:
            found = client.screen(
                candidates,
                output,
                column=column,
                top=top,
                order=order,
                below=below,
                above=above,
                report=report,
                restart=restart,
                command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            )
        except KeyboardInterrupt:
            say("Stopped. The same command goes on from here.")
            raise SystemExit(_INTERRUPTED) from None
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    if as_json:
        print_json(_as_json(found))
    else:
        everything = top is None and below is None and above is None
        which_first = order if top else "lowest" if everything else "first that are kept"
        _summarize(found, found.lowest if everything else found.first, which_first)
    if found.failed:
        rows = count(found.failed, "row")
        say(f"Without an answer: {rows}, in a .failed.csv beside {output}.")
        raise SystemExit(_SHARDS_MISSING)
    if found.rows and found.rejected == found.rows:
        raise click.ClickException("None of the formulas could be used.")


@contextmanager
def _candidates(source: Path | None, space: Path | None) -> "Iterator[Path | Space]":
    if (source is None) == (space is None):
        both = "" if space is None else ", not both"
        raise click.UsageError(f"Give INPUT, a file of formulas, or --space SPACE.toml{both}.")
    if space is not None:
        from matminer_compute.client.spaces import Space

        yield Space.load(space)
    elif str(source) == "-":
        from matminer_compute.client.screening.inputs import kept

        with kept(click.get_binary_stream("stdin")) as path:
            yield path
    else:
        assert source is not None
        yield source


def _as_json(found: "Screening") -> dict[str, Any]:
    said = asdict(found) | {"rows": found.rows, "tally": found.tally.as_json()}
    ended = {"started": found.started.isoformat(), "ended": found.ended.isoformat()}
    for row in said["first"]:
        row["value"] = row["value"] if row["rejected"] is None else None  # JSON has no NaN
    return said | ended | {"output": str(found.output)}


def _summarize(found: "Screening", some: "Sequence[Row]", which: str) -> None:
    """Show some rows of the output, which are called what they are, and say the rest."""
    from matminer_compute.client.numerals import count

    unit = f" ({found.unit})" if found.unit else ""
    show(
        (
            Column("formula"),
            Column("value", in_full=f"{found.property}{unit}", digits=5),
            Column("std", digits=3, yields=True),
            Column("lower", digits=5, yields=True),
            Column("upper", digits=5, yields=True),
            Column("" if is_for_a_person() else "outside", yields=True),
        ),
        [(r.formula, r.value, r.std, r.lower, r.upper, _outside(r)) for r in some],
        f"The {which}: {found.property}{unit}",
    )
    seconds = (found.ended - found.started).total_seconds()
    rate = f", {found.rate:,.0f} a second" if found.rate >= 1 else ""
    say(f"{count(found.rows, 'row')} in {seconds:,.1f} s{rate}")
    for half in (found.model, found.featurizer):
        say(f"{half['name']} version {half['version']}")
    for reason, rows in found.tally.rejected.most_common():
        say(f"rejected: {rows:,}, {reason}")
    if found.tally.outside:
        say(f"outside the training data: {found.tally.outside:,} of those with a value")
    say(f"{count(found.kept, 'row')} in {found.output}")


def _outside(row: "Row") -> str | None:
    """The reason for a pipe; a terminal has no room for ten of them."""
    return "outside" if row.outside and is_for_a_person() else row.outside
