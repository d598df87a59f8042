"""The same bits on the other Pythons that the package supports."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from service.programs import do_without

HERE = Path(__file__).parent
CONSTRAINTS = HERE.parents[1] / "constraints.txt"
#: What the published code is tested with: its own libraries, and what it is compared with.
NEEDED = ("matminer", "mlflow", "numba", "skops", "hypothesis", "pytest", "pytest-timeout", "uv")
OPTIONS = ("-q", "-p", "no:cacheprovider", "-m", "not slow")
TESTS = ("test_featurizer.py", "test_featurizer_formulas.py", "test_forest.py", "test_kernels.py")


def uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("uv")), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def find_interpreter(version: str) -> str | None:
    """On PATH, or one of pyenv's, whose stand-ins on PATH run only the version that is chosen."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for name in (f"python{version}", *map(str, pyenv.glob(f"versions/{version}.*/bin/python"))):
        try:
            subprocess.run([name, "--version"], capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return name
    return None


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_what_is_published_gives_the_same_bits(version, tmp_path):
    interpreter = find_interpreter(version)
    if interpreter is None:
        do_without(f"Python {version} is not on this machine.")
    made = uv("venv", "--python", interpreter, str(tmp_path / "venv"))
    assert made.returncode == 0, made.stderr
    python = str(tmp_path / "venv" / "bin" / "python")
    options = ["--python", python, "--constraint", str(CONSTRAINTS)]
    installed = uv("pip", "install", *options, *NEEDED)
    assert installed.returncode == 0, installed.stderr
    package = uv("pip", "install", "--python", python, "--no-deps", str(HERE.parents[1]))
    assert package.returncode == 0, package.stderr
    done = subprocess.run(
        [python, "-m", "pytest", *OPTIONS, *(str(HERE / t) for t in TESTS)],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:]
