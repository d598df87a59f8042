"""Plain functions to machine code, once a node.

No fast-math and no fused multiply-add, so every operation rounds as NumPy's does, in the order it
is written. A division by zero gives infinity or NaN, as NumPy's does.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeVar

from llvmlite.binding import get_host_cpu_features, get_host_cpu_name
from numba import config, njit, types

Function = TypeVar("Function", bound=Callable[..., Any])
to_machine_code: Any = partial(njit, nogil=True, error_model="numpy")
notes: list[str] = []  # what whoever loads the artifact should know


def inner(function: Function) -> Function:
    """Mark what compiled functions call; it becomes part of their machine code."""
    no_wrapper = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # Python never calls it
    marked: Function = to_machine_code(function, **no_wrapper)
    return marked


def read_only(dtype: Any, dimensions: int, layout: Literal["A", "C"] = "C") -> Any:
    """The type of an array that is only read: it may be mapped from a file."""
    return types.Array(dtype, dimensions, layout, readonly=True)


def compiled(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function for one signature now, or read what another process has compiled."""

    def compile_now(function: Callable[..., Any]) -> Any:
        folder, before = cache_folder(), vars(config)["CACHE_DIR"]
        # Kinds of CPU that share a disk keep files of their own: numba numbers them without a lock.
        cpu = f"{get_host_cpu_name()} {get_host_cpu_features().flatten()}"
        function.__qualname__ += f"_{sha256(cpu.encode()).hexdigest()[:16]}"
        # numba reads the variable when it is imported, maybe before the artifact's loader set it.
        vars(config)["CACHE_DIR"] = str(folder)
        code = function.__code__
        try:
            function.__code__ = code.replace(co_filename=str(kept_source(function, folder)))
            return to_machine_code(signature, cache=True)(function)
        except (RuntimeError, OSError) as error:  # no folder to write to, or no room left
            note = f"Machine code cannot be kept in {folder} ({error}); this process compiled anew."
            if note not in notes:
                notes.append(note)
            function.__code__ = code
            return to_machine_code(signature)(function)
        finally:
            vars(config)["CACHE_DIR"] = before

    return compile_now


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
