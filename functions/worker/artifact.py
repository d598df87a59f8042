"""One version's artifact becomes a model in memory, from the node's cache or a private copy."""

import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import refusals
from .node_cache import compiled_folder, fetch, shared_folder
from .registry import Version


def read(registry: str, version: Version) -> tuple[Any, list[str]]:
    """The model, and what is worth saying in each of its answers.

    Raises:
        RuntimeError: ``[code] sentence``: it cannot be had, or does not load here.
    """
    if not {"schema", "digest"} <= version.tags.keys():
        sentence = f"{version} was not published by matminer-compute; publish it with that."
        raise refusals.refused("model-not-loadable", sentence)
    warnings = _differing(version)
    shared = shared_folder()
    try:
        return _noted(version, fetch(registry, version, Path(shared).absolute()), warnings)
    except OSError as unusable:
        full = f"The cache folder {shared} cannot be used ({unusable.strerror or unusable})"
        warnings.append(f"{full}; this worker has a private copy.")
    try:  # read or mapped, it needs no folder; a worker that is killed would leave one
        with tempfile.TemporaryDirectory(prefix="matminer-compute-") as private:
            return _noted(version, fetch(registry, version, Path(private)), warnings)
    except OSError:
        raise refusals.refused("no-room", f"{full}, nor can {tempfile.gettempdir()}.") from None


def _noted(version: Version, folder: Path, warnings: list[str]) -> tuple[Any, list[str]]:
    """The model, its own notes among the warnings."""
    model = _unpack(version, folder)
    return model, [*warnings, *getattr(model, "notes", [])]


def _unpack(version: Version, folder: Path) -> Any:
    import mlflow.pyfunc

    with _nothing_written(folder):
        try:
            read = mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)
            return read.unwrap_python_model()
        except Exception as failure:  # noqa: BLE001  the artifact's code raises what it likes
            why = failure.__cause__ or failure
            if isinstance(why, OSError):  # the folder's fault
                raise why from None
            code = "package-missing" if isinstance(why, ImportError) else "model-not-loadable"
            sentence = f"{version} does not load on this worker; put right: "
            raise refusals.refused(code, f"{sentence}{type(why).__name__}: {why}") from None


@contextmanager
def _nothing_written(folder: Path) -> Iterator[None]:
    """Bytecode and machine code stay out of a version's folder, or its digest would not hold."""
    wrote, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    os.environ["NUMBA_CACHE_DIR"] = chosen or str(compiled_folder(folder))
    try:
        yield
    finally:
        sys.dont_write_bytecode = wrote
        if not chosen:
            del os.environ["NUMBA_CACHE_DIR"]


def _differing(version: Version) -> list[str]:
    """Libraries of another minor version than the model's, a sentence each."""
    import importlib.metadata  # it costs who only imports this module a tenth of a second

    trained_with = json.loads(version.tags.get("requirements", "{}"))
    found = {p: importlib.metadata.distributions(name=p) for p in trained_with}
    here = {p: next((d.version for d in found[p]), "missing") for p in trained_with}
    here["python"] = platform.python_version()
    return [
        f"{package} is {here[package]} on this worker; '{version.name}' was trained with {wanted}."
        for package, wanted in trained_with.items()
        if here[package].split(".")[:2] != wanted.split(".")[:2]
    ]
