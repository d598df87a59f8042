"""A caller's process that screens, and can be killed, or run out of room."""

import os
import resource
import signal
from pathlib import Path

from matminer_compute.client import CompositionClient, FileUnusable
from matminer_compute.client.screening import inputs
from matminer_compute.endpoint import EmbeddedEndpoint


def screen(registry: str, source: Path, output: Path) -> None:
    """Screen with workers of its own, in many small tasks."""
    inputs.ROWS_AT_FIRST = inputs.MOST_ROWS = 50
    with (
        EmbeddedEndpoint("threads", workers=2, registry=registry) as endpoint,
        CompositionClient(endpoint=endpoint) as client,
    ):
        client.screen(source, output, progress=False)


def screen_with_little_room(registry: str, source: Path, output: Path, said: Path) -> None:
    """The same where no file can be larger than some of the answers; what was said of it."""
    inputs.ROWS_AT_FIRST = inputs.MOST_ROWS = 50
    os.environ["MATMINER_COMPUTE_REFRESH_S"] = "3600"  # nobody writes to a registry meanwhile
    with (
        EmbeddedEndpoint("threads", workers=2, registry=registry) as endpoint,
        CompositionClient(endpoint=endpoint) as client,
    ):
        client.predict(["NaCl"])  # workers are this process, and must have their models
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.RLIM_INFINITY))
        try:
            client.screen(source, output, progress=False)
        except FileUnusable as error:
            said.write_text(str(error))
