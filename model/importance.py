"""Which features a model goes by: how much worse it becomes if they are shuffled.

Permutation importance (Breiman, Machine Learning 45, 5, 2001; Fisher, Rudin and Dominici, J. Mach.
Learn. Res. 20, 177, 2019) on rows that the judged model has not seen. Columns that tell the same of
a composition, such as the six statistics of one elemental property, are shuffled together: each
alone could be shuffled unnoticed, since the others still tell what it told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from .card.record import Features, Importance

Floats = npt.NDArray[np.float64]

_BUDGET = 10_000  # rows predicted in all: 0.2 s with 100 trees, 2 s with 500 rounds of boosting
_TOGETHER = 8_192  # rows predicted in one call
_SHOWN = 12

_PROPERTY = re.compile(r"\w+Data (?:minimum|maximum|range|mean|avg_dev|std_dev|mode) (?P<what>.+)")
_OTHERS = (
    (re.compile(r"\w+Data \w+ embedding \d+"), "learned embedding of the elements"),
    (re.compile(r"\d+-norm"), "number and evenness of the fractions"),
    (re.compile(r"(?:avg|frac) [spdf] valence electrons"), "valence electrons by orbital"),
    (re.compile(r"compound possible|(?:max|avg) ionic char"), "ionic character"),
    (re.compile(r"[A-Z][a-z]?"), "fractions of the elements"),
)
#: Magpie's names of elemental properties, as a chemist says them.
_SAID = {
    "Number": "atomic number",
    "MendeleevNumber": "Mendeleev number",
    "AtomicWeight": "atomic weight",
    "MeltingT": "melting temperature",
    "Column": "group of the periodic table",
    "Row": "period of the periodic table",
    "CovalentRadius": "covalent radius",
    "Electronegativity": "electronegativity",
    **{f"N{orbital}Valence": f"{orbital} valence electrons" for orbital in "spdf"},
    "NValence": "valence electrons",
    **{f"N{orbital}Unfilled": f"unfilled {orbital} states" for orbital in "spdf"},
    "NUnfilled": "unfilled valence states",
    "GSvolume_pa": "volume per atom of the element",
    "GSbandgap": "band gap of the element",
    "GSmagmom": "magnetic moment of the element",
    "SpaceGroupNumber": "space group of the element",
}


def importance(
    predict: Callable[[Floats], Floats],
    features: Floats,
    target: Floats,
    labels: Sequence[str],
    seed: int,
) -> Features:
    """The features that matter most, by rows that the model has not seen.

    The cost is bounded: as many rows are taken as can be predicted for a fixed number in all.

    Args:
        predict: values (n_rows,) for features (n_rows, n_features), by a fitted model.
        features: of such rows, (n_rows, n_features).
        target: their values, (n_rows,).
        labels: (n_features,), the columns' names.
        seed: of the choice of rows and of the shuffles.
    """
    told = np.array([told_by(label) for label in labels])
    names = list(dict.fromkeys(told.tolist()))
    groups = [np.flatnonzero(told == name) for name in names]
    rng = np.random.default_rng(seed)
    most = max(20, _BUDGET // len(groups))
    rows = rng.permutation(len(target))[:most]
    features, target = features[rows], target[rows]
    before = np.abs(predict(features) - target).mean()
    at_once = max(1, _TOGETHER // len(rows))
    rises: list[float] = []
    for start in range(0, len(groups), at_once):
        some = groups[start : start + at_once]
        shuffled = np.tile(features, (len(some), 1, 1))
        for copy, columns in zip(shuffled, some, strict=True):
            copy[:, columns] = features[rng.permutation(len(rows))][:, columns]
        predicted = predict(shuffled.reshape(-1, features.shape[1])).reshape(len(some), -1)
        rises += (np.abs(predicted - target).mean(axis=1) - before).tolist()
    order = np.argsort(rises)[::-1][:_SHOWN]
    found = tuple(
        Importance(feature=names[i], columns=len(groups[i]), rise=rises[i])
        for i in order.tolist()
        if rises[i] > 0
    )
    return Features(rows=len(rows), first=found)


def told_by(label: str) -> str:
    """What a column tells of a composition, by its label in matminer: ``electronegativity``."""
    for pattern, what in _OTHERS:
        if pattern.fullmatch(label):
            return what
    found = _PROPERTY.fullmatch(label)
    name = found["what"] if found else label
    return _SAID.get(name, name.replace("_", " "))
