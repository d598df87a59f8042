"""Element data for the featurizer artifact, taken from matminer and pymatgen when publishing.

The artifact (``model/artifacts/composition_featurizer.py``) runs where neither is imported; what
it needs of them fits in one small .npz, indexed by atomic number (row 0 is unused).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .artifacts.compositions.by_matminer import load_matminer
from .options import FEATURIZERS

MAX_Z = 118
VECTORISED = (*FEATURIZERS, "ElementFraction")
VALENCE = ("NsValence", "NpValence", "NdValence", "NfValence", "NValence")
STATS = {"minimum", "maximum", "range", "mean", "avg_dev", "std_dev", "mode"}


def collect_tables(featurizers: Sequence[str], preset: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays of the .npz.

    Args:
        featurizers: some of ``VECTORISED``, in the order of their features.
        preset: of ElementProperty: magpie, deml, matminer, matscholar_el, megnet_el, and
            whatever else ``ElementProperty.from_preset`` knows.

    Returns:
        featurizers, preset, symbols (119,), labels (n_features,);
        properties (119, n_properties) in the preset's units and stats (n_stats,), both empty
        without ElementProperty; valence (119, 5) electrons in s, p, d, f and all (Magpie);
        electronegativity (119,), Pauling; oxidation_states (119, most), ascending, padded with
        the last, and n_oxidation_states (119,), pymatgen's common ones. NaN: no data.

    Raises:
        ValueError: a featurizer or a statistic that the artifact does not compute itself.
    """
    from matminer.utils.data import MagpieData, PymatgenData
    from pymatgen.core.periodic_table import Element

    if not set(featurizers) <= set(VECTORISED):
        raise ValueError(f"tables exist for {', '.join(VECTORISED)}, not for {featurizers}")
    reference, _ = load_matminer(list(featurizers), preset)  # what the artifact must equal
    elements = [Element.from_Z(z) for z in range(1, MAX_Z + 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # pymatgen: no electronegativity for He, ...
        properties, stats = np.empty((MAX_Z + 1, 0)), np.array([], np.str_)
        for featurizer in reference.featurizers:
            if type(featurizer).__name__ == "ElementProperty":
                if not set(featurizer.stats) <= STATS:
                    raise ValueError(f"preset {preset!r} has a statistic that is not in {STATS}")
                properties = property_table(featurizer.data_source, elements, featurizer.features)
                stats = np.array(featurizer.stats)
        electronegativity = property_table(PymatgenData(), elements, ["X"])[:, 0]
    states = [sorted(PymatgenData().get_oxidation_states(element)) for element in elements]
    most = max(len(some) for some in states)
    padded = [[0.0] * most] + [
        (some + [some[-1]] * most)[:most] if some else [0] * most for some in states
    ]
    return {
        "featurizers": np.array(featurizers),
        "preset": np.array(preset),
        "symbols": np.array(["", *(element.symbol for element in elements)]),
        "labels": np.array(reference.feature_labels()),
        "properties": properties,
        "stats": stats,
        "valence": property_table(MagpieData(), elements, VALENCE),
        "electronegativity": electronegativity,
        "oxidation_states": np.array(padded, np.float64),
        "n_oxidation_states": np.array([0, *(len(some) for some in states)], np.intp),
    }


def property_table(source: Any, elements: Sequence[Any], names: Sequence[str]) -> npt.NDArray[Any]:
    """Properties (119, n_names) as a matminer data source gives them; NaN where it raises."""
    table = np.full((len(elements) + 1, len(names)), math.nan)
    for row, element in enumerate(elements, start=1):
        for column, name in enumerate(names):
            try:
                table[row, column] = source.get_elemental_property(element, name)
            except (KeyError, AttributeError, TypeError):  # no entry for this element
                continue
    return table


def write_tables(path: str | Path, featurizers: Sequence[str], preset: str) -> None:
    """Write the .npz for `collect_tables`'s arguments; it holds no pickled objects.

    Raises:
        ValueError: as `collect_tables`.
    """
    arrays = collect_tables(featurizers, preset)
    with Path(path).open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
