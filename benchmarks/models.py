"""How near each kind of model comes on formulas that it never saw, and whether its intervals hold.

``python benchmarks/models.py [FOLDS.csv] [--rows N] [--only NAME ...]`` prints the tables of
docs/models.md: a line for each candidate of ``model train --compare``, with the share of rows
inside the 90% interval by number of elements. Nothing is chosen on the rows that are kept out.

Of the bundled formation energies a tenth is kept out, drawn with a fixed seed; ``--seed 1`` draws
another. Of a CSV with columns formula, value and fold (matbench's experimental gaps with the
official folds) each fold is predicted by a model of the others. With ``--without F S`` all formulas
of an element are kept out, one element at a time: a chemistry that the model never saw.
"""

import argparse
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score

from matminer_compute.model import TrainOptions, load_data
from matminer_compute.model.comparing import CANDIDATES
from matminer_compute.model.domain import composition_keys
from matminer_compute.model.estimators import answers, cross_validate, fit, pipeline_for
from matminer_compute.model.featurizer import build_featurizer
from matminer_compute.model.judging import calibrated
from matminer_compute.model.registry import quiet_mlflow

LEVEL = 0.9
SHOWN = 100  # rows of a number of elements, for a share of them to mean something


class Rows(NamedTuple):
    """Formulas with their values, and the parts of them that are kept out, one after the other."""

    formulas: list[str]
    target: np.ndarray
    kept_out: list[np.ndarray]
    unit: str


def energies(rows: int, seed: int = 0) -> Rows:
    """A tenth of the bundled formulas is kept out."""
    data = load_data().take(rows)
    order = np.random.default_rng(seed).permutation(len(data.frame))
    return Rows(
        [str(f) for f in data.formulas],
        data.target,
        [np.sort(order[: len(order) // 10])],
        "eV/atom",
    )


def folds_of(path: Path, rows: int) -> Rows:
    """Each fold of a file is kept out in its turn."""
    frame = pd.read_csv(path, keep_default_na=False)
    if rows:
        frame = frame.sample(rows, random_state=0)  # it may be in the order of folds
    (value,) = set(frame) - {"formula", "fold"}
    folds = [np.flatnonzero(frame["fold"] == fold) for fold in sorted(set(frame["fold"]))]
    return Rows(frame["formula"].tolist(), frame[value].to_numpy(float), folds, value)


def without(element: str, rows: Rows) -> Rows:
    """All formulas that hold an element are kept out."""
    holds = [element in re.findall("[A-Z][a-z]?", formula) for formula in rows.formulas]
    return rows._replace(kept_out=[np.flatnonzero(holds)])


def featurized(options: TrainOptions, rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each formula the features, the number of elements, and a key of the composition."""
    with TemporaryDirectory() as folder, quiet_mlflow():
        featurizer = build_featurizer("magpie", options.featurizers, Path(folder))
        features, _, index, _ = featurizer.featurize(list(rows.formulas))
        keys = composition_keys(featurizer.loaded, rows.formulas)
    features, elements = features[index], featurizer.elements_of(features[index])
    assert elements is not None
    return features, elements, keys


def judged(options: TrainOptions, rows: Rows) -> dict[str, Any]:
    """Train without what is kept out, learn intervals there, and predict what is kept out."""
    features, elements, keys = featurized(options, rows)
    predicted, half = np.full((2, len(rows.target)), np.nan)
    seconds = {"fit": 0.0, "calibrate": 0.0}
    for out in rows.kept_out:
        rest = np.setdiff1d(np.arange(len(rows.target)), out)
        x, y = features[rest], rows.target[rest]
        started = time.perf_counter()
        inside = cross_validate(
            pipeline_for(options),
            x,
            y,
            folds=options.folds,
            seed=options.seed,
            aggregate=options.aggregate,
            compositions=keys[rest],
            enough=10_000,
        )
        learned = calibrated(inside, y, elements[rest], options.seed)
        between = time.perf_counter()
        model = fit(pipeline_for(options), x, y)
        seconds["calibrate"] += between - started
        seconds["fit"] += time.perf_counter() - between
        predicted[out], spread = answers(model, features[out], options.aggregate)
        group = np.searchsorted(learned.sizes, elements[out], side="right") - 1
        quantile = np.array(learned.quantiles[LEVEL])[group]
        half[out] = quantile * ((0.0 if spread is None else spread) + learned.floor)
    done = ~np.isnan(predicted)
    error = (predicted - rows.target)[done]
    held = np.abs(error) <= half[done]
    sizes = elements[done]
    enough = [n for n, rows_of in enumerate(np.bincount(sizes)) if rows_of >= SHOWN]
    return {
        "MAE": np.abs(error).mean(),
        "RMSE": np.sqrt((error**2).mean()),
        "R²": r2_score(rows.target[done], predicted[done]),
        "fit (s)": seconds["fit"] / len(rows.kept_out),
        "calibrate (s)": seconds["calibrate"] / len(rows.kept_out),
        "width": 2 * half[done].mean(),
        "inside": held.mean(),
        **{f"{n} el.": held[sizes == n].mean() for n in enough},
    }


def candidates(arguments: argparse.Namespace) -> Iterator[tuple[str, TrainOptions]]:
    """The options of each."""
    for name, differs in CANDIDATES.items():
        if arguments.only and name not in arguments.only:
            continue
        options = replace(TrainOptions(), **differs)
        if arguments.folds and options.estimator == "extra-trees":
            options = replace(options, n_estimators=200)
        yield name, options


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folds", nargs="?", type=Path, metavar="FOLDS.csv")
    parser.add_argument("--rows", type=int, default=0, help="0: all")
    parser.add_argument("--seed", type=int, default=0, help="of the tenth that is kept out")
    parser.add_argument("--only", nargs="*", choices=list(CANDIDATES), default=[])
    parser.add_argument("--without", nargs="*", metavar="ELEMENT", default=[])
    arguments = parser.parse_args()
    rows = (
        folds_of(arguments.folds, arguments.rows)
        if arguments.folds
        else energies(arguments.rows, arguments.seed)
    )
    parts = {element: without(element, rows) for element in arguments.without} or {"": rows}
    for number, (name, options) in enumerate(candidates(arguments)):
        for element, part in parts.items():
            kept_out = sum(map(len, part.kept_out))
            found = {"unseen": kept_out, **judged(options, part)}
            if not number and element == next(iter(parts)):
                print(f"{len(rows.formulas):,} formulas; errors and widths in {rows.unit}\n")
                print("| model | ", " | ".join(found), " |\n|---|", "---:|" * len(found), sep="")
            what = f"{name}, without {element}" if element else name
            print(f"| {what} |", " | ".join(map(written, found, found.values())), "|")
            sys.stdout.flush()


def written(what: str, value: float) -> str:
    """A figure as the tables have it."""
    if what == "inside" or what.endswith("el."):
        return f"{value:.1%}"
    return f"{value:,.0f}" if what == "unseen" or "(s)" in what else f"{value:.4f}"


if __name__ == "__main__":
    main()
