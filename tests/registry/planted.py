"""Secrets that sign in to the sites, and where one of them is told."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from .site import Site

#: No two alike, and none a word: whatever holds one of them has told a secret.
SECRETS = {kind: f"Zq9-{kind}-7hT2" for kind in ("database", "admin", "token", "flask")}


def secrets_of(site: Site) -> list[bytes]:
    """Ours, and those that its store made."""
    store = site.store
    made = (store.key["SecretAccessKey"], store.session["SessionToken"])
    return [secret.encode() for secret in (*SECRETS.values(), *made)]


def telling(said: Iterable[object], site: Site) -> list[object]:
    """Which of the things said hold a secret."""
    return [each for each in said if _tells(each, secrets_of(site))]


def telling_files(folders: Iterable[Path], site: Site) -> list[Path]:
    """Which files below the folders hold a secret; each folder must have some."""
    found = []
    for folder in folders:
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert files, f"{folder} is empty"
        found += [path for path in files if _tells(_content(path), secrets_of(site))]
    return found


def command_lines() -> Iterator[bytes]:
    """How every process of this machine was started, and its title."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            yield path.read_bytes()


def _content(path: Path) -> bytes:
    with contextlib.suppress(FileNotFoundError):  # those who write them are at work
        return path.read_bytes()
    return b""


def _tells(said: object, secrets: list[bytes]) -> bool:
    content = said if isinstance(said, bytes) else str(said).encode()
    return any(secret in content for secret in secrets)
