"""Models and featurizers in the memory of this process: loaded once a version, two versions kept.

One thread loads, the others wait. Who is warm never meets the registry but for the pointer.
"""

import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from . import artifact, refusals
from .pointer import Pointer, go_on_with, resolve
from .registry import Version


@dataclass
class Held:
    """A model in memory, what is to be said of it, and when it was last used."""

    model: Any
    warnings: list[str]
    used: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Loaded:
    """A model to use now, its version, and what getting it took."""

    model: Any
    version: Version
    cold: bool
    seconds: float
    warnings: list[str]

    def loading(self) -> dict:
        """What an answer says of it."""
        return {
            "cold": self.cold,
            "stale": self.version.stale,
            "seconds": self.seconds,
            "warnings": self.warnings,
        }


held: dict[Pointer, Held] = {}  # by registry, name and number
_answered: dict[Pointer, Version] = {}  # the version that answered last
_failed: dict[Pointer, tuple[float, str]] = {}  # when loading failed, and why
# One at a time: MLflow hands a model from code over in a global.
_loading = threading.RLock()


def load(name: str, version: str) -> Loaded:
    """The model that a name and an alias, stage or number stand for.

    Raises:
        RuntimeError: ``[code] sentence``: the registry, the version or this worker is at fault.
    """
    started = time.perf_counter()
    registry = os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI")
    if not registry:
        raise refusals.not_set()
    pointer = (registry, str(name), str(version))
    found, cold = resolve(pointer), False
    kept = held.get((registry, name, found.number))
    if kept is None:
        with _loading:
            found, kept, cold = _bring(pointer, started)
    kept.used, _answered[pointer] = time.monotonic(), found
    return Loaded(kept.model, found, cold, time.perf_counter() - started, kept.warnings)


def _bring(pointer: Pointer, started: float) -> tuple[Version, Held, bool]:
    """Load the version that the pointer names; out of reach, go on with the one before."""
    registry, name, _ = pointer
    found = resolve(pointer)  # another thread may have loaded it, or found it out of reach
    key = (registry, name, found.number)
    if key in held:
        return found, held[key], False
    when, why = _failed.get(pointer, (0.0, ""))
    if when > started:  # or each thread would try in its turn
        raise RuntimeError(why) from None
    try:
        _load_other_half(found)
        held[key] = Held(*artifact.read(registry, found))
    except RuntimeError as failure:
        before = _answered.get(pointer, found)
        kept = held.get((registry, name, before.number))
        if kept and str(failure).startswith("[registry-"):
            return go_on_with(pointer, before), kept, False
        _failed[pointer] = (time.perf_counter(), str(failure))
        raise
    versions = [k for k in held if k[:2] == key[:2]]
    for older in sorted(versions, key=lambda k: held[k].used)[:-2]:
        del held[older]
    return found, held[key], True


def _load_other_half(version: Version) -> None:
    """A pair comes into use as a whole, or not at all."""
    half, number = version.tags.get("featurizer"), version.tags.get("featurizer_version")
    if not half:
        return
    try:
        load(half, str(number))
    except RuntimeError as failure:
        if not str(failure).startswith(("[version-", "[unknown-version", "[no-such-model")):
            raise
        sentence = f"{version} needs version {number} of '{half}', which is gone; train again."
        raise refusals.refused("featurizer-missing", sentence) from None
