"""Plain formulas read in one pass over their characters: symbols, amounts, brackets.

formula = (symbol amount | "(" symbol amount symbol amount ... ")" amount) ...
amount  = nothing, or digits and decimals

Only what can mean one thing is plain: no symbol twice, no bracket in another, and nothing that a
chemist might read as an adduct, an oxidation number or an abbreviation. All else is left to the
careful reader, which reads the plain ones alike. An amount of at most 15 digits is a whole number
over a power of ten, both exact in binary: divided they round once, as ``float`` does.
"""

from __future__ import annotations

from typing import Any

from numba import float64, int64, uint8, void

from .compiling import compiled, inner, read_only

MOST_DIGITS = 15  # of an amount
ZERO, NINE, A, Z, SMALL_A, SMALL_Z, END, OPEN, CLOSE, STOP = map(ord, "09AZaz\n().")
P, T, SMALL_C, SMALL_R, SMALL_S = map(ord, "PTcrs")
CARBON, HYDROGEN, IODINE, OXYGEN, SULFUR, VANADIUM = map(ord, "CHIOSV")
NOT_PLAIN = -1
NONE, WITH_HYDROGEN, SURE = range(3)  # how far a stop is in doubt


@inner
def is_digit(character: int) -> bool:
    """Whether a character is one of 0 to 9."""
    return ZERO <= character <= NINE


@inner
def is_small(character: int) -> bool:
    """Whether a character is one of a to z."""
    return SMALL_A <= character <= SMALL_Z


@inner
def added(text: Any, at: int) -> int:
    """Whether what begins here may be a molecule that a stop adds, as in CuSO4.5H2O."""
    if text[at] == OPEN:
        at += 1
    here, after = text[at], text[at + 1]
    if here < A or is_small(after):  # nothing that begins with one of H, C, N, O, S
        return NONE
    if here == CARBON or (here == SULFUR and after == OXYGEN):
        return SURE
    return NONE if here == SULFUR else WITH_HYDROGEN


@inner
def amount_at(text: Any, at: int) -> Any:
    """The amount written here, where it ends (NOT_PLAIN if it is not), and the doubt about it."""
    first, value, power = at, 0, 1.0
    while is_digit(text[at]):
        value = 10 * value + int64(text[at]) - ZERO
        at += 1
        if at - first > MOST_DIGITS:
            return 1.0, NOT_PLAIN, NONE
    if text[first] == ZERO and at > first + 1:
        return 1.0, NOT_PLAIN, NONE
    if text[at] != STOP:
        return float64(value) if at > first else 1.0, at, NONE
    stop, part = at, 0
    at += 1
    while is_digit(text[at]):
        part = 10 * part + int64(text[at]) - ZERO
        power *= 10.0
        at += 1
        if at - first > MOST_DIGITS:
            return 1.0, NOT_PLAIN, NONE
    if at == stop + 1 or text[at] == STOP:
        return 1.0, NOT_PLAIN, NONE
    doubt = NONE
    if part <= 36 and at - stop <= 3 and text[stop + 1] != ZERO:  # molecules in an adduct
        doubt = added(text, at)
    return (float64(value) * power + float64(part)) / power, at, doubt


@inner
def misleads(text: Any, at: int, in_bracket: bool) -> bool:
    """Whether a symbol of one letter may be part of something else: IV, (VI), OAc, OPr, OTs."""
    here, after, last = text[at], text[at + 1], text[at + 2]
    if here == OXYGEN and is_small(last):
        if after == A:
            return bool(last == SMALL_C)
        return bool(last == (SMALL_R if after == P else SMALL_S) and after in (P, T))
    return bool(
        (here == IODINE and after == VANADIUM)
        or (in_bracket and here == VANADIUM and after == IODINE)
    )


@inner
def read_line(
    text: Any, at: int, symbols: Any, limits: Any, numbers: Any, amounts: Any, first: int
) -> int:
    """Where the terms of the formula that begins here end, from ``first`` on; or NOT_PLAIN."""
    end = at + limits[0]
    count, bracket, doubt, hydrogen = first, -1, NONE, False
    while text[at] != END:
        here = text[at]
        if here == OPEN and bracket < 0:
            bracket = count
            at += 1
            continue
        if A <= here <= Z:
            letter = 0
            if is_small(text[at + 1]):
                letter = int64(text[at + 1]) - SMALL_A + 1
                at += 1
            elif misleads(text, at, bracket >= 0):
                return NOT_PLAIN
            numbers[count] = symbols[int64(here) - A, letter]
            for term in range(first, count):
                if numbers[term] == numbers[count]:
                    return NOT_PLAIN
            if numbers[count] == 0:
                return NOT_PLAIN
        elif here != CLOSE or bracket < 0 or count - bracket < 2:
            return NOT_PLAIN
        amount, at, doubtful = amount_at(text, at + 1)
        if at < 0:
            return NOT_PLAIN
        doubt = max(doubt, doubtful)
        if here == CLOSE:
            for term in range(bracket, count):
                amounts[term] *= amount
            bracket = -1
        else:
            amounts[count] = amount
            count, hydrogen = count + 1, hydrogen or here == HYDROGEN
    for term in range(first, count):
        if not limits[1] <= amounts[term] <= limits[2]:
            return NOT_PLAIN
    if at > end or count == first or bracket >= 0:
        return NOT_PLAIN
    if doubt == SURE or (doubt == WITH_HYDROGEN and hydrogen):
        return NOT_PLAIN
    return count


@compiled(
    void(
        read_only(uint8, 1),
        read_only(int64, 2),
        read_only(float64, 1),
        int64[::1],
        int64[::1],
        int64[::1],
        float64[::1],
    ),
    rows=3,
    few=20_000,
)
def read_plain(
    text: Any, symbols: Any, limits: Any, starts: Any, sizes: Any, numbers: Any, amounts: Any
) -> None:
    """Read formulas, one a line.

    Args:
        text: ASCII; every line ends with a newline, and two more follow the last.
        symbols: (26, 27), atomic numbers by first letter and second one (0: none); 0 for no symbol.
        limits: most characters of a formula, least and most of an amount.
        starts: (lines,), gets where the terms of each line start.
        sizes: (lines,), gets how many there are; 0 if it is not plain.
        numbers: as long as the text, gets the atomic number of each term.
        amounts: as long, gets their amounts.
    """
    zero: Any = int64(0)  # a plain one numba takes for a constant, and compiles what it calls twice
    at, count = zero, zero
    for line in range(len(starts)):
        end = max(count, read_line(text, at, symbols, limits, numbers, amounts, count))
        starts[line], sizes[line] = count, end - count
        count = end
        while text[at] != END:
            at += 1
        at += 1
