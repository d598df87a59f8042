"""What can be said of a script for workers without running it."""

import re
import shutil
import subprocess

#: A user and a password in an address, or a variable that is named for holding a secret.
_SECRET = re.compile(
    r"\w://[^\s/@:]+:[^\s/@]+@|(PASSWORD|SECRET|TOKEN)S?(_\w*)?\s*[=:]\s*['\"]?\w", re.ASCII
)


def holds_secret(text: str) -> bool:
    """Whether something in a text looks like a password or a token; one that is read is none."""
    return _SECRET.search(text) is not None


def shell_fault(script: bytes) -> str:
    """What bash says of a script that it cannot read; empty if it can, or if there is no bash.

    A here-document that never ends swallows all that follows it, and is only a warning to bash.
    """
    bash = shutil.which("bash")
    if bash is None:
        return ""
    # In the language, and without a complaint about the locale, that this looks at.
    read = subprocess.run([bash, "-n"], input=script, capture_output=True, env={"LC_ALL": "C"})
    said = read.stderr.decode(errors="replace").strip().partition("\n")[0]
    if not said and read.returncode:
        return f"it ended with code {read.returncode}"
    return said.removeprefix(f"{bash}: ")
