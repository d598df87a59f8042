"""One formula: what is refused, and what to write instead."""

from __future__ import annotations

import itertools
import re
import unicodedata

from .numerals import FACTOR, FormulaError

VARIABLE = r"(?:(?![φ])[a-zα-ω](?![a-z])|delta)"
WHY_NOT = [  # why a character has no place in a formula, by what the text is from there on
    (rf"[0-9.]*\s*[-+±∓]+\s*\(?[0-9.]*\s*{VARIABLE}", "holds a variable: write a number"),
    (r"[0-9.]+\s*[-+]", "belongs to a charge: charges are not part of a composition"),
    (r"(?<=[(\[{])[0-9]+[)\]}]", "is an uncertainty or a charge: leave it out"),
    (r"0(?![0-9.])", "is no amount here: did you mean the letter O?"),
    (
        r"[0-9]",
        "is an amount that follows no element: an adduct is written with · (CuSO4·5H2O), and"
        " isotopes are not part of a composition",
    ),
    (
        r"-\s*[0-9.]+\s*[A-Z(\[{]",
        "is not part of a formula: amounts must be positive, and an adduct is written with ·",
    ),
    (
        r"\+\s*[0-9.]*\s*[A-Z(\[{]",
        "is not part of a formula: leave charges out, and write an adduct with ·; reactions and"
        " mixtures have no one composition",
    ),
    (r"[-+]\s*[a-z]", "is not part of a formula: leave names and labels out"),
    (r"-\s*[A-Z(\[{]", "is not part of a formula: write the elements with amounts, no dashes"),
    (r"[-+±]", "is not part of a formula: charges are not part of a composition"),
    (r"[\^⁰¹²³⁴-⁹⁺⁻]", "is not part of a formula: charges and isotopes are left out"),
    (
        r"[,;|&]|/\s*[A-Z(\[{]",
        "is not part of a formula: write one formula a row, and every element with its amount",
    ),
    (r"/", "is not part of a formula: write a fraction as a decimal"),
    (r"\.", "is not part of a formula: write an adduct with · or *"),
    (r":", "is not part of a formula: write an adduct with ·, a dopant as an amount"),
    (r"@", "is not part of a formula: a composite has no composition; write the amounts"),
    (r"%", "is not part of a formula: amounts are numbers of atoms"),
    (r"[=#>→⇌]", "is not part of a formula: neither reactions nor SMILES are read"),
    (r"[□☐]", "is not part of a formula: leave vacancies out"),
    (r"^\s*(?:[α-ω]|[a-w]-|(?:alpha|beta|gamma|delta)\b)", "is a phase label: leave it out"),
    (VARIABLE, "is a variable: write a number"),
    (r"[a-z]", "is not an element: a symbol begins with a capital letter"),
]
CURIOUS = re.compile(r"[^A-Za-z0-9]|I[IV]|OAc|THF|^[0-9]")  # others are plain
PLACEHOLDERS = {"A", "M", "R", "X", "L", "Q", "Ln", "RE", "REE", "TM", "Me", "Et", "Ph", "Bu"}
ANIONS = {"H", "C", "N", "O", "F", "P", "S", "Cl", "Se", "Br", "Te", "I"}
WHY_NOT_READ = [(re.compile(pattern), reason) for pattern, reason in WHY_NOT]

COUNT = r"(?:[1-9]|[12][0-9]|3[0-6])"  # how many molecules an adduct may have
MOLECULE = (  # what a chemist adds with a dot: water, ammonia, acids, gases, organic molecules
    r"(?:[HDT]2[O0]2?|HDO|OH2|HOH|N[HD]3|N2H4|NH2OH|[HD](?:F|Cl|Br|I)|HNO3|H2SO4|H3PO4|H2S|[CS]O2"
    r"|CCl4|CS2|(?=[A-Z0-9()]*?H)[HNO(]*[0-9]*C(?:[0-9CHDNOFIPS()]|Cl|Br)*)"
)
END_OF_PART = r"(?=[ \t]*(?:[·*.)\]}]|x\s|\n|\Z))"
ADDUCT_OR_DECIMAL = re.compile(  # CuSO4.5H2O, NaCl.2H2O
    rf"\.(?P<count>{COUNT})[ \t]*(?=[HDTNCSO(])"
    rf"(?:{MOLECULE}|\({MOLECULE}\)[0-9]*){END_OF_PART}"
)
AMOUNT_BEFORE = re.compile(r"[A-Za-z)\]}](?:[1-9][0-9]*|\s*)\Z")  # neither Na0.5 nor ·1.5
PART_OR_DECIMAL = re.compile(  # CaO.6Al2O3, KCl.2MgCl2: the element before the stop ends the part
    r"(?P<last>[A-Z][a-z]?)(?:[0-9]*[)\]}])?[ \t]*(?:[2-9]|[1-9][0-9]+)?[ \t]*"
    rf"\.(?P<count>{COUNT})[ \t]*(?=[A-Z])(?:[A-Z][a-z]?[0-9]*|[()])*?(?P=last)[0-9]*"
    rf"(?:\)[0-9]*)?{END_OF_PART}"
)
ROMAN = re.compile(
    r"(?<=\S)\s*(?P<it>[(\[{]\s*(?:I{1,3}|IV|VI{0,3})\s*[)\]}])|(?<=[A-Za-z])(?P<bare>II+|IV)(?![a-z])"
    r"|(?<=[A-Za-z0-9)\]}])\s+(?P<apart>II+|IV|VI+)\s*$"
)
ABBREVIATION = re.compile(r"O(?:Ac(?![0-9])|(?:Pr|Ts)(?=[)\]}]))|THF")
MISREAD = [  # what the grammar would read, and a chemist means otherwise
    (
        re.compile(r"(?P<it>,)(?=[0-9])"),
        "is not part of a formula: write a decimal with a point, and one formula a row",
    ),
    (
        re.compile(r"\S\s*(?P<it>[\t\n\r\v\f\x85\u2028\u2029])\s*\S"),
        "breaks the line: write one formula a row",
    ),
    (ROMAN, "reads as an oxidation number: leave it out, or write elements without brackets"),
    (
        re.compile(
            r"(?<=\S)(?P<it>\s*[(\[{]\s*(?:[A-Z][a-z]?|[BDFP][0-9]+|C[1-5]?[0-9])\s*[)\]}])"
            r"(?=\s*(?:$|[·*]))"
            # CsCl B2: behind a compound in one piece, an element apart is none; nor is Ni FCC's F
            r"|^\s*[A-Z][a-z]?[^\s]*[A-Z][^\s]*(?P<bare>\s+[A-Z][a-z]?[0-9]?)\s*$"
            r"|\S(?P<apart>\s+(?:FCC|BCC|HCP|BCT|N[PWST]s?|NCs?|QDs?))\s*$"
        ),
        "reads as a phase label: leave it out, or write the element without brackets and spaces",
    ),
    (
        re.compile(r"(?P<it>[(\[{]\s*(?![xyznδ]\s*[)\]}])[a-zα-ω][^()\[\]{}]*[)\]}])"),
        "is a state, a phase or an oxidation number: leave it out",
    ),
    (
        re.compile(
            rf"^\s*{FACTOR}\s*(?:[^\s·*]+(?P<it>\s+[A-Z(\[{{])|\S*[)\]}}][0-9]*(?P<bare>\.[0-9]+[(\[{{]))"
        ),
        "follows a number in front of a formula: write · between its parts",
    ),
    (
        re.compile(r"^\s*(?P<it>[0-9]+)\s*[A-Z][a-z]?\s*$"),
        "counts nothing: isotopes are not part of a composition",
    ),
    (ABBREVIATION, "is an abbreviation: write its atoms (acetate as CH3COO, THF as C4H8O)"),
]


def check_meaning(text: str) -> None:
    """Refuse what could be read, but is likely to mean something else.

    Raises:
        FormulaError: names the place, and what to write instead.
    """
    stops = (ADDUCT_OR_DECIMAL, PART_OR_DECIMAL) if "." in text else ()
    for dot in itertools.chain.from_iterable(pattern.finditer(text) for pattern in stops):
        stop, end = dot.start("count") - 1, dot.end("count")
        if AMOUNT_BEFORE.search(text[:stop]):
            zeros = "00" if dot["count"] in {"1", "2", "3"} else "0"  # too many for an adduct
            raise FormulaError(
                f"the stop at position {stop + 1} may begin an adduct or decimals: write"
                f" {text[:stop]}·{text[stop + 1 :]}"
                f" or {text[:end]}{zeros}{text[end:]}"
            )
    for pattern, reason in MISREAD:
        if found := pattern.search(text):
            group = next((name for name, part in found.groupdict().items() if part), 0)
            it = found[group].strip() or found[group]
            place = found.start(group) + found[group].index(it) + 1
            raise FormulaError(f"{it!r} at position {place} {reason}")


def why_not(text: str, at: int) -> str:
    """Why the character at a place of a text cannot be read, as the end of a sentence."""
    for pattern, reason in WHY_NOT_READ:
        if pattern.match(text, at):
            return reason
    if text[at].isalpha():
        name = unicodedata.name(text[at], "a letter of another script").lower()
        return f"is not a Latin letter but {name}"
    return "is not part of a formula"


def no_element(symbol: str, known: dict[str, int]) -> str:
    """What a capital letter with those behind it is, if not an element."""
    if symbol[:-1] in known and symbol[-1] in "xyznmd":
        return f"is not an element: if {symbol[-1]!r} is a variable, write a number"
    if symbol in PLACEHOLDERS:
        return "is not an element: write those that it stands for"
    for cut in range(1, len(symbol)):
        if symbol[:cut] in known and (anion := symbol[cut:].title()) in ANIONS:
            return f"is not an element: did you mean {symbol[:cut]}{anion}?"
    return "is not an element"
