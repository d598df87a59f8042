"""``matminer-compute predict`` and ``featurize``: what a caller uses."""

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from matminer_compute.errors.machine import files, packages, whole_file

from .formulas import asked
from .session import client_options, interval_option, open_client
from .terminal import Column, is_for_a_person, print_json, say, show

if TYPE_CHECKING:
    from matminer_compute.client import Features, Predictions
    from matminer_compute.client.row import Row


@click.command()
@click.argument("formulas", nargs=-1, metavar="FORMULA...")
@client_options
@interval_option
@click.option(
    "--chain",
    type=click.Choice(["endpoint", "client"]),
    default="endpoint",
    show_default=True,
    help="Both steps in one task there, or two tasks with the features in between.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def predict(
    formulas: tuple[str, ...],
    endpoint: UUID | None,
    bundle: Path | None,
    timeout: float | None,
    as_json: bool,
    **which: Any,
) -> None:
    """Predict the property of each FORMULA.

    A - stands for standard input, a formula a line. A pipe gets tab-separated lines.
    """
    wanted = asked(formulas)
    with open_client(endpoint, bundle, **which) as client:
        predictions = client.predict(wanted, timeout=timeout)
    if as_json:
        print_json(predictions.to_dict())
    else:
        _show(predictions)
        _explain(predictions)
    _fail_if_none(predictions)


@click.command()
@click.argument("formulas", nargs=-1, metavar="FORMULA...")
@client_options
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A .csv or .parquet file; CSV on standard output by default.",
)
def featurize(
    formulas: tuple[str, ...],
    endpoint: UUID | None,
    bundle: Path | None,
    timeout: float | None,
    output: Path | None,
    **which: Any,
) -> None:
    """Write the features of each FORMULA, a column each.

    A - stands for standard input, a formula a line.
    """
    if output and output.suffix not in (".csv", ".parquet"):
        raise click.UsageError(f"--output must end in .csv or .parquet, not {output.suffix!r}.")
    if output and output.suffix == ".parquet":
        with packages("write .csv"):
            import_module("pyarrow.parquet")  # before the work, not after it
    wanted = asked(formulas)

    def features() -> "Features":
        with open_client(endpoint, bundle, **which) as client:
            return client.featurize(wanted, timeout=timeout)

    if output is None:
        made = features()
        made.to_csv(sys.stdout)
    else:
        with whole_file(output) as part:
            made = features()
            with files(f"{output} cannot be written"):
                _write(made, part, output.suffix)
    for row, reason in made.rejected.items():
        say(f"{made.formulas[row]}: rejected, {reason}")
    _fail_if_none(made)


def _show(predictions: "Predictions") -> None:
    unit = f" ({predictions.unit})" if predictions.unit else ""
    title, short = f"{predictions.property}{unit}", is_for_a_person()
    columns = (
        Column("formula"),
        Column("value", in_full=title, digits=5),
        Column("std", digits=3, yields=True),
        Column("lower", digits=4, yields=True),
        Column("upper", digits=4, yields=True),
        Column("in_training", digits=5, yields=True),
        *((Column(""),) if short else (Column("rejected"), Column("outside"))),
    )
    rows = [
        (
            row.formula,
            None if row.rejected else row.value,
            row.std,
            row.lower,
            row.upper,
            row.in_training,
            *((_remark(row),) if short else (row.rejected, row.outside)),
        )
        for row in predictions
    ]
    show(columns, rows, title)


def _remark(row: "Row") -> str | None:
    """Where a terminal would have a sentence in a column of few characters; it comes below."""
    return "rejected" if row.rejected else "outside" if row.outside else None


def _explain(predictions: "Predictions") -> None:
    """Say what was noteworthy, and which versions answered, where."""
    if is_for_a_person():  # a pipe has a column of them
        for row, reason in predictions.rejected.items():
            say(f"{predictions.formulas[row]}: rejected, {reason}")
    for row, reason in predictions.outside.items():
        say(f"{predictions.formulas[row]}: outside the training data, {reason}")
    for half in (predictions.model, predictions.featurizer):
        say(f"{half['name']} version {half['version']}, run {half['run_id']}")
    for worker in predictions.workers[:1]:
        seconds = ", ".join(f"{what} {s:.4f}" for what, s in worker["seconds"].items())
        say(
            f"{'cold' if worker['cold'] else 'warm'} worker {worker['pid']} on {worker['host']}, "
            f"Python {worker['python']}; seconds: {seconds}"
        )
    if any(row.lower is not None for row in predictions):
        say(f"lower to upper: holds the true value in {predictions.interval:.0%} of all cases")
    elif predictions.no_interval:
        say(predictions.no_interval)
    if predictions.stale:
        say("The registry was away: the last known version answered.")
    for warning in predictions.warnings:
        say(f"Warning: {warning}")


def _fail_if_none(answer: "Predictions | Features") -> None:
    if len(answer.rejected) == len(answer):
        raise click.ClickException("None of the formulas could be used.")


def _write(features: "Features", path: Path, suffix: str) -> None:
    if suffix == ".csv":
        features.to_csv(path)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"formula": list(features.formulas)}
    table = pa.table(columns | dict(zip(features.labels, features.matrix.T, strict=True)))
    pq.write_table(table, path)
