"""A set of candidate compositions, written down and not listed."""

import math
import os
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from matminer_compute.errors import SpaceError
from matminer_compute.errors.machine import files
from matminer_compute.functions.spaces.candidates import FORMAT, PART, Candidates

from ..shards import wire_bytes
from .blocks import Block, blocks_of
from .elements import elements
from .forms import AnyForm, Form, Neutral, Ratios, form_of
from .formulas import given, read

#: Combinations of which every worker can look at all, to find those of its part.
_ALL = 1 << 20
#: What a space may weigh as it travels with each task, in bytes.
_BYTES = 900_000


class Space:
    """Candidate compositions: a template, ratios, a substitution or a series.

    ``template``, ``ratios``, ``substitute`` and ``series`` make one, ``load`` reads a file.
    Iterating gives the formulas, each reduced composition once within a part; ``exact`` says
    whether once in the whole space. All take besides their own the arguments ``neutral``,
    ``known``, ``merge``, ``max_atoms``, ``max_amount``, ``min_elements`` and ``max_elements``,
    which mean what they mean in a file (docs/spaces.md).

    Attributes:
        unread: formulas given as ``known`` that could not be read, and so were not left out.
    """

    def __init__(
        self, form: AnyForm, folder: str | os.PathLike[str] = ".", where: str = "space"
    ) -> None:
        self.unread: list[str] = []
        blocks = blocks_of(form, Path(folder), where)
        symbols = {s for block in blocks for s in _symbols(block)}
        ordered = [symbol for symbol in elements() if symbol in symbols]
        space: dict[str, Any] = {
            "format": FORMAT,
            "elements": _with_states(ordered, form.neutral, where),
            "blocks": blocks,
            "neutral": form.neutral is not None,
            "ordered": form.neutral is not None and form.neutral.electronegativity,
            "merge": form.merge,
            "limits": {
                "atoms": form.max_atoms,
                "amount": form.max_amount,
                "elements": [form.min_elements, form.max_elements],
            },
            "known": "",
            "by": "choice",
            "parts": 1,
        }
        sizes = Candidates(space).sizes()
        self.combinations = sum(combinations for _, combinations in sizes)
        if not isinstance(form, Ratios) and self.combinations <= _ALL:
            space["by"] = "composition"
        space["parts"] = _parts(self.combinations, sum(units for units, _ in sizes))
        known = given(form.known, Path(folder), f"{where}: known")
        space["known"] = self._known_here(known, ordered, form)
        if wire_bytes(space) > _BYTES:
            raise SpaceError(
                f"{where}: it weighs {wire_bytes(space):,} bytes; it travels with each task and "
                f"may weigh {_BYTES:,}; name fewer formulas, or split the space."
            )
        self._space = space

    @classmethod
    def template(cls, formula: str, /, **options: Any) -> Self:
        """Each site's elements in a formula: ``Space.template("A2BX4", A=["Ca", "Sr"], ...)``."""
        sites, rest = _apart(options)
        return cls(
            form_of({"kind": "template", "formula": formula, "sites": sites} | rest, "Space")
        )

    @classmethod
    def series(cls, formula: str, /, *, variables: Mapping[str, Any], **options: Any) -> Self:
        """Amounts with letters: ``Space.series("La{1-x}Sr{x}MnO3", variables={"x": [0, 0.5]})``."""
        sites, rest = _apart(options)
        data = {"kind": "series", "formula": formula, "variables": variables, "sites": sites}
        return cls(form_of(data | rest, "Space"))

    @classmethod
    def ratios(cls, elements: Iterable[str], /, *, max_atoms: int, **options: Any) -> Self:
        """All ratios of whole numbers: ``Space.ratios(["Li", "Fe", "O"], max_atoms=12)``."""
        data = {"kind": "ratios", "elements": list(elements), "max_atoms": max_atoms}
        return cls(form_of(data | options, "Space"))

    @classmethod
    def substitute(
        cls,
        formulas: Iterable[str] | os.PathLike[str],
        /,
        *,
        replace: Mapping[str, Any],
        **options: Any,
    ) -> Self:
        """Elements replaced: ``Space.substitute(["NaCl"], replace={"Na": ["K", "Rb"]})``."""
        if not isinstance(formulas, os.PathLike):
            formulas = [formulas] if isinstance(formulas, str) else list(formulas)
        data = {"kind": "substitute", "formulas": formulas, "replace": replace}
        return cls(form_of(data | options, "Space"))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a space from a TOML file.

        Raises:
            SpaceError: it cannot be read, or not be enumerated; names the key.
        """
        path = Path(path)
        with files(f"The space {path} cannot be read", SpaceError):
            data = path.read_bytes()
        try:
            form = form_of(tomllib.loads(data.decode("utf-8-sig")), str(path))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SpaceError(f"{path} is not TOML ({error}); see docs/spaces.md.") from error
        return cls(form, path.parent, str(path))

    @property
    def parts(self) -> int:
        """How many parts it has, numbered from 0, of nearly equal work."""
        parts: int = self._space["parts"]
        return parts

    @property
    def exact(self) -> bool:
        """Whether no composition comes twice in the whole space, not only in a part."""
        blocks = self._space["blocks"]
        if self._space["by"] == "composition" or "of" in blocks[0]:
            return True
        return len(blocks) == 1 and not self._space["merge"] and _disjoint(blocks[0])

    def as_json(self) -> dict[str, Any]:
        """What travels to a worker: JSON-ready, and not to be changed."""
        return self._space

    def count(self) -> int:
        """How many candidates there are, exactly; neutral ones have to be enumerated for it."""
        ratios = all("of" in block for block in self._space["blocks"])
        if ratios and not self._space["neutral"] and not self._space["known"]:
            return self.combinations  # without a common divisor, and of distinct elements
        parts = self._candidates.parts(list(range(self.parts)))
        return sum(len(rows) for _, rows in parts)

    def __iter__(self) -> Iterator[str]:
        for _, rows in self._candidates.parts(list(range(self.parts))):
            yield from self._candidates.texts(rows)

    @cached_property
    def _candidates(self) -> Candidates:
        return Candidates(self._space)

    def _known_here(self, known: list[str], symbols: list[str], form: Form) -> str:
        """Those of the known compositions that could be candidates, as a worker looks them up."""
        place = {symbol: k for k, symbol in enumerate(symbols)}
        required = set(form.required) if isinstance(form, Ratios) else set()
        found: set[str] = set()
        for formula, amounts in read(known):
            if amounts is None:
                self.unread.append(formula)
                continue
            fits = form.min_elements <= len(amounts) <= form.max_elements
            if not (fits and place.keys() >= amounts.keys() >= required):
                continue
            divisor = math.lcm(*(amount.denominator for amount in amounts.values()))
            whole = {symbol: int(amounts[symbol] * divisor) for symbol in amounts}
            common = math.gcd(*whole.values())
            terms = ((s, whole[s] // common) for s in sorted(whole, key=place.__getitem__))
            found.add("".join(s if of == 1 else f"{s}{of}" for s, of in terms))
        return " ".join(sorted(found))


def _apart(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sites, whose names begin with a capital letter, and all other arguments."""
    sites = {name: value for name, value in options.items() if name[:1].isupper()}
    rest = {name: value for name, value in options.items() if name not in sites}
    return sites | dict(rest.pop("sites", {})), rest


def _symbols(block: Block) -> Iterator[str]:
    for symbols in block.get("sites", []) + block.get("fixed", []) + [block.get("elements", [])]:
        yield from symbols


def _with_states(
    symbols: list[str], neutral: Neutral | None, where: str
) -> dict[str, dict[str, Any]]:
    """What a worker needs to know of each element."""
    about = {}
    for symbol in symbols:
        element = elements()[symbol]
        states: list[int] = []
        mixed = False
        if neutral:
            states = neutral.own.get(symbol, element[neutral.states])
            mixed = neutral.mixed if isinstance(neutral.mixed, bool) else symbol in neutral.mixed
            if not states:
                raise SpaceError(
                    f"{where}: neutral: {symbol} has no {neutral.states} oxidation states; leave "
                    f"it out, or write {symbol} = [2] in [neutral.own]."
                )
        about[symbol] = {
            "number": element["number"],
            "electronegativity": element["electronegativity"],
            "states": sorted(set(states)),
            "mixed": mixed,
        }
    return about


def _parts(combinations: int, units: int) -> int:
    """How many parts: a prime number, so that no part meets the same element at each turn."""
    parts = max(1, min(-(-combinations // PART), units))
    while parts < units and any(parts % k == 0 for k in range(2, math.isqrt(parts) + 1)):
        parts += 1
    return parts


def _disjoint(block: Block) -> bool:
    """Whether an element has one place in a block: sites that are told apart share none."""
    columns = list(zip(*block["rows"], strict=True))[1:]
    sites = {(tuple(s), column) for s, column in zip(block["sites"], columns, strict=False)}
    held = Counter(symbol for symbols, _ in sites for symbol in symbols)
    amounts = [row[1:] for row in block["rows"]]
    reduced = {tuple(amount // math.gcd(*row) for amount in row) for row in amounts}
    return max(held.values(), default=0) <= 1 and len(reduced) == len(amounts)
