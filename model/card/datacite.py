"""A card as DataCite 4.5 JSON: what a repository asks for, to give a DOI.

The form is that of the schema ``datacite-v4.5.json`` (https://schema.datacite.org/meta/kernel-4.5/).
"""

from __future__ import annotations

from typing import Any

from .authors import Author, Authors, Contributor
from .record import Card
from .works import dois_in, works_of

_SCHEMA = "http://datacite.org/schema/kernel-4"


def datacite(card: Card, authors: Authors) -> dict[str, Any]:
    """The metadata of a version, less what is not known.

    Args:
        card: of the version.
        authors: what the publisher adds.
    """
    said: dict[str, Any] = {
        "schemaVersion": _SCHEMA,
        "types": {
            "resourceTypeGeneral": "Model",
            "resourceType": f"Machine-learned model of the {card.quantity()} of compositions",
        },
        "titles": [{"title": authors.title or card.title()}],
        "creators": [_person(author) for author in authors.authors],
        "contributors": [_contributor(each) for each in authors.contributors],
        "publisher": {"name": authors.publisher},
        "publicationYear": authors.year,
        "doi": authors.doi,
        "url": authors.url,
        "version": card.version,
        "language": "en",
        "dates": [{"date": f"{card.created:%Y-%m-%d}", "dateType": "Created"}],
        "subjects": [{"subject": subject} for subject in subjects(card, authors)],
        "rightsList": [{"rights": authors.licence}] if authors.licence else [],
        "descriptions": [
            {"description": text, "descriptionType": kind}
            for text, kind in _descriptions(card, authors)
        ],
        "relatedIdentifiers": _related(card),
        "alternateIdentifiers": [
            {"alternateIdentifier": card.run_id, "alternateIdentifierType": "MLflow run"}
        ],
    }
    return {field: value for field, value in said.items() if value}


def subjects(card: Card, authors: Authors) -> list[str]:
    """What to find a version by."""
    own = ("materials science", "machine learning", card.quantity())
    return list(dict.fromkeys(subject for subject in (*own, *authors.tags) if subject))


def _person(author: Author) -> dict[str, Any]:
    person: dict[str, Any] = {
        "name": author.name,
        "nameType": "Personal",
        "givenName": author.given,
        "familyName": author.family,
    }
    if author.affiliations:
        person["affiliation"] = [{"name": name} for name in dict.fromkeys(author.affiliations)]
    if author.orcid:
        person["nameIdentifiers"] = [
            {
                "nameIdentifier": f"https://orcid.org/{author.orcid}",
                "nameIdentifierScheme": "ORCID",
                "schemeUri": "https://orcid.org",
            }
        ]
    return person


def _contributor(contributor: Contributor) -> dict[str, Any]:
    return {**_person(contributor), "contributorType": contributor.role}


def _descriptions(card: Card, authors: Authors) -> list[tuple[str, str]]:
    limits = " ".join(card.limits)
    said = [(authors.description or card.abstract(), "Abstract"), (limits, "TechnicalInfo")]
    if card.data is not None:
        said.append((card.data.attribution, "Other"))
    return [(text, kind) for text, kind in said if text]


def _related(card: Card) -> list[dict[str, str]]:
    of_data = [] if card.data is None else dois_in(card.data.attribution)
    return [
        {"relatedIdentifier": doi, "relatedIdentifierType": "DOI", "relationType": "References"}
        for doi in dict.fromkeys([*(work.doi for work in works_of(card)), *of_data])
    ]
