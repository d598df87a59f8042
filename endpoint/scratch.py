"""A folder that ends with this process, however that ends."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from matminer_compute.errors.machine import files

# It sleeps until its input ends, which is when the last process that holds the other end is gone.
_REMOVE = 'read -r _; rm -rf -- "$1"'


class Scratch:
    """A temporary folder, removed by ``remove``, or by a process that outlives this one.

    Raises:
        FileUnusable: there is no place for it.
    """

    def __init__(self) -> None:
        with files("No temporary folder can be made", advice="make room, or set TMPDIR"):
            self.path = Path(tempfile.mkdtemp(prefix="matminer-compute-endpoint-"))
            self._remover = subprocess.Popen(
                ["/bin/sh", "-c", _REMOVE, "sh", str(self.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C, or a signal to all of us, is not for it
            )

    def remove(self) -> None:
        """Remove the folder now; once more does no harm."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._remover.returncode is None:
            self._remover.communicate(b"\n")
