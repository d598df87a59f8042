"""One formula: from foreign text to the characters of the grammar."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from typing import Any


class Memo(dict[str, Any]):
    """What a function made of each text so far."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, text: str) -> Any:
        value = self[text] = self.make(text)
        return value


DOTS = "·•∙⋅∗⁎⦁・ㆍ‧˙●◦∘⋆⚫⸱⸳ᐧ×✕✖⨯⨉"  # of adducts; the first stands for all
DASHES = "‐‑‒–—―−⁃"
MARK = "\0"  # where markup was: it keeps a subscript apart from a number that follows it
MARKUP = re.compile(
    r"(?i:</?(?:sub|inf)\b[^<>]*>)|\$|\\[,;:! ()]"
    r"|\\(?:mathrm|mathsf|mathbf|mathit|textrm|text|rm|ce|ch|left|right)(?![a-z])"
    r"|\\[dt]?frac\{(?P<over>[0-9]+)\}\{(?P<under>[0-9]+)\}"
    r"|(?:_|\\textsubscript)\{(?P<braced>[^{}]*)\}|_(?=[0-9.])|~(?P<tilded>[0-9.]+)~"
    r"|(?P<subscript>[₀-₉]+(?:\.[₀-₉]+)*)|(?P<sup>(?i:</?sup\b[^<>]*>))|\\(?P<command>[a-z]+)"
)
COMMANDS = {"cdot": "·", "cdotp": "·", "bullet": "·", "times": "·", "ast": "·", "delta": "δ"}
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")


def one_character(character: str) -> str:
    """What a character stands for in the grammar, where it stands for anything.

    Full-width, mathematical and other forms of ASCII become ASCII, ½ becomes " 1/2", and what
    cannot be seen vanishes. Superscripts stay: they are charges or isotopes, never amounts.
    """
    if character.isascii() or "₀" <= character <= "₉":
        return character
    if character in DOTS:
        return DOTS[0]
    if character in DASHES:
        return "-"
    if character in "⁄∕":
        return "/"
    if unicodedata.category(character) == "Cf" or character in "\ufe0e\ufe0f":
        return ""
    kind = unicodedata.decomposition(character).partition(" ")[0]
    form = unicodedata.normalize("NFKC", character)
    if kind == "<fraction>":
        form = " " + form
    if kind in {"<super>", "<circle>", "<square>"} or form == character:
        return character
    return "".join(map(one_character, form))


CHARACTERS = Memo(one_character)  # at most one entry for each character there is


def without_markup(found: re.Match[str]) -> str:
    """What a piece of HTML, LaTeX or Markdown leaves in the text."""
    if found["sup"]:
        return "^"
    if command := found["command"]:
        return COMMANDS.get(command, "\\" + command)
    if found["over"]:
        return f" {found['over']}/{found['under']}"
    inside = found["braced"] or found["tilded"] or found["subscript"] or ""
    return MARK + inside.translate(SUBSCRIPTS) + MARK


def tidy(text: str) -> str:
    """A formula without markup, in the characters of the grammar."""
    if MARK in text:
        return text
    if "&" in text:
        text = html.unescape(text)
    if not text.isascii():
        text = "".join(map(CHARACTERS.__getitem__, text))
    text = MARKUP.sub(without_markup, text)
    if MARK in text:
        text = re.sub(f"(?<=[0-9]){MARK}+(?=\\.?[0-9])", " ", text).replace(MARK, "")
        text = re.sub(r"^\s*\{([^{}]*)\}\s*$", r"\1", text)  # \ce{...}
    return text
