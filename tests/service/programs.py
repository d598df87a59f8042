"""Which programs of Debian a test needs, and where they are."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

#: The package that brings each program.
PACKAGES = {
    "chromium": "chromium",
    "epmd": "erlang-base",
    "initdb": "postgresql",
    "munged": "munge",
    "postgres": "postgresql",
    "rabbitmq-server": "rabbitmq-server",
    "sbatch": "slurm-client",
    "setpriv": "util-linux",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
}
#: Daemons are not on everyone's PATH. RabbitMQ's own script comes before Debian's, which would
#: run it as another user.
_FOLDERS = (
    "/usr/lib/rabbitmq/bin",
    *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin"))),
    os.environ.get("PATH", os.defpath),
    "/usr/sbin",
    "/sbin",
)


def find(program: str) -> str | None:
    """The path of a program, or None."""
    return shutil.which(program, path=os.pathsep.join(_FOLDERS))


def need(*programs: str) -> list[str]:
    """The paths of the programs; without one of them the test is skipped, in CI it fails."""
    paths = {program: find(program) for program in programs}
    if missing := sorted({PACKAGES[program] for program, path in paths.items() if not path}):
        sentence = (
            f"This needs Debian's {', '.join(missing)}: "
            f"'apt-get install --no-install-recommends {' '.join(missing)}'."
        )
        do_without(sentence)
    return [path for path in paths.values() if path]


def do_without(sentence: str) -> NoReturn:
    """End a test whose machine lacks something: skipped, in CI failed."""
    if os.environ.get("CI"):
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)
