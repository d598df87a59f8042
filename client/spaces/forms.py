"""The four ways to write a space down, as TOML or as arguments; each key is checked here."""

import difflib
import os
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from matminer_compute.errors import SpaceError

from ..foreign import in_our_words
from .elements import elements
from .pattern import NAME

#: What to write for a key, in the sentence of an error.
_EXAMPLES = {
    "kind": 'kind = "template" (or "ratios", "substitute", "series")',
    "formula": 'formula = "A2BX4"',
    "sites": 'A = ["Ca", "Sr"] in [sites]',
    "elements": 'elements = ["Li", "Fe", "O"]',
    "required": 'required = ["O"]',
    "formulas": 'formulas = ["NaCl", "Fe2O3"], or the name of a file of formulas',
    "replace": 'Na = ["K", "Rb"] in [replace]',
    "variables": "x = {from = 0, to = 1, step = 0.05} in [variables]",
    "neutral": 'states = "common" (or "all") in [neutral]',
    "states": 'states = "common" (or "all")',
    "own": "Fe = [2, 3] in [neutral.own]",
    "mixed": 'mixed = true, or mixed = ["Fe", "Mn"]',
    "electronegativity": "electronegativity = true",
    "known": 'known = ["Fe2O3"], or the name of a file of formulas',
    "merge": "merge = true",
    "max_atoms": "max_atoms = 16",
    "max_amount": "max_amount = 8",
    "min_elements": "min_elements = 2",
    "max_elements": "max_elements = 4",
}


def _element(symbol: Any) -> str:
    if not isinstance(symbol, str) or symbol not in elements():
        raise ValueError(f"{symbol!r} is not an element")
    return symbol


def _fraction(value: Any) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        raise ValueError(f"{value!r} is not a number")
    return Fraction(str(value))  # 0.05 is 1/20


def _grid(value: Any) -> list[Fraction]:
    """The values of a letter: a list, or from, to and step."""
    if not isinstance(value, Mapping):
        if not isinstance(value, list | tuple) or not value:
            raise ValueError("it has no values")
        return [_fraction(one) for one in value]
    if set(value) != {"from", "to", "step"}:
        raise ValueError("it needs from, to and step")
    start, end, step = (_fraction(value[key]) for key in ("from", "to", "step"))
    if step <= 0 or end < start:
        raise ValueError("its step is not positive, or to is below from")
    return [start + k * step for k in range(int((end - start) / step) + 1)]


def _site(name: Any) -> str:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a site; a site is a capital letter, A or B'")
    return name


def _path(given: Any) -> Any:
    return os.fspath(given) if isinstance(given, os.PathLike) else given


Element = Annotated[str, BeforeValidator(_element)]
Elements = Annotated[list[Element], Field(min_length=1), BeforeValidator(
    lambda value: [value] if isinstance(value, str) else value)]  # fmt: skip
Site = Annotated[str, BeforeValidator(_site)]
#: A list of them, or a file.
Formulas = Annotated[str | list[str], BeforeValidator(_path)]
Positive = Annotated[int, Field(ge=1)]


class Neutral(BaseModel):
    """What makes a composition neutral: a table of oxidation states, and how they are taken.

    ``states`` names the table, ``own`` replaces it for some elements. Each element takes one state;
    the atoms of those that are ``mixed`` (all of them: true) may have different ones.
    ``electronegativity``: every cation must be less electronegative than every anion.
    """

    model_config = ConfigDict(extra="forbid")

    states: Literal["common", "all"] = "common"
    own: dict[Element, list[int]] = Field(default_factory=dict)
    mixed: bool | Elements = False
    electronegativity: bool = False


def _neutral(given: Any) -> Any:
    """``true`` is the table of common states; ``"all"`` names the other."""
    short = {True: {}, False: None, "common": {}, "all": {"states": "all"}}
    if isinstance(given, bool | str):
        if given not in short:
            raise ValueError(f"there is no table of states {given!r}")
        return short[given]
    return given


class Form(BaseModel):
    """What every space may say.

    ``known``: compositions to leave out, as formulas or a file of them. ``merge``: an element may
    be at several sites (its amounts are added); such candidates are left out otherwise. Limits on
    amounts are those of the formula as it is printed: whole amounts have no common divisor.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    neutral: Annotated[Neutral | None, BeforeValidator(_neutral)] = None
    known: Formulas = Field(default_factory=list)
    merge: bool = False
    max_atoms: Positive | None = None
    max_amount: Positive | None = None
    min_elements: Positive = 1
    max_elements: Positive = 100


class Template(Form):
    """Each site's elements in one formula."""

    kind: Literal["template"]
    formula: str
    sites: dict[Site, Elements]


class Series(Form):
    """A formula whose amounts hold letters; it may have sites too."""

    kind: Literal["series"]
    formula: str
    variables: dict[str, Annotated[list[Fraction], BeforeValidator(_grid)]]
    sites: dict[Site, Elements] = Field(default_factory=dict)


class Ratios(Form):
    """All ratios of whole numbers of ``min_elements`` to ``max_elements`` of the elements."""

    kind: Literal["ratios"]
    elements: Elements
    required: list[Element] = Field(default_factory=list)
    max_atoms: Positive
    min_elements: Positive = 2
    max_elements: Positive = 3


class Substitute(Form):
    """Given formulas, in which each element of ``replace`` becomes each of its list."""

    kind: Literal["substitute"]
    formulas: Formulas
    replace: dict[Element, Elements]


AnyForm = Template | Series | Ratios | Substitute
_READER: TypeAdapter[AnyForm] = TypeAdapter(Annotated[AnyForm, Field(discriminator="kind")])


def form_of(data: Mapping[str, Any], where: str) -> AnyForm:
    """The form that ``data`` is; ``where`` begins the sentence of an error.

    Raises:
        SpaceError: names the first key at fault, and what to write.
    """
    try:
        return _READER.validate_python(dict(data))
    except ValidationError as invalid:
        errors = invalid.errors()
    ours = [error for error in errors if error["type"] == "value_error"]
    error = (ours or errors)[0]
    kind = error["type"]
    keys = [str(key) for key in error["loc"][1:] if re.fullmatch(r"[A-Za-z_']+", str(key))]
    keys = [key for key in keys if key not in ("bool", "str")] or ["kind"]
    what = in_our_words(error["msg"])
    if kind == "missing":
        what = "it is missing"
    elif kind == "extra_forbidden":
        what = f"{data['kind']} has no such key"
    elif kind.startswith("union_tag"):
        given = data.get("kind")
        what = "it is missing" if given is None else f"there is no kind {given!r}"
    known = [key for key in reversed(keys) if key in _EXAMPLES and kind != "extra_forbidden"]
    known += difflib.get_close_matches(keys[-1], _EXAMPLES.keys() - {keys[-1]}, n=1)
    example = _EXAMPLES[known[0]] if known else ""
    advice = f"; write {example}" if example else ""
    raise SpaceError(f"{where}: {'.'.join(keys)}: {what}{advice}.")
