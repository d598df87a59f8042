"""A registry in a sqlite file: found, looked at before MLflow opens it, and made whole or not.

MLflow makes whatever file it is pointed at, fills a database of someone else's with 219 tables, and
tries for two minutes to open what cannot be opened. So it is asked only once all is known to be
well.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from matminer_compute.errors import NoProductionVersion, RegistryError
from matminer_compute.registration.address import sqlite_address

_LOCK_WAIT_S = 10


def sqlite_path(uri: str) -> Path | None:
    """The file that a sqlite address names, absolute; None for any other registry."""
    if not uri.startswith("sqlite:///"):
        return None
    return Path(unquote(uri.removeprefix("sqlite:///").split("?")[0])).absolute()


def look_at(path: Path) -> None:
    """Raise unless MLflow can read this database.

    Raises:
        NoProductionVersion: there is no such file.
        RegistryError: it is a database of something else.
        sqlite3.Error: it is damaged, locked or cannot be opened.
    """
    if not path.exists():
        raise NoProductionVersion(
            f"There is no registry at {path}. If there should be one, check MLFLOW_TRACKING_URI "
            "and XDG_DATA_HOME; `make demo` and `matminer-compute model train` make one."
        )
    database = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_LOCK_WAIT_S)
    try:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
    finally:
        database.close()
    if tables and "alembic_version" not in tables:
        raise RegistryError(
            f"{path} is a database, but not one of MLflow's (it has {_some(tables)}): point "
            "MLFLOW_TRACKING_URI at another file."
        )
    if not tables:
        raise NoProductionVersion(
            f"{path} is empty: delete it, and `make demo` or `matminer-compute model train` makes "
            "a registry there."
        )


def make(path: Path) -> None:
    """Make a missing database, its artifacts beside it: aside, then under its name at once.

    Two processes may do it at the same time; one of them wins. Left to itself, MLflow gives its
    Default experiment, the one that `mlflow run` uses, a folder below wherever the process that
    first opened the database happened to run.
    """
    if path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    store: Any = SqlAlchemyStore  # it carries no types
    try:
        made = store(sqlite_address(aside), artifacts_beside(path))
        made.engine.dispose()
        _put(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _put(aside: Path, path: Path) -> None:
    try:
        os.link(aside, path)  # unlike a rename, it never replaces what another has just made
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not path.exists():
            aside.rename(path)


def artifacts_beside(path: Path) -> str:
    """The address of the folder in which the files of a sqlite registry lie."""
    return (path.parent / "artifacts").as_uri()


def _some(names: set[str]) -> str:
    return ", ".join(sorted(names)[:3])
