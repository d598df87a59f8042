"""Train and register a model: ``python -m matminer_compute.model``, the MLflow project's entry."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from matminer_compute.errors import MatminerComputeError

from .options import ESTIMATORS, PRESETS, TrainOptions

_DEFAULT = TrainOptions()


def _parser(program: str | None = None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program,
        description="Train a model on compositions and register it with its featurizer in MLflow.",
    )
    add = parser.add_argument
    add("--data", help="bundled, a CSV file, or the name of a matminer data set")
    add("--formula-column", help="column of the formulas")
    add("--target-column", help="column of the property to learn")
    add("--property-name", help="what to call the property (default: the target column)")
    add("--unit", help="unit of the property")
    add("--rows", type=int, help="train on this many rows of a fixed shuffle (0: all)")
    add("--element-property-preset", choices=PRESETS, help="element data to use")
    add("--estimator", choices=ESTIMATORS)
    add("--n-estimators", type=int, help="trees, or rounds of boosting (0: the default)")
    add("--seed", type=int, help="random state of the estimator and the folds")
    add("--name", help="registered name of the model")
    parser.set_defaults(
        **{name: value for name, value in asdict(_DEFAULT).items() if isinstance(value, str | int)}
    )
    return parser


def main(
    arguments: Sequence[str] | None = None, program: str = "python -m matminer_compute.model"
) -> int:
    """Train as the arguments say and print what was registered as one JSON object.

    Returns:
        0, or 1 after an error of ours, which is printed as a sentence on standard error.
    """
    options = vars(_parser(program).parse_args(arguments))
    try:
        from .training import train  # two seconds of imports, which --help need not wait for

        run = train(TrainOptions(**options))
    except MatminerComputeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(run), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
