"""Plain functions to machine code, once a node, and not before that is worth its while.

No fast-math and no fused multiply-add, so every operation rounds as NumPy's does, in the order it
is written. A division by zero gives infinity or NaN, as NumPy's does.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from threading import Lock
from types import CodeType, FunctionType
from typing import Any, Literal, TypeVar

import numpy as np
from llvmlite.binding import get_host_cpu_features, get_host_cpu_name
from numba import config, njit, types

Function = TypeVar("Function", bound=Callable[..., Any])
_to_machine_code: Any = partial(njit, nogil=True, error_model="numpy")
notes: list[str] = []  # what whoever loads the artifact should know
_inner: set[object] = set()
_one_at_a_time = Lock()


def inner(function: Function) -> Function:
    """Mark what kernels call: for them it becomes part of their machine code."""
    _inner.add(function)
    return function


def read_only(dtype: Any, dimensions: int, layout: Literal["A", "C"] = "C") -> Any:
    """The type of an array that is only read: it may be mapped from a file."""
    return types.Array(dtype, dimensions, layout, readonly=True)


def compiled(
    signature: Any, *, rows: int = 0, few: int = 0
) -> Callable[[Callable[..., Any]], Kernel]:
    """Make a kernel of a function, for one signature.

    Args:
        signature: numba's.
        rows: which argument is as long as there are rows.
        few: so many rows take Python about half as long as compiling takes; 0: compile now.
    """
    return lambda function: Kernel(function, signature, rows, few)


class Kernel:
    """A function that becomes machine code when that is worth its while.

    Machine code that the node has is read. Without, compiling takes seconds for each kernel, which
    who asks for a few formulas would wait for: Python runs the first rows, to the same bits.
    """

    def __init__(self, function: Callable[..., Any], signature: Any, rows: int, few: int) -> None:
        self.interpreted = function
        self._signature, self._rows, self._left = signature, rows, few
        self.machine_code: Callable[..., Any] | None = None
        # Kinds of CPU that share a disk keep files of their own: numba numbers them without a lock.
        cpu = f"{get_host_cpu_name()} {get_host_cpu_features().flatten()}"
        function.__qualname__ += f"_{sha256(cpu.encode()).hexdigest()[:16]}"
        self._folder = cache_folder()
        try:
            self._source: Path | None = kept_source(function, self._folder)
        except OSError as error:
            self._source = None
            _take_note(f"Machine code cannot be kept in {self._folder} ({error}).")
        if not few or self._is_kept():
            self.compile()

    def __call__(self, *arguments: Any) -> Any:
        """What the function returns."""
        if self.machine_code is None:
            self._left -= len(arguments[self._rows])
            if self._left >= 0 and not self._is_kept():
                with np.errstate(all="ignore"):  # machine code warns of nothing
                    return self.interpreted(*arguments)
        return self.compile()(*arguments)

    def compile(self) -> Callable[..., Any]:
        """Compile it, or read what another process has compiled, unless that is done."""
        if self.machine_code is None:
            with _one_at_a_time:
                if self.machine_code is None:  # no other thread was first
                    self.machine_code = self._cached() or self._compiled(self.interpreted.__code__)
        return self.machine_code

    def _cached(self) -> Callable[..., Any] | None:
        """Machine code that the node has, or has from now on; None if it cannot keep any."""
        if self._source is None:
            return None
        before = vars(config)["CACHE_DIR"]
        # numba reads the variable when it is imported, maybe before the artifact's loader set it.
        vars(config)["CACHE_DIR"] = str(self._folder)
        try:
            code = self.interpreted.__code__.replace(co_filename=str(self._source))
            return self._compiled(code, cache=True)
        except (RuntimeError, OSError) as error:  # no folder to write to, or no room left
            _take_note(f"Machine code cannot be kept in {self._folder} ({error}).")
            return None
        finally:
            vars(config)["CACHE_DIR"] = before

    def _compiled(self, code: CodeType, **options: bool) -> Callable[..., Any]:
        function = _for_numba(self.interpreted, code)
        made: Callable[..., Any] = _to_machine_code(self._signature, **options)(function)
        return made

    def _is_kept(self) -> bool:
        python = f"py{sys.version_info.major}{sys.version_info.minor}"
        name = f"{self.interpreted.__module__}.{self.interpreted.__qualname__}"
        return any(self._folder.glob(f"*/{name}-*.{python}*.nbi"))


def _for_numba(function: Callable[..., Any], code: CodeType) -> Callable[..., Any]:
    """The function as numba is to see it: what is inner of what it names is machine code."""
    scope = dict(function.__globals__)
    for name in code.co_names:
        called = scope.get(name)
        if isinstance(called, FunctionType) and called in _inner:
            scope[name] = _inner_machine_code(called)
    seen = FunctionType(code, scope, function.__name__, function.__defaults__)
    seen.__qualname__ = function.__qualname__
    return seen


@cache
def _inner_machine_code(function: Callable[..., Any]) -> Any:
    no_wrapper = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # Python never calls it
    return _to_machine_code(_for_numba(function, function.__code__), **no_wrapper)


def _take_note(sentence: str) -> None:
    note = f"{sentence.removesuffix('.')}; this process compiles anew."
    if note not in notes:
        notes.append(note)


def cache_folder() -> Path:
    """Where machine code is kept: as the loader on a worker says, else where it would say."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    node = Path(os.environ.get("MATMINER_COMPUTE_CACHE") or caches / "matminer-compute")
    return Path(os.environ.get("NUMBA_CACHE_DIR") or node / ".compiled").absolute()


def kept_source(function: Callable[..., Any], folder: Path) -> Path:
    """A copy of the function's module, by whose path and time numba knows its machine code again.

    The module's name carries the digest of its text, so every version of an artifact with this text
    finds the same machine code, wherever it was downloaded to.
    """
    kept = folder / f"{function.__module__}.py"
    if not kept.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = Path(str(sys.modules[function.__module__].__file__)).read_bytes()
        with tempfile.NamedTemporaryFile(dir=folder) as part:
            part.write(text)
            part.flush()
            with suppress(FileExistsError):  # another process was first
                kept.hardlink_to(part.name)
    return kept
