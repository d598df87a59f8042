"""``matminer-compute model``: what a publisher uses."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import click


@click.group()
def model() -> None:
    """Train, publish and promote models in the MLflow registry."""
    from matminer_compute.endpoint import registry_uri

    # The same registry that the embedded endpoint's workers load from.
    os.environ.setdefault("MLFLOW_TRACKING_URI", registry_uri())


@model.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True},
    short_help="Train a model and register it; nothing is promoted.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def train(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Train: the MLflow project's own entry, ``python -m matminer_compute.model``."""
    from matminer_compute.model.__main__ import main

    ctx.exit(main(arguments, program="matminer-compute model train"))


@model.command()
@click.argument("skops_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--property", "property_name", required=True, help="What the model predicts.")
@click.option("--unit", required=True, help="In which unit.")
@click.option("--name", default="Matminer", show_default=True, help="Registered model name.")
@click.option(
    "--element-property-preset",
    default="magpie",
    show_default=True,
    help="Preset of the features it was trained on.",
)
def publish(
    skops_file: Path, property_name: str, unit: str, name: str, element_property_preset: str
) -> None:
    """Register a fitted scikit-learn regressor from SKOPS_FILE, trained elsewhere."""
    from matminer_compute.model import publish_estimator

    published = publish_estimator(
        skops_file,
        property_name=property_name,
        unit=unit,
        name=name,
        element_property_preset=element_property_preset,
    )
    click.echo(json.dumps(asdict(published), indent=2))


@model.command()
@click.argument("version", required=False)
@click.option("--model", "name", default="Matminer", show_default=True, help="Registered name.")
@click.option("--alias", default="Production", show_default=True, help="What to point at it.")
def promote(version: str | None, name: str, alias: str) -> None:
    """Mark VERSION (the newest by default) and its featurizer as Production."""
    from matminer_compute.model import promote as promote_pair

    done = promote_pair(version, model=name, alias=alias)
    before = f", before it version {done.previous}" if done.previous else ""
    click.echo(
        f"{done.alias}: {done.name} version {done.version} with {done.featurizer} "
        f"version {done.featurizer_version}{before}."
    )


@model.command("list")
@click.option("--model", "name", default="Matminer", show_default=True, help="Registered name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(name: str, as_json: bool) -> None:
    """List a model's versions, their metrics, and which is Production."""
    from rich.console import Console
    from rich.table import Table

    from matminer_compute.model import list_versions

    versions = list_versions(name)
    if as_json:
        rows = [asdict(v) | {"created": v.created.isoformat()} for v in versions]
        click.echo(json.dumps({"model": name, "versions": rows}))
        return
    units = ", ".join(sorted({version.unit for version in versions}))
    table = Table(title=f"{name} ({units})" if units else name)
    for column in ("version", "created", "MAE", "RMSE", "R2", "featurizer", "marked"):
        table.add_column(column, no_wrap=True)
    for version in versions:
        metrics = (version.metrics.get(metric) for metric in ("MAE", "RMSE", "R2"))
        table.add_row(
            version.version,
            f"{version.created:%Y-%m-%d}",
            *(f"{metric:.4f}" if metric is not None else "" for metric in metrics),
            version.featurizer_version,
            ", ".join(version.aliases),
        )
    Console().print(table)
