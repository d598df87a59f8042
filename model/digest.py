"""Fingerprints: of an artifact as it is stored, and of what makes two artifacts belong together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# MLflow writes it beside an artifact downloaded by name and version; it is not part of it.
_ADDED_ON_DOWNLOAD = "registered_model_meta"


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def artifact_digest(folder: Path) -> str:
    r"""Return the fingerprint by which a worker knows that its copy is whole and unaltered.

    It is the sha256 over ``"{sha256 of the file}  {relative path}\n"`` for each file, sorted by
    its path relative to ``folder`` (written with forward slashes), less ``registered_model_meta``
    and what Python leaves in ``__pycache__`` when someone loads the artifact where it is stored.
    """
    total = hashlib.sha256()
    files = {
        path.relative_to(folder).as_posix(): path
        for path in Path(folder).rglob("*")
        if path.is_file() and path.name != _ADDED_ON_DOWNLOAD and path.parent.name != "__pycache__"
    }
    for name in sorted(files):
        total.update(f"{file_sha256(files[name])}  {name}\n".encode())
    return total.hexdigest()


def schema_digest(
    labels: Sequence[str],
    configuration: Mapping[str, Any],
    code: Mapping[str, Path],
    tables: Path | None,
) -> str:
    """Return the fingerprint of the features: equal only where a model may be given them.

    Args:
        labels: ordered names of the features.
        configuration: the featurizer's configuration.
        code: the featurizer's source files, by name.
        tables: its data file, if it has one.
    """
    facts = {
        "labels": list(labels),
        "configuration": dict(configuration),
        "code": {name: file_sha256(path) for name, path in code.items()},
        "tables": file_sha256(tables) if tables else None,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
