"""How what docs/models.md recommends was chosen, on training rows only.

``python benchmarks/choices.py gaps FOLDS.csv``: how many features extra trees try at a split, and
mean or median, chosen inside the training part of each official fold, then judged on the fold.
``... networks``: layers, epochs, batches and rates on training rows of the bundled energies.
``... outside``: the share of compositions never seen that is outside a model's domain, by how many
formulas it was trained on.
"""

import argparse
import sys
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from models import energies, featurized, folds_of

from matminer_compute.model import TrainOptions, load_data
from matminer_compute.model.comparing import CANDIDATES
from matminer_compute.model.domain import composition_keys, with_domain
from matminer_compute.model.estimators import answers, cross_validate, fit, pipeline_for
from matminer_compute.model.featurizer import build_featurizer
from matminer_compute.model.network import NetworkRegressor
from matminer_compute.model.registry import quiet_mlflow

SHARES = (0.1, 0.2, 0.3, 0.5, 1.0)
INNER_FOLDS = 4
VALIDATION = 4_000
#: Rows, hidden layers, epochs, rows of a batch, highest rate, members.
NETWORKS = (
    (4_000, (256, 128, 64), 20, 128, 0.001, 2),
    (4_000, (512, 256, 128), 20, 128, 0.001, 2),
    (8_000, (256, 128, 64), 25, 128, 0.001, 2),
    (20_000, (512, 256, 128), 40, 256, 0.001, 2),
    (20_000, (512, 256, 128), 40, 256, 0.002, 2),
    (20_000, (512, 256, 128), 40, 128, 0.001, 2),
    (20_000, (256, 128, 64), 25, 128, 0.002, 3),
)
TRAINED_ON = (50, 100, 200, 400, 1_000, 4_000, 71_892)
SHUFFLES = 3


def choose_for_gaps(path: Path) -> None:
    """Print what each official fold's training part chooses, and the error of all folds."""
    base = replace(TrainOptions(), **CANDIDATES["extra trees, median"], n_estimators=200)
    rows = folds_of(path, 0)
    features, _, keys = featurized(base, rows)
    predicted = np.full(len(rows.target), np.nan)
    print(f"| fold | share of the features | over trees | MAE inside | MAE, {rows.unit} |")
    print("|---|---:|---|---:|---:|")
    for number, out in enumerate(rows.kept_out):
        rest = np.setdiff1d(np.arange(len(rows.target)), out)
        tried = {}
        for share, aggregate in product(SHARES, ("mean", "median")):
            options = replace(base, max_features=share, aggregate=aggregate)
            tried[options] = cross_validate(
                pipeline_for(options),
                features[rest],
                rows.target[rest],
                folds=INNER_FOLDS,
                seed=options.seed,
                aggregate=aggregate,
                compositions=keys[rest],
            ).mae
        best = min(tried, key=tried.__getitem__)
        model = fit(pipeline_for(best), features[rest], rows.target[rest])
        predicted[out], _ = answers(model, features[out], best.aggregate)
        error = np.abs(predicted[out] - rows.target[out]).mean()
        chosen = f"{best.max_features} | {best.aggregate} | {tried[best]:.4f}"
        print(f"| {number} | {chosen} | {error:.4f} |", flush=True)
    print(f"| all | | | | {np.abs(predicted - rows.target).mean():.4f} |")


def choose_networks() -> None:
    """Print the errors of networks on training rows that were left out."""
    rows = energies(0)
    options = replace(TrainOptions(), **CANDIDATES["network"])
    features, _, _ = featurized(options, rows)
    rest = np.setdiff1d(np.arange(len(rows.target)), rows.kept_out[0])
    rest = np.random.default_rng(1).permutation(rest)
    judge, rest = rest[:VALIDATION], rest[VALIDATION:]
    print("| rows | layers | epochs | batch | rate | members | MAE, eV/atom | one | CPU s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for count, layers, epochs, batch, rate, members in NETWORKS:
        network = NetworkRegressor(
            members,
            hidden_layer_sizes=layers,
            epochs=epochs,
            batch_size=batch,
            learning_rate=rate,
        )
        started = time.process_time()
        network.fit(features[rest[:count]], rows.target[rest[:count]])
        seconds = time.process_time() - started
        said = network.predict_members(features[judge])
        mean = np.abs(said.mean(axis=0) - rows.target[judge]).mean()
        one = np.abs(said - rows.target[judge]).mean()
        shape = "-".join(map(str, layers))
        print(
            f"| {count:,} | {shape} | {epochs} | {batch} | {rate} | {members} "
            f"| {mean:.4f} | {one:.4f} | {seconds:.1f} |",
            flush=True,
        )


def count_outside() -> None:
    """Print what share of formulas never seen is outside, in each shuffle."""
    formulas = np.array(load_data().formulas)
    print("| training formulas | " + " | ".join(f"shuffle {n}" for n in range(SHUFFLES)), "|")
    print("|---:|" + "---:|" * SHUFFLES)
    with TemporaryDirectory() as folder, quiet_mlflow():
        featurizer = build_featurizer("magpie", ("Stoichiometry", "ElementProperty"), Path(folder))
        loaded = featurizer.loaded
        keys = composition_keys(loaded, formulas.tolist())
        for count in TRAINED_ON:
            shares = []
            for shuffle in range(SHUFFLES):
                order = np.random.default_rng(shuffle).permutation(len(formulas))
                trained = order[:count]
                never = order[~np.isin(keys[order], keys[trained])]
                named = with_domain(featurizer, formulas[trained].tolist(), Path(folder)).artifacts
                loaded.domain = loaded.beside.Domain(named["domain"], loaded.symbols, None)
                outside = loaded.examine(formulas[never].tolist())[4]
                shares.append(len(outside) / len(never))
            print(f"| {count:,} | " + " | ".join(f"{share:.1%}" for share in shares), "|")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("gaps").add_argument("folds", type=Path, metavar="FOLDS.csv")
    what.add_parser("networks")
    what.add_parser("outside")
    arguments = parser.parse_args()
    if arguments.what == "gaps":
        choose_for_gaps(arguments.folds)
    elif arguments.what == "networks":
        choose_networks()
    else:
        count_outside()


if __name__ == "__main__":
    main()
