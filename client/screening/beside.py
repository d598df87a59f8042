"""The files of a screening that has not ended: beside the output, and gone when it has its name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import BaseModel, ConfigDict

from matminer_compute.client.ledger import Answered, Entry, Ledger, Sent
from matminer_compute.errors import FileUnusable, JournalError
from matminer_compute.errors.machine import files

from .keep import Keep
from .outputs import KINDS as OUTPUTS


class Asked(BaseModel):
    """What a screening is: the head of its ledger.

    ``pair`` is the pair of versions that answers all of it; ``began`` when it was first asked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[2] = 2
    source: str
    digest: str
    column: str
    model: str
    version: str
    chain: str
    level: float
    functions: dict[str, str]
    keep: Keep
    pair: dict[str, Any] | None = None
    began: datetime

    def differences(self, other: Asked) -> list[str]:
        """What would make another screening of it, in words."""
        words = {
            "digest": "the input",
            "column": "the column of formulas",
            "model": "the model",
            "version": "the model's version",
            "chain": "the chain",
            "level": "the level of the intervals",
            "functions": "the registered functions (the bundle)",
            "keep": "what is kept (top, below, above)",
        }
        return [w for field, w in words.items() if getattr(self, field) != getattr(other, field)]


@dataclass(frozen=True)
class Beside:
    """Where the files of a screening are, by its output."""

    output: Path

    @property
    def part(self) -> Path:
        """The output as far as it is made."""
        return self._named(".part")

    @property
    def ledger(self) -> Path:
        """What was sent and answered."""
        return self._named(".ledger")

    @property
    def answers(self) -> Path:
        """The answers, in the order in which they came."""
        return self._named(".answers")

    @property
    def failed(self) -> Path:
        """Rows of shards that were set aside."""
        name = self.output.name
        for suffix in (".gz", *OUTPUTS):
            name = name.removesuffix(suffix)
        return self.output.with_name(f"{name}.failed.csv")

    def refuse_overlap(self, source: Path | None, report: Path | None) -> None:
        """Find out whether one file would be written over another.

        Args:
            source: the file that is read, if it is one.
            report: the page that is to be written, if any.

        Raises:
            FileUnusable: two of them, or one of those that are kept beside the output, are one.
        """
        named = [("the input", source), ("the output", self.output), ("the report", report)]
        own = (self.part, self.ledger, self.answers, self.failed)
        named += [("a file that is kept beside the output", path) for path in own]
        seen: dict[Path, str] = {}
        for what, path in named:
            if path is None:
                continue
            real = path.resolve()
            if real in seen:
                raise FileUnusable(
                    f"{path} would be both {seen[real]} and {what}, one written over the other: "
                    "name another file."
                )
            seen[real] = what

    @contextmanager
    def held(self, *, restart: bool) -> Iterator[None]:
        """Keep others out, and find out whether anything can be written there.

        Args:
            restart: forget what an earlier one left.

        Raises:
            FileUnusable: the output exists, another process is at it, or it cannot be written.
        """
        with files(f"{self.output} cannot be written"):
            if self.output.exists() and not restart and not self.ledger.exists():
                raise FileUnusable(
                    f"{self.output} exists; name another output, or replace it with --restart "
                    "(in Python, restart=True)."
                )
            file = self.part.open("ab")
        with file:
            if not _locked(file):
                raise FileUnusable(
                    f"Another process is screening to {self.output}; wait for it, or end it."
                )
            if restart:
                for path in (self.ledger, self.answers, self.failed):
                    path.unlink(missing_ok=True)
            try:
                yield
            except Exception:
                if not self.answers.exists() or not self.answers.stat().st_size:
                    self.ledger.unlink(missing_ok=True)  # there is nothing to go on from
                raise
            finally:
                if not self.ledger.exists():  # it ended well, or never began
                    self.part.unlink(missing_ok=True)
                    self.answers.unlink(missing_ok=True)

    def left(self, asked: Asked) -> tuple[Ledger[Asked], list[Entry]] | None:
        """The ledger that another process left of the same screening.

        Raises:
            JournalError: it is of another one; says what differs.
        """
        if not self.ledger.exists():
            return None
        ledger, entries = Ledger.read(self.ledger, Asked)
        if differs := ledger.head.differences(asked):
            raise JournalError(
                f"{self.ledger} belongs to a screening that did not end, and "
                f"{' and '.join(differs)} changed since: undo that, or start over with --restart "
                "(in Python, restart=True)."
            )
        return ledger, entries

    def _named(self, suffix: str) -> Path:
        return self.output.with_name(self.output.name + suffix)


def _locked(file: IO[bytes]) -> bool:
    """Lock a file until it is closed; False if another process has done so."""
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows, where nobody keeps others out
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def known(entries: list[Entry]) -> tuple[dict[int, Answered], dict[int, Sent]]:
    """What a ledger knows, by first row: shards that are answered, and those only sent."""
    answered = {entry.first: entry for entry in entries if isinstance(entry, Answered)}
    sent = {
        entry.first: entry
        for entry in entries
        if isinstance(entry, Sent) and entry.first not in answered
    }
    return answered, sent
