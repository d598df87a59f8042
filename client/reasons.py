"""Reasons for rejection, of which each may be about one formula, as few kinds that can be counted.

The sentences are the featurizer's, and travel with it; one that is not known here is ``OTHER``.
Counting by kind stays small over any number of rows, and adds up in any order.
"""

import re
from functools import lru_cache

OTHER = "another reason"

#: What a sentence says, foreign text left out; the first that it holds is its kind.
KINDS = (
    "may begin an adduct or decimals",
    "stands between two elements",
    "begins with 0",
    "is zero",
    "is an amount that follows no element",
    "is no amount here",
    "a formula must be text",
    "the formula is empty",
    "a formula has at most 1000 characters",
    "is a variable",
    "holds a variable",
    "is not an element",
    "is not a Latin letter",
    "is an abbreviation",
    "nothing follows",
    "closes no bracket",
    "is not closed",
    "follows nothing",
    "belongs to a charge",
    "is an uncertainty or a charge",
    "reads as an oxidation number",
    "is a state, a phase or an oxidation number",
    "reads as a phase label",
    "is a phase label",
    "charges are not part of a composition",
    "charges and isotopes are left out",
    "counts nothing: isotopes are not part of a composition",
    "amounts must be positive",
    "an amount is negative or not a number",
    "no amount reaches 1e-08",
    "is over 1e+12",
    "amounts are numbers of atoms",
    "an atomic number is not between",
    "breaks the line",
    "write one formula a row",
    "follows a number in front of a formula",
    "write an adduct with ·",
    "write a fraction as a decimal",
    "write a decimal with a point",
    "leave names and labels out",
    "leave vacancies out",
    "no dashes",
    "a composite has no composition",
    "neither reactions nor SMILES are read",
    "is not part of a formula",
    "has no data for",
    "have too many combinations of oxidation states",
    OTHER,
)
#: What is about one formula: quoted, or put forward instead.
_FOREIGN = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|at position [0-9]+"""
    r"|: did you mean .*|(?<=decimals): write .*|(?<=letter) but .*",
    re.DOTALL,
)


def kind(reason: str) -> str:
    """Which of ``KINDS`` a reason is; a kind is its own."""
    return _kind(_FOREIGN.sub("", reason))


@lru_cache(maxsize=4096)
def _kind(sentence: str) -> str:
    return next((kind for kind in KINDS if kind in sentence), OTHER)
