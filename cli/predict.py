"""``matminer-compute predict`` and ``featurize``: what a caller uses."""

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO
from uuid import UUID

import click

from .session import client_options, open_client

if TYPE_CHECKING:
    from matminer_compute.client import Features, Predictions


@click.command()
@click.argument("formulas", nargs=-1, required=True, metavar="FORMULA...")
@client_options
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
    """Predict the property of each FORMULA."""
    with open_client(endpoint, bundle, **which) as client:
        predictions = client.predict(formulas, timeout=timeout)
    if as_json:
        click.echo(json.dumps(predictions.to_dict(), ensure_ascii=False))
    else:
        show(predictions)


@click.command()
@click.argument("formulas", nargs=-1, required=True, metavar="FORMULA...")
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
    """Write the features of each FORMULA, a column each."""
    if output and output.suffix not in (".csv", ".parquet"):
        raise click.UsageError(f"--output must end in .csv or .parquet, not {output.suffix!r}.")
    with open_client(endpoint, bundle, **which) as client:
        features = client.featurize(formulas, timeout=timeout)
    for row, reason in features.rejected.items():
        click.echo(f"{formulas[row]}: rejected, {reason}", err=True)
    if output is None:
        _write_csv(features, sys.stdout)
    elif output.suffix == ".csv":
        with output.open("w", newline="", encoding="utf-8") as file:
            _write_csv(features, file)
    else:
        _write_parquet(features, output)


def show(predictions: "Predictions") -> None:
    """Print a table for a person, and on standard error who gave it."""
    from rich.console import Console
    from rich.table import Table

    unit = f" ({predictions.unit})" if predictions.unit else ""
    table = Table()
    table.add_column("formula")
    table.add_column(f"{predictions.property}{unit}", justify="right")
    table.add_column("std", justify="right")
    for row, formula in enumerate(predictions.formulas):
        if row in predictions.rejected:
            table.add_row(formula, f"[red]{predictions.rejected[row]}[/red]", "")
        else:
            std = predictions.std[row]
            mark = " !" if row in predictions.outside else ""
            table.add_row(
                formula + mark, f"{predictions.values[row]:.4f}", f"{std:.4f}" if std == std else ""
            )
    Console().print(table)
    explain(predictions)


def explain(predictions: "Predictions") -> None:
    """Say on standard error which versions answered, where, and what was noteworthy."""
    for half in (predictions.model, predictions.featurizer):
        click.echo(f"{half['name']} version {half['version']}, run {half['run_id']}", err=True)
    for worker in predictions.workers[:1]:
        seconds = ", ".join(f"{what} {s:.4f}" for what, s in worker["seconds"].items())
        click.echo(
            f"{'cold' if worker['cold'] else 'warm'} worker {worker['pid']} on {worker['host']}, "
            f"Python {worker['python']}; seconds: {seconds}",
            err=True,
        )
    for row, reason in predictions.outside.items():
        click.echo(f"! {predictions.formulas[row]}, outside the training data: {reason}", err=True)
    if predictions.stale:
        click.echo("The registry was away: the last known version answered.", err=True)
    for warning in predictions.warnings:
        click.echo(f"Warning: {warning}", err=True)


def _write_csv(features: "Features", file: TextIO) -> None:
    writer = csv.writer(file)
    writer.writerow(["formula", *features.labels])
    for formula, row in zip(features.formulas, features.matrix.tolist(), strict=True):
        writer.writerow([formula, *("" if value != value else value for value in row)])


def _write_parquet(features: "Features", path: Path) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as missing:
        raise click.UsageError(
            "Writing parquet needs pyarrow: install it, or write .csv."
        ) from missing
    columns = {"formula": list(features.formulas)}
    table = pa.table(columns | dict(zip(features.labels, features.matrix.T, strict=True)))
    pq.write_table(table, path)
