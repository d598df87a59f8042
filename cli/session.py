"""What the caller's commands share: which endpoint, which model, and how to open a client."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

if TYPE_CHECKING:
    from matminer_compute.client import CompositionClient

_F = TypeVar("_F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--endpoint",
        type=click.UUID,
        envvar="MATMINER_COMPUTE_ENDPOINT",
        metavar="UUID",
        help="Globus Compute endpoint; the embedded one, on this machine, by default.",
    ),
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
    click.option("--timeout", type=float, metavar="SECONDS", help="Give up after so long."),
)


def client_options(command: _F) -> _F:
    """Add the options that ``open_client`` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@contextmanager
def open_client(
    endpoint: UUID | None, bundle: Path | None, **options: Any
) -> "Iterator[CompositionClient]":
    """A client of the endpoint asked for, or of an embedded one that ends with it."""
    from matminer_compute.client import CompositionClient

    with ExitStack() as stack:
        if endpoint:
            client = CompositionClient(bundle or Path("bundle.json"), endpoint, **options)
        else:
            try:
                from matminer_compute.endpoint import EmbeddedEndpoint
            except ImportError as missing:
                raise click.UsageError(
                    "Give --endpoint UUID, or install 'matminer-compute[local]' to run on this "
                    f"machine ({missing})."
                ) from missing
            embedded = stack.enter_context(EmbeddedEndpoint())
            client = CompositionClient(bundle, embedded, **options)
        yield stack.enter_context(client)
