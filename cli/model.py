"""``matminer-compute model``: what a publisher uses."""

import json
import os
import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from matminer_compute.errors import RegistryError
from matminer_compute.functions.worker.address import public_address
from matminer_compute.model.__main__ import featurizers_option, train

from .commands import Commands
from .terminal import Column, show

if TYPE_CHECKING:
    from matminer_compute.model import Promotion, Published, VersionInfo

_METRICS = ("MAE", "RMSE", "R2")
_NAME = click.option(
    "--model", "name", default="Matminer", show_default=True, help="Registered name."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(cls=Commands)
def model() -> None:
    """Train, publish and promote models in the MLflow registry."""
    from matminer_compute.endpoint import registry_uri

    # The same registry that the embedded endpoint's workers load from.
    os.environ.setdefault("MLFLOW_TRACKING_URI", registry_uri())


model.add_command(train)


@model.command()
@click.argument("skops_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--property", "property_name", required=True, help="What the model predicts.")
@click.option("--unit", required=True, help="In which unit.")
@click.option("--name", default="Matminer", show_default=True, help="Registered name.")
@click.option(
    "--element-property-preset",
    default="magpie",
    show_default=True,
    help="Preset of the features it was trained on.",
)
@click.option(
    "--calibrate",
    "calibrate_on",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A CSV of formulas and known values that it was not trained on, for errors and intervals.",
)
@featurizers_option
@_JSON
def publish(as_json: bool, skops_file: Path, **options: Any) -> None:
    """Register a fitted scikit-learn regressor from SKOPS_FILE, trained elsewhere."""
    from matminer_compute.model import publish_estimator

    published = publish_estimator(skops_file, **options)
    if as_json:
        click.echo(json.dumps(asdict(published), indent=2))
        return
    click.echo(
        f"{published.name} version {published.version} with {published.featurizer} version "
        f"{published.featurizer_version}."
    )
    if options["calibrate_on"]:
        _show_judged(published)
    click.echo(f"Next: {_command('promote', published.version, published.name)}")


def _show_judged(published: "Published") -> None:
    """How well it does on the rows that were given for that."""
    from matminer_compute.model import list_versions

    version = next(v for v in list_versions(published.name) if v.version == published.version)
    _print_table(f"{version.name} ({version.unit}), on rows it was not trained on", [version])


@model.command()
@click.argument("version", required=False)
@_NAME
@click.option("--alias", default="Production", show_default=True, help="What to point at it.")
@click.option("--force", is_flag=True, help="Even if it is clearly worse than the one before.")
@_JSON
def promote(version: str | None, name: str, alias: str, force: bool, as_json: bool) -> None:
    """Mark VERSION (the newest by default) and its featurizer as Production."""
    from matminer_compute.model import promote as promote_pair

    done = promote_pair(version, model=name, alias=alias, force=force)
    if as_json:
        click.echo(json.dumps(asdict(done), default=str, indent=2))
        return
    same = done.previous == done.version
    before = f", before it version {done.previous}" if done.previous and not same else ""
    before = ", as before" if same else before
    click.echo(
        f"{done.alias}: {done.name} version {done.version} with {done.featurizer} "
        f"version {done.featurizer_version}{before}."
    )
    _show_both(done)
    named = "" if name == "Matminer" else f" --model {shlex.quote(name)}"
    which = "" if alias == "Production" else f" --version {alias}"
    click.echo(f"Next: matminer-compute predict NaCl{named}{which}")


def _show_both(done: "Promotion") -> None:
    """Old and new side by side, if there was an old one."""
    if done.old is None or done.old.version == done.new.version:
        return
    now, before = replace(done.new, aliases=("now",)), replace(done.old, aliases=("before",))
    _print_table(f"{done.name} ({done.new.unit})", [now, before])
    if not done.same_data:
        click.echo("Their errors were measured on different rows: they say little of each other.")


@model.command("list")
@_NAME
@_JSON
def list_(name: str, as_json: bool) -> None:
    """List a model's versions, their metrics, and which is Production."""
    from matminer_compute.model import list_versions

    versions = list_versions(name)
    if as_json:
        rows = [asdict(v) | {"created": v.created.isoformat()} for v in versions]
        click.echo(json.dumps({"model": name, "versions": rows}, allow_nan=False))
        return
    units = ", ".join(sorted({version.unit for version in versions}))
    _print_table(f"{name} ({units})", versions)
    if not any(version.aliases for version in versions):
        click.echo(f"Next: {_command('promote', versions[0].version, name)}")


def _print_table(title: str, versions: "list[VersionInfo]") -> None:
    columns = (
        Column("version", whole=True),
        Column("created", yields=True, whole=True),
        *(Column(metric, digits=4, yields=metric != "MAE") for metric in _METRICS),
        Column("in 90%", in_full="coverage of the 90% interval", digits=3, yields=True),
        Column("featurizer", yields=True, whole=True),
        Column("marked", whole=True),
    )
    rows = [
        (
            version.version,
            f"{version.created:%Y-%m-%d}",
            *(version.metrics.get(metric) for metric in (*_METRICS, "coverage_90")),
            version.featurizer_version,
            ", ".join(version.aliases) or None,
        )
        for version in versions
    ]
    show(columns, rows, title)


@model.command()
@click.argument("version")
@_NAME
@_JSON
def delete(version: str, name: str, as_json: bool) -> None:
    """Delete VERSION, and the featurizer's that only it needed; never one that is in use."""
    from matminer_compute.model import delete_version

    done = delete_version(version, model=name)
    if as_json:
        click.echo(json.dumps(asdict(done), indent=2))
        return
    other = f", and {done.featurizer} version {done.featurizer_version}" if done.featurizer else ""
    click.echo(f"Deleted {done.name} version {done.version}{other}; the runs are kept.")


@model.command()
def registry() -> None:
    """Print the registry's address, for MLflow's own commands; make the embedded one if missing."""
    from matminer_compute.model.registry import connected

    uri = os.environ["MLFLOW_TRACKING_URI"]
    if public_address(uri) != uri:
        raise RegistryError(
            "MLFLOW_TRACKING_URI is set, and holds a password, which is not printed: MLflow's own "
            "commands read it from there."
        )
    with connected(create=True):
        click.echo(uri)


def _command(name: str, version: str, model_name: str) -> str:
    named = "" if model_name == "Matminer" else f" --model {shlex.quote(model_name)}"
    return f"matminer-compute model {name} {version}{named}"
