"""``matminer-compute describe``: what is known of a version, for a reader or a repository."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from matminer_compute.errors import CardError
from matminer_compute.errors.machine import check_writable, files, packages, whole_file

from .terminal import say

if TYPE_CHECKING:
    from matminer_compute.model.card.authors import Authors
    from matminer_compute.model.card.store import Described


@click.command()
@click.option("--model", "name", default="Matminer", show_default=True, help="Registered name.")
@click.option(
    "--version",
    default="Production",
    show_default=True,
    help="Alias, stage or number of the model's version.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "html", "datacite", "garden"]),
    default="markdown",
    show_default=True,
    help="For a reader, or JSON for DataCite or Garden.",
)
@click.option(
    "--authors",
    "authors_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.yaml",
    help="Who made it; needed for DataCite and Garden.",
)
@click.option(
    "--bundle",
    type=click.Path(dir_okay=False, path_type=Path),
    help="For Garden: the ids of the registered functions.",
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file.")
def describe(
    name: str,
    version: str,
    form: str,
    authors_file: Path | None,
    bundle: Path | None,
    output: Path | None,
) -> None:
    """Describe a version of a model: how good it is, trained on what, and where it fails.

    All of it is in the version's card, which training keeps with its MLflow run.
    """
    if bundle and form != "garden":
        raise click.UsageError("--bundle is for --format garden.")
    if output:
        check_writable(output)
    with packages():
        from matminer_compute.endpoint import registry_uri
        from matminer_compute.model.card.authors import read_authors
        from matminer_compute.model.card.store import find

    os.environ.setdefault("MLFLOW_TRACKING_URI", registry_uri())
    authors = read_authors(authors_file) if authors_file else None
    text = _written(find(name, version), form, authors, bundle)
    if output is None:
        click.echo(text, nl=False)
        return
    with whole_file(output) as part, files(f"{output} cannot be written"):
        part.write_text(text, encoding="utf-8")
    say(f"{output} describes {name} version {version}.")


def _written(
    described: "Described", form: str, authors: "Authors | None", bundle: Path | None
) -> str:
    """The description, ending with a newline."""
    if form == "markdown":
        from matminer_compute.model.card.markdown import markdown

        return markdown(described.card, authors)
    if form == "html":
        from matminer_compute.model.card.page import page

        return page(described, authors)
    if authors is None:
        raise CardError(
            f"The format {form} needs to know who made the model, when, and who publishes it: give "
            "a file with --authors, such as docs/authors.yaml."
        )
    if form == "datacite":
        from matminer_compute.model.card.datacite import datacite

        return _json(datacite(described.card, authors))
    from matminer_compute import registration
    from matminer_compute.model.card.garden import garden

    checked = registration.check(bundle) if bundle else None
    return _json(garden(described.card, authors, checked))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
