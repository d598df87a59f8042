"""Formulas with letters: for sites (A2BX4), and for amounts (La{1-x}Sr{x}MnO3)."""

import ast
import operator
import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

Amounts = dict[str, Fraction]

NAME = re.compile(r"[A-Z][a-z]?'*")
_NUMBER = r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+"
_TOKEN = re.compile(
    rf"(?P<name>{NAME.pattern})|(?P<open>[(\[])|(?P<close>[)\]])"
    rf"|(?P<number>{_NUMBER})|\{{(?P<expression>[^{{}}]*)\}}|(?P<wrong>\S)"
)
_OPERATIONS: dict[type[ast.operator], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def amounts_of(text: str, values: Mapping[str, Fraction] | None = None) -> Amounts:
    """Amounts by name (an element's symbol, or a site), in order of first appearance.

    Args:
        text: symbols and sites with amounts behind them, brackets; ``{...}`` is an amount that is
            computed.
        values: of the letters in these.

    Raises:
        ValueError: it cannot be read; says what is wrong.
    """
    tokens = [*_TOKEN.finditer(text)]
    amounts = _sequence(iter([*tokens, None]), values or {}, inside=False)
    if not amounts:
        raise ValueError("it is empty")
    return amounts


def letters_of(text: str) -> set[str]:
    """The letters of the amounts that are computed."""
    expressions = (found["expression"] for found in _TOKEN.finditer(text))
    return {letter for some in expressions if some for letter in re.findall(r"[A-Za-z]+", some)}


def _sequence(
    tokens: "Iterator[re.Match[str] | None]",
    values: Mapping[str, Fraction],
    inside: bool,
) -> Amounts:
    """What stands up to the end, or up to the bracket that closes."""
    total: Amounts = {}
    last: Amounts = {}  # what an amount that follows belongs to

    def close() -> None:
        for name, amount in last.items():
            total[name] = total.get(name, Fraction(0)) + amount

    for found in tokens:
        kind = found.lastgroup if found else "close"
        if found and kind in ("number", "expression"):
            if not last:
                raise ValueError(f"{found[0]!r} at position {found.start() + 1} follows no element")
            factor = _value(found[kind], values)
            last = {name: amount * factor for name, amount in last.items()}
            close()
            last = {}
            continue
        close()
        last = {}
        if kind == "close":
            if inside == (found is None):
                raise ValueError("its brackets do not match")
            return total
        assert found
        if kind == "name":
            last = {found[0]: Fraction(1)}
        elif kind == "open":
            last = _sequence(tokens, values, inside=True)
        else:
            raise ValueError(f"{found[0]!r} at position {found.start() + 1} has no place in it")
    raise AssertionError("the last token ends it")


def _value(text: str, values: Mapping[str, Fraction]) -> Fraction:
    """The value of an expression such as 2-x/2, or 2x."""
    plain = re.sub(r"(?<=[0-9)])\s*(?=[A-Za-z(])", "*", text.strip())
    try:
        return _evaluated(ast.parse(plain, mode="eval").body, plain, values)
    except SyntaxError:
        raise ValueError(f"{{{text}}} is no amount; write a sum such as {{1-x}}") from None
    except ZeroDivisionError:
        raise ValueError(f"{{{text}}} divides by zero") from None


def _evaluated(node: ast.expr, text: str, values: Mapping[str, Fraction]) -> Fraction:
    match node:
        case ast.BinOp(left, of, right) if type(of) in _OPERATIONS:
            operands = (_evaluated(side, text, values) for side in (left, right))
            result: Fraction = _OPERATIONS[type(of)](*operands)
            return result
        case ast.UnaryOp(ast.USub(), of):
            return -_evaluated(of, text, values)
        case ast.Constant(int() | float()):
            return Fraction(ast.get_source_segment(text, node) or "")  # 0.05 is 1/20
        case ast.Name(letter) if letter in values:
            return values[letter]
        case ast.Name(letter):
            raise ValueError(f"nothing says what {letter} in {{{text}}} is")
    raise ValueError(f"{{{text}}} is no amount; write a sum such as {{1-x}}")
