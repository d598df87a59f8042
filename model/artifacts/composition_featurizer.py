"""Chemical formulas to matminer composition features, computed for whole lists at once.

This file is an MLflow *model from code*: it is stored and served as the text you read, beside a
table of element data (.npz, written by ``model/tables.py``) and two folders of source files:
``compositions``, which reads formulas, and ``kernels``, compiled loops. It needs numpy, numba,
pandas and mlflow.

The features are those of matminer 0.10.1 (Ward et al., Comput. Mater. Sci. 152, 60, 2018), in the
same order and with the same bits, for any of the featurizers

    Stoichiometry()   ElementProperty.from_preset(preset)
    ValenceOrbital(props=["frac"])   IonProperty(fast=True)   ElementFraction()

A configuration with any other matminer composition featurizer is computed by matminer itself.

Where the speed comes from: compositions of one number of elements n are arrays (n, rows), and one
compiled pass over them writes all features. Where the identity comes from: every sum runs in the
order of matminer's own, and every power goes through the C library's ``pow``, as Python's ``**``
does. Tests compare bit for bit.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.pyfunc.model import PythonModel

if TYPE_CHECKING:
    from .compositions.batch import Compositions
    from .compositions.tables import Tables

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

VECTORISED = (  # as the kernel numbers them
    *("Stoichiometry", "ElementProperty", "ValenceOrbital", "IonProperty"),
    "ElementFraction",
)
NORMS = np.array([2.0, 3.0, 5.0, 7.0, 10.0])  # Stoichiometry's p, after the 0-norm
COMPENSATED = sum([1.0, 1e100, 1.0, -1e100]) == 2.0  # from Python 3.12 on


def import_beside(folder: str, name: str) -> Any:
    """A module out of a folder of source files: a package whose name carries their digest.

    Two versions of the files live side by side in one process, one version is imported once.
    """
    digest = sha256()
    for path in sorted(Path(folder).glob("*.py")):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    package = f"matminer_compute_{Path(folder).name}_{digest.hexdigest()[:32]}"
    if package not in sys.modules:
        spec = importlib.util.spec_from_file_location(package, f"{folder}/__init__.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[package] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[package])
    # The folder that it was first found in may be gone: training's, or a worker's private copy.
    sys.modules[package].__path__ = [str(folder)]
    return importlib.import_module(f"{package}.{name}")


class CompositionFeaturizer(PythonModel):
    """Formulas to features. See `featurize`; `predict` is the same behind MLflow's interface.

    A formula is rejected, with a reason, if it is no text, empty, over 1,000 characters, has an
    unknown symbol, an unbalanced bracket, a zero, negative or absurd (over 1e12) amount, or
    anything else that is no part of a formula; if the preset has no data at all for an element
    (with matminer 0.10.1, which imputes, none lacks); and if its oxidation states have more than
    1e12 combinations (it takes dozens of elements), which neither this nor matminer can search.
    Everything else gets the values of matminer, NaN where matminer's are NaN.

    Attributes:
        labels: matminer's feature labels, in order (after `load_context`).
        notes: what an operator of this machine should know.
    """

    labels: list[str]
    notes: list[str]

    def load_context(self, context: Any) -> None:
        """Read the tables (or build matminer's featurizers, if the configuration needs them).

        Args:
            context: model_config {"featurizers": [class names], "element_property_preset": name},
                artifacts {"tables": path of the .npz, "compositions" and "kernels": folders
                of source files,
                "domain" and "trained": of what training left, if there was one}.

        Raises:
            ValueError: the tables were made for another configuration.
        """
        self.names = list(context.model_config["featurizers"])
        self.preset = str(context.model_config.get("element_property_preset", "magpie"))
        self.tables: Tables | None = None
        self.matminer: Any = None
        self.beside = import_beside(context.artifacts["compositions"], "for_featurizer")
        self.kernels = import_beside(context.artifacts["kernels"], "for_compositions")
        self.notes = self.kernels.notes
        if set(self.names) <= set(VECTORISED):
            self._load_tables(context.artifacts["tables"])
        else:
            self.matminer, self.symbols = self.beside.load_matminer(self.names, self.preset)
            self.labels = self.matminer.feature_labels()
        known = {symbol: number for number, symbol in enumerate(self.symbols) if number}
        self.parser = self.beside.Parser(known | {"D": 1, "T": 1}, self.kernels.read_plain)
        trained_on = context.artifacts.get("domain")  # known to training alone
        trained = context.artifacts.get("trained")
        self.trained = self.beside.Trained(trained) if trained else None
        self.domain = None
        if trained_on:
            self.domain = self.beside.Domain(trained_on, self.symbols, self.trained)

    def featurize(
        self, formulas: Sequence[object]
    ) -> tuple[Floats, list[int], list[int], dict[int, str]]:
        """Features of a list of formulas. It never raises for what is in the list.

        Args:
            formulas: the texts; what is not text is rejected.

        Returns:
            features: float64, C-contiguous, (n_unique_compositions, n_features), the distinct
                compositions in order of first appearance.
            rows: the index into formulas of each accepted row, ascending.
            index: for each accepted row, its row in features.
            rejected: for every other row, the reason.
        """
        return self.examine(formulas)[:4]

    def examine(
        self, formulas: Sequence[object]
    ) -> tuple[Floats, list[int], list[int], dict[int, str], dict[int, str]]:
        """As `featurize`, and for each accepted row that is outside the domain, why."""
        return self.report(formulas)[:5]

    def report(
        self, formulas: Sequence[object]
    ) -> tuple[Floats, list[int], list[int], dict[int, str], dict[int, str], dict[int, float]]:
        """As `examine`, and for each accepted row that was trained on, the value it was taught."""
        groups, rejected = self.parser.parse(formulas)
        outside: dict[int, str] = {}
        trained: dict[int, float] = {}
        for group in groups:
            outside |= self.domain.outside(group) if self.domain else {}
            trained |= self.trained.by_row(group) if self.trained else {}
        place = np.full(len(formulas), -1, np.intp)  # of each row in features
        placed = self.beside.place_distinct(self.kernels, groups, place)
        features = np.empty((sum(len(where) for _, where in placed), len(self.labels)))
        refused: dict[int, str] = {}  # by row of features
        for group, where in placed:
            fill = self._by_matminer if self.tables is None else self._by_tables
            refused |= fill(group, where, features)
        if refused:
            features = self._drop(refused, features, place, rejected)
        rows = np.flatnonzero(place >= 0)
        outside = {row: outside[row] for row in sorted(outside) if place[row] >= 0}
        return (
            features,
            rows.tolist(),
            place[rows].tolist(),
            dict(sorted(rejected.items())),
            outside,
            {row: trained[row] for row in sorted(trained) if place[row] >= 0},
        )

    def featurize_compositions(
        self, numbers: npt.ArrayLike, amounts: npt.ArrayLike
    ) -> tuple[Floats, dict[int, str]]:
        """Features of compositions that are arrays: no text is made or read.

        They are those of `featurize` for a formula with these elements and amounts in this order.

        Args:
            numbers: (rows, width), atomic numbers. One that comes twice in a row counts once.
            amounts: (rows, width), zero where a composition has fewer elements than others.

        Returns:
            features: float64, C-contiguous, (rows, n_features), NaN where a row is rejected.
            rejected: for each such row, the reason.

        Raises:
            ValueError: the two are not matrices of one shape.
        """
        groups, rejected = self._arranged(numbers, amounts)
        features = np.empty((len(np.asarray(numbers)), len(self.labels)))
        for group in groups:
            fill = self._by_matminer if self.tables is None else self._by_tables
            rejected |= fill(group, group.texts, features)
        features[list(rejected)] = np.nan
        return features, rejected

    def is_outside(self, numbers: npt.ArrayLike, amounts: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which compositions (rows, width) are outside the domain, as far as that is known."""
        found = np.zeros(len(np.asarray(numbers)), bool)
        if self.domain is not None:
            for group in self._arranged(numbers, amounts)[0]:
                found[group.texts] = self.domain.is_outside(group)
        return found

    def outside(self, numbers: npt.ArrayLike, amounts: npt.ArrayLike) -> dict[int, str]:
        """By row, why compositions (rows, width) are outside the domain."""
        found: dict[int, str] = {}
        if self.domain is not None:
            for group in self._arranged(numbers, amounts)[0]:
                found |= self.domain.outside(group)
        return found

    def in_training(self, numbers: npt.ArrayLike, amounts: npt.ArrayLike) -> dict[int, float]:
        """By row, the values of compositions (rows, width) that were trained on."""
        found: dict[int, float] = {}
        if self.trained is not None:
            for group in self._arranged(numbers, amounts)[0]:
                found |= self.trained.by_row(group)
        return found

    def _arranged(
        self, numbers: npt.ArrayLike, amounts: npt.ArrayLike
    ) -> tuple[list[Compositions], dict[int, str]]:
        numbers, amounts = np.asarray(numbers, np.intp), np.asarray(amounts, np.float64)
        if numbers.shape != amounts.shape or numbers.ndim != 2:
            what = f"{numbers.shape} and {amounts.shape}"
            raise ValueError(f"numbers and amounts must both be (rows, width), not {what}")
        arranged: tuple[list[Compositions], dict[int, str]] = self.beside.arrange(
            numbers, amounts, len(self.symbols) - 1
        )
        return arranged

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        """MLflow's face of `featurize`.

        Args:
            context: not used.
            model_input: a DataFrame with a column "formula", or a list or Series of formulas.
            params: not used.

        Returns:
            One row an input (with its index), one column a feature, NaN where it was rejected.
        """
        index = model_input.index if isinstance(model_input, pd.DataFrame | pd.Series) else None
        formulas = model_input["formula"] if isinstance(model_input, pd.DataFrame) else model_input
        features, rows, places, _ = self.featurize(list(formulas))
        result = np.full((len(formulas), len(self.labels)), np.nan)
        result[rows] = features[places]
        return pd.DataFrame(result, index, self.labels)

    def _load_tables(self, path: str) -> None:
        """Read the tables, and lay out what the compiled loops take of them."""
        tables = self.tables = self.beside.read_tables(path, self.names, self.preset)
        self.symbols, self.labels = tables.symbols, tables.labels
        self.column = tables.columns(self.names)
        self.laid_out = (
            COMPENSATED,
            np.array([self.column.get(name, -1) for name in VECTORISED]),
            NORMS,
            tables.properties,
            np.array([self.kernels.STATS.index(stat) for stat in tables.stats], np.intp),
            tables.valence,
            tables.states,
            tables.n_states,
            tables.ionic_character,
        )

    def _by_tables(self, group: Compositions, rows: Ints, features: Floats) -> dict[int, str]:
        """Fill the rows of features for a group; the reason for each that cannot be had."""
        assert self.tables is not None
        refused = self.beside.unfit(self.tables, self.names, self.preset, group.numbers)
        reasons = {int(rows[column]): reason for column, reason in refused.items()}
        if refused:
            kept = np.delete(np.arange(len(rows)), list(refused))
            group, rows = group.take(kept), rows[kept]
        undecided = np.empty(len(rows), np.intp)
        count = self.kernels.featurize(
            group.numbers, group.amounts, rows, *self.laid_out, features, undecided
        )
        for k in undecided[:count].tolist():
            possible = self.beside.neutral_possible(
                self.tables, group.numbers[:, k], group.amounts[:, k]
            )
            features[rows[k], self.column["IonProperty"]] = possible
        if "std_dev" in self.tables.stats and "ElementProperty" in self.names:
            first = self.column["ElementProperty"]
            self.beside.add_deviations(self.tables, first, group, rows, features)
        return reasons

    def _by_matminer(self, group: Compositions, rows: Ints, features: Floats) -> dict[int, str]:
        """The same by matminer, one composition at a time."""
        refused: dict[int, str] = self.beside.featurize_by_matminer(
            self.matminer, self.symbols, group, rows, features
        )
        return refused

    @staticmethod
    def _drop(
        refused: dict[int, str], features: Floats, place: Ints, rejected: dict[int, str]
    ) -> Floats:
        """Features without the refused rows; the reasons and places of rows follow."""
        keep = np.ones(len(features) + 1, bool)  # one more for the place -1
        keep[[*refused, -1]] = False
        for row, at in enumerate(place.tolist()):
            if at in refused:
                rejected[row] = refused[at]
        place[:] = np.where(keep, np.cumsum(keep) - 1, -1)[place]
        return features[keep[:-1]]


mlflow.models.set_model(CompositionFeaturizer())
