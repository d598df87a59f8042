"""Data sets that matminer knows by name, reduced to one row for each composition."""

from __future__ import annotations

import pandas as pd

from matminer_compute.errors import TrainingError


def load_matminer(
    name: str, formula_column: str, target_column: str | None
) -> tuple[pd.DataFrame, str, str]:
    """Load one of matminer's data sets (downloaded on first use, or taken from MATMINER_DATA).

    Args:
        name: matminer's name of it, such as ``flla``.
        formula_column: column of the formulas; where a set has none, ``composition`` and then the
            formulas of ``structure`` are used.
        target_column: column of the property; may be left out for a set that has
            ``formation_energy_per_atom`` or a single numeric column.

    Returns:
        A frame with ``formula`` and ``target``, the target's column name, and the attribution.

    Raises:
        TrainingError: there is no such set, it cannot be had, or a column is missing.
    """
    from matminer.datasets import get_available_datasets, get_dataset_reference, load_dataset

    if name not in get_available_datasets(print_format=None):
        raise TrainingError(
            f"{name!r} is neither a file nor a data set that matminer knows. Give a CSV file, "
            "'bundled', or one of matminer's names, such as 'flla' or 'matbench_expt_gap'."
        )
    try:
        raw = load_dataset(name, pbar=False)
    except (OSError, UserWarning) as error:
        # requests' ConnectionError is an OSError; matminer raises UserWarning on a wrong checksum
        raise TrainingError(
            f"matminer's data set {name!r} is not on this machine and could not be downloaded "
            f"({type(error).__name__}). Put the file in the folder that MATMINER_DATA names, or "
            "try again where there is a network."
        ) from error
    target = target_column or _default_target(raw, name)
    if target not in raw.columns:
        raise TrainingError(f"{name} has no column {target!r}; it has {_list(raw)}.")
    frame = pd.DataFrame(
        {
            "formula": _formulas(raw, formula_column, name),
            "target": pd.to_numeric(raw[target], errors="coerce").astype("float64"),
        }
    )
    # a reference set has gaps; they are no mistake of the user's
    frame = frame[frame["target"].notna()]
    return one_row_per_composition(frame, target), target, str(get_dataset_reference(name))


def _list(raw: pd.DataFrame) -> str:
    return ", ".join(repr(str(column)) for column in raw.columns)


def _default_target(raw: pd.DataFrame, name: str) -> str:
    if "formation_energy_per_atom" in raw.columns:
        return "formation_energy_per_atom"
    numeric = list(raw.select_dtypes("number").columns)
    if len(numeric) == 1:
        return str(numeric[0])
    raise TrainingError(f"Name the column of {name} to learn (target_column): {_list(raw)}.")


def _formulas(raw: pd.DataFrame, formula_column: str, name: str) -> pd.Series[str]:
    for column in dict.fromkeys((formula_column, "formula", "composition")):
        if column in raw.columns:
            return raw[column].astype(str)
    if "structure" in raw.columns:
        return raw["structure"].map(lambda structure: structure.composition.reduced_formula)
    raise TrainingError(f"{name} has no column {formula_column!r}; it has {_list(raw)}.")


def one_row_per_composition(frame: pd.DataFrame, target_name: str) -> pd.DataFrame:
    """Reduce rows of the same reduced composition to one.

    A composition model cannot tell polymorphs apart. For an energy the lowest is kept, the one of
    the phase that forms; for other properties the median.

    Args:
        frame: columns ``formula`` and ``target``.
        target_name: name of the property; an energy has "energy", "e_form" or "e_hull" in it.

    Returns:
        The same columns, ``formula`` in reduced form, sorted by it, index from 2 as a spreadsheet.

    Raises:
        TrainingError: a formula cannot be read.
    """
    from pymatgen.core.composition import Composition

    reduced: dict[str, str] = {}
    for row, formula in frame["formula"].items():
        if formula in reduced:
            continue
        try:
            reduced[formula] = Composition(formula).reduced_formula
        except (ValueError, KeyError) as error:
            raise TrainingError(f"row {row}: {formula!r} is not a formula: {error}") from error
    is_energy = any(word in target_name.lower() for word in ("energy", "e_form", "e_hull"))
    grouped = frame["target"].groupby(frame["formula"].map(reduced))
    target = grouped.min() if is_energy else grouped.median()
    result = target.rename_axis("formula").reset_index()
    result.index = result.index + 2
    return result
