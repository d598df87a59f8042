"""What a publisher adds to a card before it is published: who made the model, and its DOI.

The file is YAML; ``docs/authors.yaml`` is one to begin with.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from matminer_compute.errors import CardError
from matminer_compute.errors.machine import files

_DOI = re.compile(r"10\.\d{4,9}/\S+")
_ORCID = re.compile(r"(?:https?://orcid\.org/)?(\d{4})-?(\d{4})-?(\d{4})-?(\d{3}[\dXx])")

#: The roles of a contributor that DataCite knows.
Role = Literal[
    "ContactPerson", "DataCollector", "DataCurator", "DataManager", "Distributor", "Editor",
    "HostingInstitution", "Producer", "ProjectLeader", "ProjectManager", "ProjectMember",
    "RegistrationAgency", "RegistrationAuthority", "RelatedPerson", "Researcher", "ResearchGroup",
    "RightsHolder", "Sponsor", "Supervisor", "WorkPackageLeader", "Other",
]  # fmt: skip


def _orcid(text: str) -> str:
    """An ORCID iD in its usual form, if its last character is the check digit of the others.

    ISO 7064 MOD 11-2, as ORCID, "Structure of the ORCID Identifier", describes it.
    """
    found = _ORCID.fullmatch(text.strip())
    if found is None:
        raise ValueError("is no ORCID iD: it has 16 digits, such as 0000-0002-1825-0097")
    digits = "".join(found.groups()).upper()
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    if digits[-1] != ("X" if check == 10 else str(check)):
        raise ValueError("is mistyped: its last character is not the check digit of the others")
    return "-".join(digits[at : at + 4] for at in range(0, 16, 4))


def _doi(text: str) -> str:
    doi = re.sub(r"^(?:https?://(?:dx\.)?doi\.org/|doi:)", "", text.strip(), flags=re.IGNORECASE)
    if not _DOI.fullmatch(doi):
        raise ValueError("is not a DOI: write it as 10.1234/suffix")
    return doi


def _text(value: object) -> object:
    """A year as YAML reads it, as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, Field(min_length=1, pattern=r"\S")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Author(_Part):
    """A person: family name, given names, ORCID iD and where they work."""

    family: Text
    given: Text
    orcid: Annotated[str, AfterValidator(_orcid)] | None = None
    affiliations: tuple[Text, ...] = ()

    @property
    def name(self) -> str:
        """``Family, Given``."""
        return f"{self.family}, {self.given}"


def _somebody(authors: tuple[Author, ...]) -> tuple[Author, ...]:
    if not authors:
        raise ValueError("is empty: name whoever made the model")
    return authors


class Contributor(Author):
    """A person who is no author, and what they did."""

    role: Role = "Other"


class Authors(_Part):
    """Everything that a publication needs and no training knows.

    Attributes:
        authors: who made the model.
        contributors: who helped.
        publisher: who holds it and vouches for it, such as ``Garden-AI``.
        year: of its publication.
        title: instead of one made of the card.
        description: instead of one made of the card.
        doi: of this version; None: none was given yet.
        url: where it is described.
        licence: of the model, such as ``CC-BY-4.0``.
        tags: what else to find it by.
        garden_endpoints: numbers that Garden gave to the endpoints that answer.
    """

    authors: Annotated[tuple[Author, ...], AfterValidator(_somebody)]
    contributors: tuple[Contributor, ...] = ()
    publisher: Text
    year: Annotated[str, BeforeValidator(_text), Field(pattern=r"^[0-9]{4}$")]
    title: Text | None = None
    description: Text | None = None
    doi: Annotated[str, AfterValidator(_doi)] | None = None
    url: Annotated[str, Field(pattern=r"^https?://\S+$")] | None = None
    licence: Text | None = None
    tags: tuple[Text, ...] = ()
    garden_endpoints: tuple[int, ...] = ()


def read_authors(path: str | os.PathLike[str]) -> Authors:
    """Read what a publisher has filled in.

    Raises:
        CardError: a field is missing, unknown or malformed; all such are named.
        FileUnusable: the file cannot be read.
    """
    with files(f"{path} cannot be read"):
        data = Path(path).read_bytes()
    try:
        return Authors.model_validate(yaml.safe_load(data))
    except ValidationError as error:
        wrong = "; ".join(_said(each) for each in error.errors())
        raise CardError(f"{path}: {wrong}.") from error
    except (yaml.YAMLError, RecursionError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f", line {line + 1}"
        raise CardError(
            f"{path}{where}: this is not YAML. docs/authors.yaml is an example."
        ) from error


def _said(error: ErrorDetails) -> str:
    """What is wrong with one field, by its place: ``authors, number 2: family is missing``."""
    place = error["loc"]
    named = ", ".join(f"number {at + 1}" if isinstance(at, int) else str(at) for at in place[:-1])
    last = place[-1] if place else "the file"
    last = f"number {last + 1}" if isinstance(last, int) else str(last)
    field = f"{named}: {last}" if named else last
    kind, message = error["type"], error["msg"]
    if kind == "missing":
        return f"{field} is missing"
    if kind == "extra_forbidden":
        return f"{field} is not a field of this file"
    if kind == "value_error":
        return f"{field} {message.removeprefix('Value error, ')}"
    if kind == "model_type":
        return f"{field} should hold named fields, such as 'authors:' with a list below it"
    if kind == "string_too_short":
        return f"{field} is empty"
    if kind == "string_pattern_mismatch":
        return f"{field} is not written as it should be ({error['input']!r})"
    return f"{field} cannot be used: {message[:1].lower()}{message[1:]}"
