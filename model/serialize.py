"""Pipelines as skops files: no pickle, and only types that have been reviewed."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from matminer_compute.errors import TrainingError

from .forest import TRUSTED_TYPES


def dump_pipeline(pipeline: Any, path: Path) -> Path:
    """Write a fitted pipeline and make sure that a worker will read it back.

    Returns:
        ``path``.

    Raises:
        TrainingError: it holds types that workers would refuse.
    """
    skops.io.dump(pipeline, path)
    refuse_untrusted(path)
    return path


def load_pipeline(path: Path) -> Any:
    """Read a fitted estimator from a skops file.

    Raises:
        TrainingError: there is no such file, it is not a skops file, or it holds types that are
            not on the reviewed list; the text names them.
    """
    try:
        refuse_untrusted(path)
        return skops.io.load(path, trusted=list(TRUSTED_TYPES))
    except FileNotFoundError:
        raise TrainingError(f"There is no file {path}.") from None
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise TrainingError(
            f"{path} is not a skops file ({error}). Write one with skops.io.dump(estimator, path)."
        ) from error
    except (UntrustedTypesFoundException, TypeError, AttributeError, ImportError) as error:
        raise TrainingError(f"{path} cannot be loaded here: {error}") from error


def refuse_untrusted(path: Path) -> None:
    """Raise TrainingError if a skops file holds types beyond the reviewed list."""
    unknown = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED_TYPES))
    if unknown:
        raise TrainingError(
            f"The model holds types that have not been reviewed as safe to load: "
            f"{', '.join(unknown)}. Publish one made of scikit-learn's own estimators."
        )
