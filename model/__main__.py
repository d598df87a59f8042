"""Train and register a model: ``python -m matminer_compute.model``, the MLflow project's entry.

``matminer-compute model train`` is the same command.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import click

from matminer_compute.errors import MatminerComputeError

from .options import AGGREGATES, ESTIMATORS, FEATURIZERS, MODEL_NAME, PRESETS, TrainOptions

if TYPE_CHECKING:
    from .training import TrainedRun

_F = TypeVar("_F", bound=Callable[..., Any])
_DEFAULT = TrainOptions()


class _Sentence(click.Command):
    """Shows an error of ours as the sentence it is, without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except MatminerComputeError as error:
            raise click.ClickException(str(error)) from error


class _Names(click.ParamType):
    """Names with commas between them."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        return tuple(name.strip() for name in value.split(",") if name.strip())


class _Sizes(click.ParamType):
    """Whole numbers with commas between them."""

    name = "sizes"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(map(int, filter(None, value.split(","))))
        except ValueError:
            self.fail(f"{value!r} is not like 256,128,64.", param, ctx)


#: Of training and of publishing what was trained elsewhere.
featurizers_option = click.option(
    "--featurizers",
    type=_Names(),
    metavar="NAME,...",
    default=", ".join(FEATURIZERS),
    show_default=True,
    help="matminer's composition featurizers, in order; ElementFraction is as fast as these.",
)


def _option(flag: str, help: str, **more: Any) -> Callable[[_F], _F]:
    """A click option for the field of ``TrainOptions`` of the same name, with its default."""
    default = getattr(_DEFAULT, flag.removeprefix("--").replace("-", "_"))
    return click.option(flag, default=default, show_default=bool(default), help=help, **more)


@click.command(cls=_Sentence, context_settings={"help_option_names": ["-h", "--help"]})
@_option("--data", "'bundled', a CSV file, or the name of a matminer data set.")
@_option("--formula-column", "Column of the formulas.")
@_option("--target-column", "Column of the property to learn; the only other one by default.")
@_option("--property-name", "What to call the property; the target column's name by default.")
@_option("--unit", "Unit of the property; known for a few columns.")
@_option("--rows", "Train on this many rows of a fixed shuffle; 0 for all.", type=int)
@_option("--element-property-preset", "Element data of the features.", type=click.Choice(PRESETS))
@featurizers_option
@_option("--estimator", "What to train.", type=click.Choice(ESTIMATORS))
@_option("--n-estimators", "Trees, rounds of boosting, or networks; 0 for the default.", type=int)
@_option(
    "--aggregate", "How a forest combines its trees' predictions.", type=click.Choice(AGGREGATES)
)
@_option("--max-features", "Share of the features that a split of a forest looks at.", type=float)
@click.option(
    "--layers",
    type=_Sizes(),
    default=(),
    metavar="UNITS,...",
    help="Units of a network's hidden layers.",
)
@_option("--epochs", "Passes of a network over the rows; 0 for its own.", type=int)
@_option("--seed", "Random state of the estimator and of the folds.", type=int)
@_option("--folds", "Folds of the cross-validation.", type=int)
@_option("--judged-rows", "Hold out no more folds than give so many rows; 0 for all.", type=int)
@_option("--name", "Registered name of the model.")
@click.option(
    "--skip-bad-rows", is_flag=True, help="Leave out rows that cannot be used, and log which."
)
@click.option(
    "--compare", is_flag=True, help="Judge all kinds of estimators side by side; register none."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def train(as_json: bool, compare: bool, **options: Any) -> None:
    """Train a model on compositions and register it with its featurizer; nothing is promoted."""
    checked = TrainOptions(**options)  # before two seconds of imports
    if compare:
        _compare(checked, as_json)
        return
    from .training import train as train_now

    run = train_now(checked)
    for warning in run.warnings:
        click.echo(f"Warning: {warning}", err=True)
    click.echo(json.dumps(asdict(run), indent=2, allow_nan=False) if as_json else _summary(run))


def _compare(options: TrainOptions, as_json: bool) -> None:
    from .comparing import as_markdown, compare
    from .progress import terminal_progress

    with terminal_progress() as report:
        comparison = compare(options, progress=report)
    if as_json:
        click.echo(json.dumps(asdict(comparison), indent=2, allow_nan=False))
    else:
        click.echo(as_markdown(comparison))


def _summary(run: TrainedRun) -> str:
    name, version = run.published.name, run.published.version
    named = "" if name == MODEL_NAME else f" --model {shlex.quote(name)}"
    mae, rmse, r2 = (run.metrics[metric] for metric in ("MAE", "RMSE", "R2"))
    left_out = f" ({run.dropped} rows left out)" if run.dropped else ""
    return (
        f"{name} version {version}: MAE {mae:.4g}, RMSE {rmse:.4g} {run.unit}, R² {r2:.3f}, "
        f"trained on {run.rows:,} rows{left_out} in {sum(run.seconds.values()):.0f} s and "
        "judged on rows kept out.\n"
        f"90% intervals: {run.metrics['width_90']:.3g} {run.unit} wide in the mean; "
        f"{run.metrics['coverage_90']:.1%} of rows kept out were inside.\n"
        f"Plots: {run.plots.removeprefix('file://')}\n"
        f"Next: matminer-compute model promote {version}{named}"
    )


if __name__ == "__main__":
    train(prog_name="python -m matminer_compute.model")
