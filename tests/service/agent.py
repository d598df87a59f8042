"""The unmodified endpoint agent, in manager mode, with a template of ours."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import yaml
from waiting import PATIENCE, until

from .standin import ComputeService

#: What real endpoints have, small.
TEMPLATE = """\
engine:
  type: GlobusComputeEngine
  address: 127.0.0.1
  max_workers_per_node: 2
  job_status_kwargs:
    strategy_period: 1  # seconds to the first worker
  provider:
    type: LocalProvider
    init_blocks: 1
    min_blocks: 1
    max_blocks: 1
"""
NAME = "tested"


class Agent:
    """An endpoint of this machine: the agent and all that it starts.

    Args:
        folder: its Globus Compute folder; made by ``start``, and its own alone.
        service: where it registers.
        template: text of its user endpoint configuration template.
        schema: of what its callers may choose, JSON; by default anything.
        config: more for the configuration of the manager, such as ``allowed_functions``.
        environment: more for the environment of its workers.
    """

    def __init__(
        self,
        folder: Path,
        service: ComputeService,
        *,
        template: str = TEMPLATE,
        schema: str = "{}",
        config: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.service = service
        self._template, self._schema = template, schema
        # As root the agent insists on an address to complain to.
        self._config = {"email": "tester@example.org", **(config or {})}
        self._environment = environment or {}
        self._started = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_id(self) -> str:
        """The id the service gave it; it keeps it over a restart."""
        return json.loads((self.folder / NAME / "endpoint.json").read_text())["endpoint_id"]

    def start(self) -> None:
        """Start it and wait until the service has heard of it."""
        if not (self.folder / NAME).exists():
            self._configure()
        self._started = time.monotonic()
        with (self.folder / "output.log").open("ab") as log:
            self._process = subprocess.Popen(
                # Ends with us, however we end; its workers follow it.
                ["setpriv", "--pdeathsig", "TERM", _command(), "start", NAME],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._own_environment(),
                start_new_session=True,  # it ends its process group when it stops
            )
        try:
            until(self._online)
        except BaseException as error:
            error.add_note(self.logs())
            self.kill()
            raise

    def stop(self) -> None:
        """Stop it as its operator would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(PATIENCE)
            finally:
                self.kill()

    def kill(self) -> None:
        """End it and all that it started at once, as a crash of its machine would."""
        if self._process is not None:
            until(self._killed)
            self._process.wait()
            self._process = None
            for left in self.folder.glob("*/daemon.pid"):  # or it refuses to start for a while
                left.unlink()

    def processes(self) -> set[psutil.Process]:
        """The agent, its engines and its workers, wherever in the process tree they are."""
        if self._process is None:
            return set()
        found = {process for process in psutil.process_iter() if self._is_ours(process)}
        # Those who set their title have written over what tells the others.
        with contextlib.suppress(psutil.NoSuchProcess):
            agent = psutil.Process(self._process.pid)
            found |= {agent, *agent.children(recursive=True)}
        return {process for process in found if _is_alive(process)}

    def logs(self) -> str:
        """The end of each of its logs, for a failure's message."""
        logs = sorted(self.folder.rglob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text()[-4000:]}" for log in logs)

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        contents = {
            "config.yaml": yaml.safe_dump(self._config),
            "template.j2": self._template,
            "schema.json": self._schema,
            "environment.yaml": yaml.safe_dump(self._worker_environment()),
        }
        for name, text in contents.items():
            (self.folder / name).write_text(text)
        command = [_command(), "configure", NAME, "--multi-user", "false"]
        command += ["--core-config", "config.yaml", "--template-config", "template.j2"]
        command += ["--schema-config", "schema.json", "--user-env-config", "environment.yaml"]
        subprocess.run(
            command,
            cwd=self.folder,
            env=self._own_environment(),
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def _own_environment(self) -> dict[str, str]:
        return os.environ | self.service.environment | self._worker_environment()

    def _worker_environment(self) -> dict[str, str]:
        return {
            "GLOBUS_COMPUTE_USER_DIR": str(self.folder),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", ""),  # the tests compile once
            **self._environment,
        }

    def _online(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the agent ended"
        try:
            known = self.endpoint_id
        except (FileNotFoundError, json.JSONDecodeError):
            return False  # it has not written its id, or is about to
        heard = self.service.endpoint(known).heard
        return heard is not None and heard > self._started  # not what a killed one said

    def _killed(self) -> bool:
        """Kill what runs; whether there was nothing. A survivor would hold the task queue."""
        processes = self.processes()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return not processes

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("GLOBUS_COMPUTE_USER_DIR") == str(self.folder)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return False


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _command() -> str:
    return str(Path(sys.executable).parent / "globus-compute-endpoint")
