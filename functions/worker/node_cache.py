"""Artifacts of versions on this node: downloaded once for all workers, whole and unaltered.

A version's folder is named by its digest. It is written aside and renamed, under a lock, so that a
half-written one is never read, and what was unused for longest is removed beyond a limit.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from . import refusals
from .download import download, size_of
from .registry import Version


def shared_folder() -> str:
    """The cache that workers of this node share: ``MATMINER_COMPUTE_CACHE``."""
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    return os.environ.get("MATMINER_COMPUTE_CACHE") or f"{caches}/matminer-compute"


def compiled_folder(folder: Path) -> Path:
    """Where machine code is kept for the version in ``folder``: beside it, for all versions."""
    return folder.with_name(".compiled")


def fetch(registry: str, version: Version, cache: Path) -> Path:
    """The artifact's folder in ``cache``, downloaded by one worker for all.

    Raises:
        RuntimeError: ``[registry-unreachable]``, ``[artifact-altered]``.
        OSError: the cache cannot be used.
    """
    import fcntl  # a caller's machine may have none, and imports this module

    folder = cache / version.tags["digest"]
    if intact(folder):
        if os.access(folder, os.W_OK):  # a cache may be filled beforehand, and read-only
            os.utime(folder)
        return folder
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("a+") as lock:
        before = os.fstat(lock.fileno()).st_mtime_ns
        fcntl.flock(lock, fcntl.LOCK_EX)
        if intact(folder):
            return folder
        if os.fstat(lock.fileno()).st_mtime_ns != before:  # or each would try in its turn
            lock.seek(0)
            raise RuntimeError(lock.read())
        for dead in cache.glob(f".{folder.name}-*"):  # its writer was killed
            shutil.rmtree(dead, ignore_errors=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=cache))
        try:
            download(registry, version, part)
            _check(version, part)
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)  # whole or not at all
        except RuntimeError as failure:
            lock.truncate(0)
            lock.write(str(failure))
            raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
    prune(cache, folder)
    return folder


def digest(folder: Path) -> str:
    """The sha256 of what ``sha256sum`` prints of a folder's files, ordered by path."""
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    files.pop("registered_model_meta", None)  # MLflow adds it to what it downloads
    lines = hashlib.sha256()
    for path in sorted(files):
        with files[path].open("rb") as file:
            hexadecimal = hashlib.file_digest(file, "sha256").hexdigest()
        lines.update(f"{hexadecimal}  {path}\n".encode())
    return lines.hexdigest()


def intact(folder: Path) -> bool:
    """Whether it holds what its name says: hashed once a boot, and when a file changed."""
    boot, note = Path("/proc/sys/kernel/random/boot_id"), folder.with_suffix(".hashed")
    files = {str(p): p.stat() for p in sorted(folder.rglob("*")) if p.is_file()}
    # No write leaves a file's ctime as it was, whatever it does to its mtime.
    seen = [[path, s.st_ino, s.st_size, s.st_ctime_ns] for path, s in files.items()]
    found = json.dumps([boot.read_text() if boot.exists() else "", seen])
    if note.exists() and note.read_text() == found:
        return True
    if digest(folder) != folder.name:
        return False
    with contextlib.suppress(OSError):  # read-only, or full: then every load hashes
        note.write_text(found)
    return True


def prune(cache: Path, keep: Path) -> None:
    """Remove what was unused for longest, beyond the limit; who has it mapped keeps it."""
    room = float(os.environ.get("MATMINER_COMPUTE_CACHE_GB") or 20) * 1e9
    for part in cache.glob(".*-*"):
        if _is_dead(part):
            shutil.rmtree(part, ignore_errors=True)
    folders = [f for f in cache.iterdir() if f.is_dir() and not f.name.startswith(".")]
    for folder in sorted(folders, key=lambda f: f.stat().st_mtime, reverse=True):
        room -= size_of(folder)
        if room < 0 and folder != keep:
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_suffix(".hashed").unlink(missing_ok=True)  # not the lock: one may hold it


def _is_dead(part: Path) -> bool:
    """Whether a half-written folder is nobody's: its writer holds the version's lock."""
    import fcntl

    with part.with_name(f"{part.name[1:].rpartition('-')[0]}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _check(version: Version, part: Path) -> None:
    """What was downloaded is what was published, or it goes no further."""
    for left in part.rglob("__pycache__"):  # by whoever loaded it in a store that is a disk
        shutil.rmtree(left)
    if digest(part) != version.tags["digest"]:
        sentence = f"{version} is not what was published; publish again."
        raise refusals.refused("artifact-altered", sentence)
