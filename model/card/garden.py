"""A card as Garden's metadata: what the original published as ``metadata.json``.

The fields are those that the client ``garden-ai`` 3.2.3 has for a garden: ``GardenMetadata``, or as
long as there is no DOI ``GardenCreateRequest``. Each of ``functions`` is one of its
``HpcFunctionCreateRequest``. Garden knows no pipelines any more: ``steps`` tells a reader what the
original's pipeline told, and Garden's client ignores it.
"""

from __future__ import annotations

from collections.abc import Iterable
from inspect import getdoc, getsource, signature
from typing import Any

from matminer_compute.registration import FUNCTIONS, Bundle

from .authors import Author, Authors
from .datacite import subjects
from .record import Card
from .works import dois_in, works_of

#: The chain from formulas to values, in order.
STEPS = ("featurize_composition", "predict")
_FUNCTIONS = (*STEPS, "predict_composition")
_NOT_NEEDED = ("matminer-compute", "python")  # of what a model was trained with, by a worker


def garden(card: Card, authors: Authors, bundle: Bundle | None = None) -> dict[str, Any]:
    """The metadata of a version and of the functions that answer for it.

    Args:
        card: of the version.
        authors: what the publisher adds.
        bundle: has the ids of the functions; without it none are named.

    Raises:
        BundleError: a step is not in the bundle.
    """
    said: dict[str, Any] = {
        "doi": authors.doi,
        "title": authors.title or card.title(),
        "authors": _names(authors.authors),
        "contributors": _names(authors.contributors),
        "description": authors.description or card.abstract(),
        "publisher": authors.publisher,
        "year": authors.year,
        "language": "en",
        "tags": subjects(card, authors),
        "version": card.version,
        "steps": [_step(name, bundle) for name in STEPS],
        "functions": [_function(name, card, authors) for name in _FUNCTIONS],
    }
    return {field: value for field, value in said.items() if value is not None}


def _step(name: str, bundle: Bundle | None) -> dict[str, Any]:
    step: dict[str, Any] = {"title": name, "signature": f"{name}{signature(FUNCTIONS[name])}"}
    step["description"] = (getdoc(FUNCTIONS[name]) or "").partition("\n")[0]
    if bundle is not None:
        step["uuid"] = bundle.function_id(name)
        step["sha256"] = bundle.functions[name].sha256
    return step


def _function(name: str, card: Card, authors: Authors) -> dict[str, Any]:
    """What Garden asks for, to make a function of its own of one of ours."""
    return {
        "function_name": name,
        "title": f"{name} of {card.name} version {card.version}",
        "description": getdoc(FUNCTIONS[name]),
        "year": authors.year,
        "authors": _names(authors.authors),
        "tags": subjects(card, authors),
        "function_text": getsource(FUNCTIONS[name]),
        "requirements": [f"{p}=={v}" for p, v in card.software.items() if p not in _NOT_NEEDED],
        "test_functions": _tests(name, card),
        "models": [
            {
                "model_identifier": card.name,
                "model_repository": "MLflow",
                "model_version": card.version,
            }
        ],
        "datasets": _datasets(card),
        "papers": _papers(card),
        "endpoint_ids": list(authors.garden_endpoints),
    }


def _tests(name: str, card: Card) -> list[str]:
    """Tests of a function that its own text is enough for; ``predict`` needs features."""
    if name == "predict":
        return []
    owner = card.name if name == "predict_composition" else card.featurizer
    number = card.version if name == "predict_composition" else card.featurizer_version
    return [
        f"def test_{name}():\n"
        f"    answer = {name}(['NaCl'], name={owner!r}, version={number!r})\n"
        "    assert answer['rows'] == [0]\n"
    ]


def _datasets(card: Card) -> list[dict[str, Any]]:
    if card.data is None:
        return []
    where = "Matbench" if "matbench" in card.data.attribution else "not stated"
    about = {"repository": where, "data_type": f"compositions, {card.quantity()}"}
    return [{"title": card.data.source, **about}]


def _papers(card: Card) -> list[dict[str, Any]]:
    papers: list[dict[str, Any]] = [
        {
            "title": work.title,
            "authors": list(work.authors),
            "doi": work.doi,
            "citation": str(work),
        }
        for work in works_of(card)
    ]
    if card.data is not None:
        credit = {"title": f"Data: {card.data.source}", "citation": card.data.attribution}
        papers += [{**credit, "doi": doi} for doi in dois_in(card.data.attribution)]
    return papers


def _names(people: Iterable[Author]) -> list[str]:
    return list(dict.fromkeys(person.name for person in people))
