"""What was sent and answered, on disk, so that another process can take a run up."""

import os
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from matminer_compute.errors import JournalError


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sent(_Line):
    """The task that the service took for one call about a shard: ``rows`` rows from ``first``."""

    what: Literal["sent"] = "sent"
    first: int
    rows: int
    function: str
    task: str
    endpoint: str | None = None
    group: str | None = None


class Answered(_Line):
    """A shard is done with: its answer lies in the file beside, ``size`` bytes from ``offset``."""

    what: Literal["answered"] = "answered"
    first: int
    rows: int
    offset: int
    size: int


class SetAside(_Line):
    """A shard failed as often as it is tried."""

    what: Literal["set aside"] = "set aside"
    first: int
    rows: int
    why: str


Entry = Sent | Answered | SetAside
_ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)
_H = TypeVar("_H", bound=BaseModel)
_Call = tuple[int, int, str]


class Ticket:
    """One call about a shard: the task sent for it before, if any, and where to note the next."""

    def __init__(self, ledger: "Ledger[Any]", call: _Call, accepted: Future[Any] | None) -> None:
        self.accepted = accepted
        self._ledger, self._call = ledger, call

    def note(self, future: Future[Any], endpoint: Any = None) -> None:
        """Write down which task was sent, if the service took it."""
        if task := getattr(future, "task_id", None):
            first, rows, function = self._call
            self._ledger.note(
                Sent(
                    first=first,
                    rows=rows,
                    function=function,
                    task=str(task),
                    endpoint=getattr(endpoint, "endpoint_id", None),
                    group=getattr(endpoint, "task_group", None),
                )
            )


class Ledger(Generic[_H]):
    """A file of JSON lines: what the run is, then each thing that happened to a shard.

    A line is written at once, so that a killed process leaves all it knew but perhaps half of the
    last line, and nobody but its owner may read it.

    Attributes:
        path: the file.
        head: its first line, which says what the run is.
    """

    def __init__(self, path: Path, head: _H) -> None:
        self.path, self.head = path, head
        self._tasks: dict[_Call, Future[Any]] = {}

    @classmethod
    def start(cls, path: str | os.PathLike[str], head: _H) -> "Ledger[_H]":
        """Begin a ledger in a new file.

        Raises:
            JournalError: there is a file already, or it cannot be written.
        """
        ledger = cls(Path(path), head)
        try:
            ledger.path.touch(mode=0o600, exist_ok=False)
        except FileExistsError as error:
            raise JournalError(
                f"{path} holds a call that did not end; take it up with "
                "CompositionClient.reattach, or remove the file."
            ) from error
        except OSError as error:
            raise JournalError(f"{path} cannot be written ({error.strerror}).") from error
        ledger.note(head)
        return ledger

    @classmethod
    def read(cls, path: str | os.PathLike[str], kind: type[_H]) -> "tuple[Ledger[_H], list[Entry]]":
        """A ledger that another process left, and what it had noted.

        Raises:
            JournalError: there is none, or it is not one of this version.
        """
        try:
            content = Path(path).read_text(encoding="utf-8")
            first, *lines = content.split("\n")  # a formula may hold what other texts end lines by
            head = kind.model_validate_json(first)
        except OSError as error:
            raise JournalError(f"{path} cannot be read ({error.strerror}).") from error
        except (ValueError, ValidationError) as error:
            raise JournalError(
                f"{path} is not a journal of this version, or its process ended before it had sent "
                "anything; ask again."
            ) from error
        ledger = cls(Path(path), head)
        if not content.endswith("\n"):  # half a line: its writer was killed
            ledger._write("\n")
        return ledger, [entry for line in lines if (entry := _entry(line))]

    def take_up(self, entries: list[Entry], tasks: dict[str, Future[Any]]) -> None:
        """Let tickets know the tasks that the service still has."""
        for entry in entries:
            if isinstance(entry, Sent) and (future := tasks.get(entry.task)):
                self._tasks[entry.first, entry.rows, entry.function] = future

    def ticket(self, first: int, rows: int, function: str) -> Ticket:
        """The ticket of one call about the shard of ``rows`` rows from ``first``."""
        call = (first, rows, function)
        return Ticket(self, call, self._tasks.pop(call, None))

    def note(self, line: BaseModel) -> None:
        """Add a line."""
        self._write(line.model_dump_json() + "\n")

    def remove(self) -> None:
        """The run has ended well: there is nothing to take up."""
        self.path.unlink(missing_ok=True)

    def _write(self, text: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)


def _entry(line: str) -> Entry | None:
    try:
        return _ENTRY.validate_json(line)
    except ValidationError:
        return None  # half a line: its shard is sent again
