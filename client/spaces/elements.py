"""The elements: what ``elements.json`` holds, which says where that comes from."""

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def elements() -> dict[str, dict[str, Any]]:
    """By symbol: ``number``, ``electronegativity`` (Pauling; None), ``common`` and ``all`` states.

    They stand in the order in which a chemist writes them: by electronegativity, none comes last.
    """
    path = files(__package__) / "elements.json"
    table = json.loads(path.read_text(encoding="utf-8"))["elements"]

    def place(symbol: str) -> tuple[float, int]:
        value = table[symbol]["electronegativity"]
        return (float("inf") if value is None else value, table[symbol]["number"])

    return {symbol: table[symbol] for symbol in sorted(table, key=place)}
