"""A version's artifact from the registry's store into a folder, as long as something arrives."""

import contextlib
import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from . import refusals
from .registry import Version


def download(registry: str, version: Version, part: Path) -> None:
    """Download into ``part``.

    Raises:
        RuntimeError: ``[registry-unreachable]``, ``[registry-refused]``.
        OSError: there is no room for it.
    """
    import mlflow.artifacts

    try:
        source = f"models:/{version.name}/{version.number}"
        get = partial(mlflow.artifacts.download_artifacts, source, dst_path=str(part))
        _while_something_arrives(part, get)
    except Exception as failure:  # noqa: BLE001  stores raise what they like
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            if os.strerror(number) in str(failure):
                raise OSError(number, os.strerror(number)) from None
        what = f"{version} cannot be downloaded"
        raise refusals.registry_at_fault(what, registry, failure) from None


def _while_something_arrives(part: Path, get: Callable[[], object]) -> None:
    """Wait for a download that grows; MLflow's own limit is for each of many files."""
    done: Future[object] = Future()

    def run() -> None:
        try:
            done.set_result(get())
        except Exception as failure:  # noqa: BLE001  judged by whoever waits
            done.set_exception(failure)

    threading.Thread(target=run, daemon=True).start()
    patience = 2.0 + 2.0 * float(os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT") or 5)
    while True:
        before = size_of(part)
        try:
            done.result(patience)
            return
        except TimeoutError:
            if done.done():
                raise
            if size_of(part) == before:
                raise TimeoutError("nothing arrives") from None


def size_of(folder: Path) -> int:
    """The bytes of a folder's files, also while somebody writes into it."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # renamed meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total
