"""A real Slurm of two nodes on this machine: munge, slurmctld and two slurmd, in a folder."""

import contextlib
import os
import pwd
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from service.broker import free_ports
from service.programs import need
from waiting import until

NODES = ("node1", "node2")
CPUS = 2

# KillWait is what a job has between SIGTERM and SIGKILL, cred_expire what a job queued again waits
# before it may start; ReturnToService takes a lost node back once it answers.
_CONFIGURATION = """\
ClusterName=two-nodes
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
SlurmdSpoolDir={folder}/%n
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
KillWait=2
ReturnToService=2
{nodes}
PartitionName=batch Nodes={names} Default=YES MaxTime=INFINITE State=UP
"""


class Cluster:
    """The daemons, each a process group, and the jobs they run; ``stop`` ends all of it.

    Args:
        folder: whatever the cluster writes; made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self._ports = dict(zip(("slurmctld", *NODES), free_ports(1 + len(NODES)), strict=True))
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What ``sbatch``, ``squeue`` and the daemons need to find this cluster."""
        return {"SLURM_CONF": str(self.configuration)}

    def start(self) -> None:
        """Start the daemons and wait until both nodes take jobs."""
        munged, _, slurmctld, self._slurmd = need("munged", "sbatch", "slurmctld", "slurmd")
        self._write()
        try:
            self._run_munge(munged)
            self._run("slurmctld", slurmctld, "-D", "-f", str(self.configuration))
            for node in NODES:
                self.restart_slurmd(node)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every job, daemon and process of the cluster."""
        if "slurmctld" in self._daemons:
            self._ask("scancel", f"--user={_user()}", check=False)
        for node in NODES:
            self.kill_slurmd(node)
        for name in list(self._daemons):
            self._end(name, signal.SIGTERM)

    def nodes(self) -> dict[str, str]:
        """Each node's state, such as ``idle`` or ``down``; a ``*`` follows if it is silent."""
        command = ("sinfo", "--noheader", "--Node", "--format=%N %T")
        lines = self._ask(*command, check=False).splitlines()
        return dict(line.split() for line in lines)

    def jobs(self) -> list[dict[str, str]]:
        """Jobs that wait, run or are ending, each with ``id``, ``state`` and ``node``."""
        lines = self._ask("squeue", "--noheader", "--format=%i|%T|%N").splitlines()
        return [dict(zip(("id", "state", "node"), line.split("|"), strict=True)) for line in lines]

    def has_no_job(self) -> None:
        """Wait until the last job has ended."""
        try:
            until(lambda: not self.jobs())
        except AssertionError as error:
            error.add_note(f"{self.control('show', 'jobs')}\n{self.logs()}")
            raise

    def running_on(self) -> set[str]:
        """Nodes that run a job now."""
        return {job["node"] for job in self.jobs() if job["state"] == "RUNNING"}

    def control(self, *arguments: str) -> str:
        """Run ``scontrol``."""
        return self._ask("scontrol", *arguments)

    def cancel(self, job: str) -> None:
        """End a job, or take it out of the queue."""
        self._ask("scancel", job)

    def down(self, node: str) -> None:
        """Declare a node lost: its jobs fail, or are queued again."""
        self.control("update", f"NodeName={node}", "State=DOWN", "Reason=test")

    def kill_slurmd(self, node: str) -> None:
        """End all that runs on a node at once, as if its power had gone."""
        self._end(node, signal.SIGKILL)
        # The steps are in sessions of their own; a killed daemon leaves them running.
        for process in (running := self._running(node)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(running)

    def restart_slurmd(self, node: str) -> None:
        """Start a node's daemon, and wait until the node takes jobs."""
        self._run(node, self._slurmd, "-D", "-N", node, "-f", str(self.configuration))
        self._wait(lambda: self._takes_jobs(node))

    def logs(self) -> str:
        """The end of each daemon's log, for a failure's message."""
        ends = (f"{log.name}:\n{log.read_text()[-2000:]}" for log in self.folder.glob("*.log"))
        return "\n".join(ends)

    def _write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "state").mkdir()
        host = socket.gethostname()
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={self._ports[node]} "
            f"CPUs={CPUS} RealMemory=2000 State=UNKNOWN"
            for node in NODES
        )
        self.configuration.write_text(
            _CONFIGURATION.format(
                host=host,
                port=self._ports["slurmctld"],
                user=_user(),
                folder=self.folder,
                nodes=nodes,
                names=",".join(NODES),
            )
        )

    def _run_munge(self, munged: str) -> None:
        key, at = self.folder / "munge.key", self.folder / "munge.socket"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self._run(
            "munged",
            munged,
            "--foreground",
            "--force",
            f"--socket={at}",
            f"--key-file={key}",
            f"--pid-file={self.folder / 'munged.pid'}",
            f"--log-file={self.folder / 'munged.log'}",
            f"--seed-file={self.folder / 'munged.seed'}",
        )
        self._wait(at.exists)

    def _run(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            self._daemons[name] = subprocess.Popen(
                command,
                stdout=out,
                stderr=out,
                env=os.environ | self.environment,
                start_new_session=True,
            )

    def _end(self, name: str, with_signal: signal.Signals) -> None:
        daemon = self._daemons.pop(name, None)
        if daemon is None:
            return
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(daemon.pid, with_signal)
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()

    def _wait(self, condition: Callable[[], Any]) -> None:
        def met() -> bool:
            dead = [name for name, daemon in self._daemons.items() if daemon.poll() is not None]
            assert not dead, f"{dead} ended:\n{self.logs()}"
            return bool(condition())

        until(met)

    def _takes_jobs(self, node: str) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._ports[node])).close()
        except ConnectionRefusedError:
            return False
        state = self.nodes().get(node)
        if state in ("down", "drained"):  # by our own word, which outlives the daemon
            self.control("update", f"NodeName={node}", "State=RESUME")
        # It may have work at once: what waits for a node does not wait for us to see it idle.
        return state in ("idle", "mixed", "allocated")

    def _ask(self, *command: str, check: bool = True) -> str:
        environment = os.environ | self.environment
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def _running(self, node: str) -> list[psutil.Process]:
        """The steps on a node and all that they started; a step writes to its node's log."""
        log = str(self.folder / f"{node}.log")
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.name() == "slurmstepd" and log in {f.path for f in process.open_files()}:
                    found += [process, *process.children(recursive=True)]
        return found


def _user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name
