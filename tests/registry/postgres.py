"""A real PostgreSQL of our own: a folder, a free port, a password."""

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
from service.broker import free_ports
from service.programs import need
from waiting import until


class Postgres(AbstractContextManager["Postgres"]):
    """The server and its databases; it runs while the block does.

    Args:
        password: of its user, ``matminer``.
    """

    def __init__(self, password: str) -> None:
        self._password = password
        (self.port,) = free_ports(1)
        # Not below pytest's folder: that is of whoever tests, and PostgreSQL runs as no root.
        self.folder = Path(tempfile.mkdtemp(prefix="matminer-postgres-"))

    def __enter__(self) -> "Postgres":
        initdb, postgres, _ = need("initdb", "postgres", "setpriv")
        secret = self.folder / "password"
        secret.write_text(self._password)
        if os.geteuid() == 0:
            for path in (self.folder, secret):
                shutil.chown(path, "postgres", "postgres")
        data = str(self.folder / "data")
        made = [initdb, "-D", data, "-U", "matminer", "--no-sync", "--encoding=UTF8"]
        made += ["--locale=C", "--auth=scram-sha-256", f"--pwfile={secret}"]
        subprocess.run([*self._as_user(), *made], check=True, capture_output=True)
        secret.unlink()
        running = [postgres, "-D", data, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1"]
        running += ["-c", "unix_socket_directories=", "-c", "fsync=off"]
        with (self.folder / "log").open("wb") as log:
            self._server = subprocess.Popen(
                # The kernel ends it with us, however we end.
                [*self._as_user(), "--pdeathsig", "KILL", *running],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._answers)
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.kill()
        self._server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self, name: str) -> str:
        """Make a database; its address, with the password."""
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.address(name)

    def address(self, name: str) -> str:
        return f"postgresql://matminer:{self._password}@127.0.0.1:{self.port}/{name}"

    def _as_user(self) -> list[str]:
        if os.geteuid() != 0:
            return ["setpriv"]
        user = pwd.getpwnam("postgres")
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def _answers(self) -> bool:
        assert self._server.poll() is None, (self.folder / "log").read_text()
        try:
            psycopg.connect(self.address("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True
