"""Which version a pointer names just now: asked of the registry, and again when that has aged.

A pointer is (registry, name, version), where version is an alias, a stage (older registries) or a
number. While the registry is away, the last answer stands, and says that it is stale.
"""

import concurrent.futures
import os
import threading
import time
from dataclasses import replace

from . import refusals, registry
from .registry import Version

Pointer = tuple[str, str, str]

_known: dict[Pointer, Version] = {}
_asking: dict[Pointer, concurrent.futures.Future[Version | RuntimeError]] = {}
_lock = threading.Lock()


def resolve(pointer: Pointer) -> Version:
    """The version that the pointer names, as said at most ``MATMINER_COMPUTE_REFRESH_S`` ago.

    Raises:
        RuntimeError: ``[registry-unreachable]`` and nothing is known; or there is no such version.
    """
    known = _known.get(pointer)
    if known and time.monotonic() < known.until:
        return known
    registry.prepare(pointer[0])
    with _lock:
        known, mine = _known.get(pointer), pointer not in _asking
        if known and (time.monotonic() < known.until or not mine):
            return known  # one call waits for the registry; others go on with what they have
        question = _asking.setdefault(pointer, concurrent.futures.Future())
        if mine:
            threading.Thread(target=_ask, args=(pointer, question), daemon=True).start()
    try:
        answer = question.result(10 if not known else 0.3 if known.stale else 2)
    except Exception as failure:  # stores raise what they like
        if not known:
            if str(failure).startswith("["):  # a refusal of ours, which says it all
                raise failure from None
            what = f"'{pointer[1]}' cannot be found"
            raise refusals.registry_at_fault(what, pointer[0], failure) from None
        return go_on_with(pointer, known)
    if isinstance(answer, RuntimeError):
        raise answer from None
    return answer


def go_on_with(pointer: Pointer, version: Version) -> Version:
    """Let the pointer name what it named before, for a while: the registry is away."""
    _known[pointer] = replace(version, stale=True, until=time.monotonic() + _refresh())
    return _known[pointer]


def _ask(pointer: Pointer, question: "concurrent.futures.Future[Version | RuntimeError]") -> None:
    address, name, version = pointer
    try:
        answer = registry.look_up(name, version)
        if isinstance(answer, RuntimeError):
            _known.pop(pointer, None)
        else:
            _known[pointer] = replace(answer, until=time.monotonic() + _refresh())
            _known[address, name, answer.number] = answer  # also if that is the pointer
            answer = _known[pointer]
        question.set_result(answer)
    except Exception as failure:  # noqa: BLE001  judged by whoever waits
        question.set_exception(failure)
    finally:
        _asking.pop(pointer)


def _refresh() -> float:
    return float(os.environ.get("MATMINER_COMPUTE_REFRESH_S") or 30)
