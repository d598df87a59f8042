"""A real RabbitMQ of our own: a folder, free ports, nothing shared with one that runs here."""

import contextlib
import os
import random
import signal
import socket
import subprocess
from pathlib import Path

import pika
from waiting import until

from .programs import need


class Broker:
    """RabbitMQ and the port mapper it needs; durable queues outlive ``stop`` and ``kill``.

    Args:
        folder: where it keeps everything; made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self._epmd_port, self._distribution_port = free_ports(3)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"

    def start(self) -> None:
        """Start it, on the same port and queues as before, and wait until it takes connections."""
        epmd, server, _ = need("epmd", "rabbitmq-server", "setpriv")
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "enabled_plugins").write_text("[].\n")
        try:
            if self._epmd is None:
                # In the foreground, since the one that Erlang would start outlives everybody.
                command = [epmd, "-port", str(self._epmd_port), "-address", "127.0.0.1"]
                self._epmd = self._run(*command)
            self._server = self._run(server)
            until(self._answers)
        except BaseException:
            self.close()
            raise

    def stop(self) -> None:
        """Shut down as an operator would: connections are told."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would: connections just break."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Leave nothing running."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None

    def logs(self) -> str:
        """The end of its log, for a failure's message."""
        return (self.folder / "output.log").read_text()[-4000:]

    def _end(self, number: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(number)
            self._server.wait()
            self._server = None

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        with (self.folder / "output.log").open("ab") as log:
            return subprocess.Popen(
                # The kernel ends it with us, however we end.
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self._environment(),
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),  # for the Erlang cookie
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "ERL_CRASH_DUMP": str(self.folder / "erl_crash.dump"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            # Not the machine's configuration.
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "none"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "none"),
            # Makes the start script become the server, instead of minding it: one process, ours.
            "RUNNING_UNDER_SYSTEMD": "true",
            # Schedulers that do not spin, for small machines.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+sbwt none -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }

    def _answers(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, f"RabbitMQ ended:\n{self.logs()}"
        try:
            pika.BlockingConnection(pika.URLParameters(self.url)).close()
        except (pika.exceptions.AMQPError, OSError):
            return False
        return True


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody uses now, all different.

    They lie below those that the kernel gives to outgoing connections, or one of these could take a
    port before its server does.
    """
    found: list[int] = []
    for port in random.sample(range(20_000, 32_000), 1_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("No free ports between 20,000 and 32,000.")
