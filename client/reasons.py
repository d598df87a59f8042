"""Reasons for rejection, of which each may be about one formula, as few kinds that can be counted.

The sentences are the featurizer's, and travel with it, or those of who reads a file; one that is
not known here is ``OTHER``. Counting by kind stays small over any number of rows, and adds up in
any order.
"""

import re
from functools import lru_cache

OTHER = "another reason"

#: Kinds by what a sentence says, foreign text left out; the first that it holds counts.
KINDS = {
    "cells where the header has": "a row with too few or too many cells",
    "its line is no JSON object": "a line that is no JSON object",
    "may begin an adduct or decimals": "a stop that may begin an adduct or decimals",
    "stands between two elements": "an amount between two elements, with spaces",
    "begins with 0": "an amount that begins with 0",
    "is no amount here": "a 0 that may be the letter O",
    "is zero": "an amount of zero",
    "is an amount that follows no element": "an amount that follows no element",
    "a formula must be text": "no text",
    "the formula is empty": "an empty formula",
    "a formula has at most 1000 characters": "over 1,000 characters",
    "is a variable": "a variable in place of an amount",
    "holds a variable": "a variable in place of an amount",
    "is not a Latin letter": "a letter that is not Latin",
    "is not an element": "a symbol of no element",
    "is an abbreviation": "an abbreviation",
    "nothing follows": "brackets or dots that do not match",
    "closes no bracket": "brackets or dots that do not match",
    "is not closed": "brackets or dots that do not match",
    "follows nothing": "brackets or dots that do not match",
    "is an uncertainty or a charge": "an uncertainty or a charge",
    "belongs to a charge": "a charge",
    "charges are not part": "a charge",
    "charges and isotopes": "a charge or an isotope",
    "isotopes are not part": "an isotope",
    "is a state, a phase or an oxidation number": "a state, a phase or an oxidation number",
    "reads as an oxidation number": "an oxidation number",
    "reads as a phase label": "a phase label",
    "is a phase label": "a phase label",
    "amounts must be positive": "an amount that is negative",
    "an amount is negative": "an amount that is negative or not a number",
    "no amount reaches": "no amount of 1e-8 or more",
    "is over 1e+12": "an amount over 1e12",
    "amounts are numbers of atoms": "a percentage",
    "an atomic number is not between": "an atomic number of no element",
    "breaks the line": "more than one formula",
    "write one formula a row": "more than one formula",
    "follows a number in front of a formula": "a number in front, and parts without a dot",
    "write an adduct with": "an adduct without its dot",
    "write a fraction as a decimal": "a fraction",
    "write a decimal with a point": "a decimal comma",
    "leave names and labels out": "a name or a label",
    "leave vacancies out": "a vacancy",
    "no dashes": "dashes between elements",
    "a composite has no composition": "a composite",
    "neither reactions nor SMILES": "a reaction or SMILES",
    "is not part of a formula": "a character that is not part of a formula",
    "has no data for": "an element without data",
    "have too many combinations of oxidation states": "too many oxidation states to combine",
}
_ALL = {*KINDS.values(), OTHER}
#: What is about one formula: quoted, or put forward instead.
_FOREIGN = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|at position [0-9]+"""
    r"|: did you mean .*|(?<=decimals): write .*|(?<=letter) but .*",
    re.DOTALL,
)


def kind(reason: str) -> str:
    """Which kind a reason is of; a kind is its own."""
    return reason if reason in _ALL else _kind(_FOREIGN.sub("", reason))


@lru_cache(maxsize=4096)
def _kind(sentence: str) -> str:
    return next((kind for said, kind in KINDS.items() if said in sentence), OTHER)
