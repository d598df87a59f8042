"""What a call under way leaves on disk, so that another process can take it up."""

import os
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from matminer_compute.errors import JournalError
from matminer_compute.registration import Bundle

from .shards import not_text


class Request(BaseModel):
    """The first line of a journal: what was asked, of whom, and which pair of versions answers.

    ``formulas`` holds None where a row was not text, and ``rejected`` says why.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    endpoint: str
    task_group: str
    bundle: Bundle
    chain: Literal["endpoint", "client"]
    pair: dict[str, Any]
    rows_a_task: int
    formulas: list[str | None]
    rejected: dict[int, str]


class Sent(BaseModel):
    """Every other line: the task that the service took for one step of one shard."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shard: int
    function: str
    task: str


class Ticket:
    """One step of one shard: the task sent for it before, if any, and where to note the next."""

    def __init__(
        self, journal: "Journal", shard: int, function: str, accepted: Future[Any] | None
    ) -> None:
        self.accepted = accepted
        self._journal, self._shard, self._function = journal, shard, function

    def note(self, future: Future[Any]) -> None:
        """Write down which task was sent, if the service took it."""
        if task := getattr(future, "task_id", None):
            self._journal.write(Sent(shard=self._shard, function=self._function, task=task))


class Journal:
    """A file of JSON lines: the request, then each task as the service takes it.

    A line is written at once, so that a killed process leaves all it knew but perhaps half of the
    last line, and nobody but its owner may read it.
    """

    def __init__(self, path: str | os.PathLike[str], request: Request) -> None:
        self.path, self.request = Path(path), request
        self._tasks: dict[tuple[int, str], Future[Any]] = {}
        self._lock = threading.Lock()

    @classmethod
    def start(cls, path: str | os.PathLike[str], request: Request) -> "Journal":
        """Begin a journal in a new file.

        Raises:
            JournalError: there is a file already, or it cannot be written.
        """
        journal = cls(path, request)
        try:
            journal.path.touch(mode=0o600, exist_ok=False)
        except FileExistsError as error:
            raise JournalError(
                f"{path} holds a call that did not end; take it up with "
                "CompositionClient.reattach, or remove the file."
            ) from error
        except OSError as error:
            raise JournalError(f"{path} cannot be written ({error.strerror}).") from error
        journal.write(request)
        return journal

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "tuple[Journal, list[Sent]]":
        """A journal that another process left, and the tasks it had sent.

        Raises:
            JournalError: there is none, or it is not one of this version.
        """
        try:
            first, *lines = Path(path).read_text(encoding="utf-8").splitlines()
            request = Request.model_validate_json(first)
        except OSError as error:
            raise JournalError(f"{path} cannot be read ({error.strerror}).") from error
        except (ValueError, ValidationError) as error:
            raise JournalError(
                f"{path} is no journal of this version, or its process ended before it had sent "
                "anything; ask again with predict."
            ) from error
        sent = []
        for line in lines:
            try:
                sent.append(Sent.model_validate_json(line))
            except ValidationError:
                continue  # half a line: its writer was killed, and the shard is sent again
        return cls(path, request), sent

    def take_up(self, sent: list[Sent], tasks: dict[str, Future[Any]]) -> None:
        """Let tickets know the tasks that the service still has."""
        for step in sent:
            if future := tasks.get(step.task):
                self._tasks[step.shard, step.function] = future

    def ticket(self, shard: int, function: str) -> Ticket:
        """The ticket of one step of one shard."""
        return Ticket(self, shard, function, self._tasks.get((shard, function)))

    def write(self, line: BaseModel) -> None:
        """Add a line."""
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            file.write(line.model_dump_json() + "\n")

    def remove(self) -> None:
        """The call has ended well: there is nothing to take up."""
        self.path.unlink(missing_ok=True)


def as_texts(formulas: list[Any]) -> tuple[list[str | None], dict[int, str]]:
    """Formulas as a journal keeps them: text or None, and why each None is rejected."""
    return [f if isinstance(f, str) else None for f in formulas], not_text(formulas)
