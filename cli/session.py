"""What the caller's commands share: which endpoint, which model, and how to open a client."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

if TYPE_CHECKING:
    from matminer_compute.client import CompositionClient

_F = TypeVar("_F", bound=Callable[..., Any])


class _Seconds(click.FloatRange):
    """A length of time: more than nothing, and a number."""

    name = "seconds"

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True, max=threading.TIMEOUT_MAX)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


_ENDPOINT = partial(
    click.option,
    "--endpoint",
    type=click.UUID,
    envvar="MATMINER_COMPUTE_ENDPOINT",
    metavar="UUID",
)
_OPTIONS = (
    click.option(
        "--bundle",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Ids of the registered functions; bundle.json here by default.",
    ),
    click.option("--model", default="Matminer", show_default=True, help="Registered model name."),
    click.option(
        "--version",
        default="Production",
        show_default=True,
        help="Alias, stage or number of the model's version.",
    ),
)


def client_options(command: _F) -> _F:
    """Add the options that ``open_client`` takes, and a timeout."""
    where = "Globus Compute endpoint; the embedded one, on this machine, by default."
    command = click.option("--timeout", type=_Seconds(), help="Give up after so long.")(command)
    return _ENDPOINT(help=where)(_with(command))


def endpoints_options(command: _F) -> _F:
    """Add the options that ``open_client`` takes, for work that several endpoints share."""
    where = "Globus Compute endpoint; more of them share the work. The embedded one by default."
    return _ENDPOINT("endpoints", multiple=True, help=where)(_with(command))


def interval_option(command: _F) -> _F:
    """Add the level of the intervals, which ``open_client`` takes."""
    what = "Share of the intervals that hold the true value: 0.5, 0.8, 0.9 or 0.95."
    level = click.FloatRange(0, 1, min_open=True, max_open=True)
    return click.option("--interval", type=level, default=0.9, show_default=True, help=what)(
        command
    )


def _with(command: _F) -> _F:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextmanager
def open_client(
    endpoint: UUID | Sequence[UUID] | None, bundle: Path | None, **options: Any
) -> "Iterator[CompositionClient]":
    """A client of the endpoints asked for, or of an embedded one that ends with it."""
    from matminer_compute.client import CompositionClient
    from matminer_compute.errors.machine import packages
    from matminer_compute.registration import Bundle

    with ExitStack() as stack:
        if endpoint:
            client = CompositionClient(bundle or Path("bundle.json"), endpoint, **options)
        else:
            given = Bundle.load(bundle) if bundle else None
            if given and given.service != "embedded":
                raise click.UsageError(
                    f"{bundle} is for an endpoint of Globus Compute: give --endpoint UUID, or "
                    "leave --bundle out to run on this machine."
                )
            with packages("give --endpoint UUID"):
                from matminer_compute.endpoint.embedded import EmbeddedEndpoint
            embedded = stack.enter_context(EmbeddedEndpoint())
            client = CompositionClient(given, embedded, **options)
        yield stack.enter_context(client)
