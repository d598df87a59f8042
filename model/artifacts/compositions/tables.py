"""Element data, and the compositions for which it does not suffice."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

MAX_COMBINATIONS = 2.0**40  # of oxidation states that are decided at all (0.2 s; matminer: months)


@dataclass
class Tables:
    """Element data by atomic number (row 0 unused), from the .npz of ``model/tables.py``.

    Attributes:
        missing: (119,), elements for which the preset has no data at all.
        properties: (119, n_properties), the preset's, in its own units.
        stats: the preset's statistics, in order.
        valence: (119, 5), electrons in s, p, d, f and in all.
        states: (119, most), oxidation states, padded; n_states of them count.
        ionic_character: (119, 119), of each pair (Pauling: 1 - exp(-(X_a - X_b)^2 / 4)).
    """

    labels: list[str]
    symbols: list[str]
    missing: npt.NDArray[np.bool_]
    properties: Floats
    stats: list[str]
    valence: Floats
    states: Floats
    n_states: Ints
    ionic_character: Floats

    def columns(self, names: Sequence[str]) -> dict[str, int]:
        """The first column of each featurizer."""
        width = {"Stoichiometry": 6, "ValenceOrbital": 4, "IonProperty": 3, "ElementFraction": 118}
        width["ElementProperty"] = self.properties.shape[1] * len(self.stats)
        starts = itertools.accumulate((width[name] for name in names), initial=0)
        return dict(zip(names, starts, strict=False))


def read_tables(path: str, names: list[str], preset: str) -> Tables:
    """Tables from the .npz of ``model/tables.py``, made for these featurizers and this preset."""
    with np.load(path, allow_pickle=False) as arrays:
        made_for = (arrays["featurizers"].tolist(), str(arrays["preset"]))
        if made_for != (names, preset):
            raise ValueError(f"the tables are for {made_for}, not for {(names, preset)}")
        x = arrays["electronegativity"]
        missing = np.isnan(arrays["properties"]).all(axis=1) & ("ElementProperty" in names)
        missing[0] = False  # there is no element 0
        return Tables(
            labels=arrays["labels"].tolist(),
            symbols=arrays["symbols"].tolist(),
            missing=missing,
            properties=arrays["properties"],
            stats=arrays["stats"].tolist(),
            valence=arrays["valence"],
            states=arrays["oxidation_states"],
            n_states=arrays["n_oxidation_states"],
            # Not when published: exp may differ in the last bit between two machines.
            ionic_character=1.0 - np.exp(-0.25 * np.float_power(x[:, None] - x, 2)),
        )


def unfit(tables: Tables, names: list[str], preset: str, numbers: Ints) -> dict[int, str]:
    """The columns of numbers (n, rows) that cannot be featurized, and why."""
    reasons = {}
    if tables.missing.any():
        missing = tables.missing[numbers]
        for column in np.flatnonzero(missing.any(axis=0)).tolist():
            symbol = tables.symbols[numbers[:, column][missing[:, column]][0]]
            reasons[column] = f"the preset {preset!r} has no data for {symbol}"
    if "IonProperty" in names and len(numbers) > 12:
        combinations = tables.n_states[numbers].prod(axis=0, dtype=np.float64)
        for column in np.flatnonzero(combinations > MAX_COMBINATIONS).tolist():
            reasons[column] = (
                f"{len(numbers)} elements have too many combinations of oxidation states to find"
                " whether a neutral compound is possible"
            )
    return reasons
