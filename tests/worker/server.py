"""A real ``mlflow server``: HTTP, sqlite, served artifacts, in a folder of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from waiting import PATIENCE


class MlflowServer(AbstractContextManager["MlflowServer"]):
    """The server's process group, on a free loopback port that it keeps over a restart.

    As a context manager it runs while the block does.

    Args:
        folder: whatever it writes, unless ``options`` says otherwise.
        options: where its database and artifacts are; by default in the folder, artifacts served.
        environment: variables of its own.
        python: of an environment that has MLflow.
    """

    def __init__(
        self,
        folder: Path,
        options: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.folder = folder
        self._options = options or (
            *("--serve-artifacts", "--artifacts-destination", str(folder / "artifacts")),
            *("--backend-store-uri", f"sqlite:///{folder / 'registry.db'}"),
        )
        self._environment = environment or {}
        self._python = python
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "MlflowServer":
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.kill()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [self._python, "-m", "mlflow", "server", "--workers", "1", *self._options]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
            environment.pop(variable, None)
        environment |= self._environment
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        self._wait_for_answer(self._process)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        if self._process is not None:
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """End it as a crash of its machine would."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _wait_for_answer(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        log = (self.folder / "server.log").read_text()
        self.kill()
        raise RuntimeError(f"mlflow server did not start:\n{log[-4000:]}")
