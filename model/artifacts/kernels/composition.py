"""One pass from compositions to features: what matminer computes, each element's row read once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, float64, int64

from .compiling import compiled, read_only
from .element_fraction import element_fraction
from .element_property import TERMS, element_property
from .ion_property import NO, YES, ionic_character, neutral
from .stoichiometry import stoichiometry
from .summing import numpy_sum, python_sum
from .valence_orbital import valence_orbital


@compiled(
    int64(
        read_only(int64, 2, "A"),
        read_only(float64, 2, "A"),
        read_only(int64, 1),
        boolean,
        read_only(int64, 1),
        read_only(float64, 1),
        read_only(float64, 2),
        read_only(int64, 1),
        read_only(float64, 2),
        read_only(float64, 2),
        read_only(int64, 1),
        read_only(float64, 2),
        float64[:, ::1],
        int64[::1],
    ),
    rows=2,
    few=10_000,
)
def featurize(
    numbers: Any,
    amounts: Any,
    rows: Any,
    compensated: bool,
    at: Any,
    norms: Any,
    properties: Any,
    stats: Any,
    valence: Any,
    states: Any,
    n_states: Any,
    character: Any,
    features: Any,
    undecided: Any,
) -> int:
    """Fill the rows of features for compositions of n elements each; how many are undecided.

    Args:
        numbers: (n, compositions), atomic numbers, no element twice in a composition.
        amounts: (n, compositions).
        rows: (compositions,), the row of features of each.
        compensated: whether this Python's ``sum`` is.
        at: the first column of Stoichiometry, ElementProperty, ValenceOrbital, IonProperty and
            ElementFraction, -1 for those not asked for.
        norms: Stoichiometry's p.
        properties: (119, n_properties), as all element data by atomic number.
        stats: of ElementProperty, as places in STATS.
        valence: (119, 5), electrons in s, p, d, f and all.
        states: (119, most), oxidation states, ascending.
        n_states: (119,), how many of them count.
        character: (119, 119), ionic character of each pair.
        features: the result.
        undecided: (compositions,), gets those whose neutrality is to be found otherwise.
    """
    n = len(numbers)
    number, amount = np.empty(n, np.int64), np.empty(n)
    terms, work = np.empty(n), np.empty((TERMS + n, properties.shape[1]))
    chosen, charge = np.empty(n, np.int64), np.empty((3, n + 1))
    n_undecided = 0
    for composition in range(numbers.shape[1]):
        row = rows[composition]
        for i in range(n):
            number[i] = numbers[i, composition]
            amount[i] = terms[i] = amounts[i, composition]
        total = python_sum(amount, n, compensated)  # pymatgen's Composition.num_atoms
        scale = numpy_sum(terms, n)
        if at[0] >= 0:
            stoichiometry(amount, n, total, norms, features, row, at[0])
        if at[1] >= 0:
            element_property(number, amount, n, scale, properties, work)
            for s in range(len(stats)):
                stat, column = stats[s], at[1] + s
                for p in range(work.shape[1]):
                    features[row, column + p * len(stats)] = work[stat, p]
        if at[2] >= 0:
            valence_orbital(number, amount, n, scale, valence, terms, features, row, at[2])
        if at[3] >= 0:
            possible = neutral(number, amount, n, states, n_states, chosen, charge)
            features[row, at[3]] = possible
            if possible != YES and possible != NO:
                undecided[n_undecided] = composition
                n_undecided += 1
            ionic_character(number, amount, n, total, character, features, row, at[3] + 1)
        if at[4] >= 0:
            element_fraction(number, amount, n, features, row, at[4])
    return n_undecided
