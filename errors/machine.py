"""What this machine refuses or lacks, as sentences: the one place for files and for packages."""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import FileUnusable, MatminerComputeError, PackageMissing

_ADVICE = {
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EISDIR: "name a file",
    errno.EACCES: "check whose it is, or choose another place",
    errno.EPERM: "check whose it is, or choose another place",
    errno.EROFS: "choose another place",
    errno.ENOSPC: "make room, or choose another place",
    errno.EDQUOT: "make room, or choose another place",
}
#: What the extras install, by the names they are imported by.
_SCREEN = {"matplotlib", "pyarrow"}
_LOCAL = {
    "globus_compute_common", "globus_compute_endpoint", "markdown_it", "matminer", "mlflow",
    "numba", "pandas", "parsl", "pymatgen", "scipy", "sklearn", "skops", "sqlalchemy",
    "threadpoolctl", "yaml",
}  # fmt: skip


@contextmanager
def files(
    what: str, kind: type[MatminerComputeError] = FileUnusable, advice: str = ""
) -> Iterator[None]:
    """Raise ``kind`` for an ``OSError``: ``what`` ("x cannot be read"), why, and what to do."""
    try:
        yield
    except MatminerComputeError:
        raise  # a DeadlineExceeded is an OSError too
    except OSError as error:
        raise kind(_refused(error, what, advice)) from error


@contextmanager
def packages(advice: str = "") -> Iterator[None]:
    """Raise a ``PackageMissing`` that says what to install; ``advice`` is another way out."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise PackageMissing(_missing(error, advice)) from error


def sentence(error: OSError | ModuleNotFoundError) -> str:
    """The same for an error that nobody expected: a command shows it instead of a traceback."""
    if isinstance(error, ModuleNotFoundError):
        return _missing(error)
    return _refused(error, f"{error.filename or 'A file'} cannot be used")


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out before the work whether its result can be written.

    Raises:
        FileUnusable: nothing can be written there.
    """
    _begin(path).unlink()


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A new file that takes the name ``path`` at the end, if nothing was raised until then.

    Raises:
        FileUnusable: nothing can be written there; found before the block is entered.
    """
    part = _begin(path)
    try:
        yield part
        rename(part, path)
    finally:
        part.unlink(missing_ok=True)


def rename(part: Path, path: str | os.PathLike[str]) -> None:
    """Give a file the name of another, whose mode it takes on; a link stays one.

    Raises:
        FileUnusable: that cannot be.
    """
    target = Path(path).resolve()
    with files(f"{path} cannot be written"):
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)


def _begin(path: str | os.PathLike[str]) -> Path:
    target = Path(path).resolve()
    with files(f"{path} cannot be written"):
        if target.exists() and not target.is_file():
            raise OSError(errno.EISDIR, "it is not a file", str(path))
        part = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
        part.touch(exist_ok=False)  # with the mode that the umask gives a new file
    return part


def _refused(error: OSError, what: str, advice: str = "") -> str:
    why = error.strerror or str(error) or type(error).__name__
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    place = f": {where}" if where and where not in what else ""
    advice = advice or _ADVICE.get(error.errno or 0, "")
    return f"{what} ({why}{place}){'; ' if advice else ''}{advice}."


def _missing(error: ModuleNotFoundError, advice: str = "") -> str:
    package = (error.name or "a package").partition(".")[0]
    extra = "screen" if package in _SCREEN else "local" if package in _LOCAL else ""
    install = f"'matminer-compute[{extra}]'" if extra else package
    advice = f", or {advice}" if advice else ""
    return f"This needs {package}, which is not installed: install {install}{advice}."
