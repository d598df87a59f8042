"""Answers on disk as they come, in any order: Arrow streams one behind the other in one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


class Spool:
    """A file that a batch of rows is added to at once, and read back from by where it lies.

    A process may be killed at any moment: what the ledger does not know of is written over.

    Args:
        path: the file; made if it is missing.
        end: where what the ledger knows of ends.
    """

    def __init__(self, path: Path, end: int = 0) -> None:
        self._path, self._end = path, end
        path.touch(mode=0o600)
        self._file: IO[bytes] = path.open("r+b")
        self._file.truncate(end)

    def add(self, batch: pa.RecordBatch) -> tuple[int, int]:
        """Add a batch; where it lies and how long it is, in bytes."""
        import pyarrow as pa

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        content = sink.getvalue()
        at = self._end
        self._file.seek(at)
        self._file.write(content)
        self._file.flush()
        self._end = at + content.size
        return at, content.size

    def read(self, offset: int, size: int) -> pa.RecordBatch:
        """The batch that lies there."""
        import pyarrow as pa

        content = os.pread(self._file.fileno(), size, offset)
        with pa.ipc.open_stream(pa.py_buffer(content)) as stream:
            return stream.read_next_batch()

    def close(self) -> None:
        """Leave the file as it is."""
        self._file.close()

    def remove(self) -> None:
        """All of it stands elsewhere."""
        self.close()
        self._path.unlink(missing_ok=True)
