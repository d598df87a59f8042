"""The programs that an endpoint's agent starts: are they found, and by way of ours?"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from .verdict import Verdict, fail, ok, warn

_PROGRAM = "globus-compute-endpoint"
_OURS = Path(__file__).parents[1] / "templates" / "python"


def examine_programs(folder: Path) -> Iterator[Verdict]:
    """Look for ``globus-compute-endpoint`` as the agent will, with ``user_environment.yaml``."""
    file = folder / "user_environment.yaml"
    anew = "'matminer-compute endpoint init' under another name writes one to compare with"
    try:
        path = str(dict(yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("PATH", ""))
    except OSError as error:
        yield fail("programs", f"{file.name} cannot be read ({error.strerror})", anew)
        return
    except (yaml.YAMLError, ValueError, TypeError):  # what they say may quote the file
        yield fail("programs", f"{file.name} is not a YAML mapping of variables", f"fix {file}")
        return
    ours = folder / "bin" / _PROGRAM
    others = [place for place in path.split(os.pathsep) if place != str(ours.parent)]
    if shutil.which(_PROGRAM, path=os.pathsep.join(others)) is None:
        found = f"PATH in {file.name} leads to no {_PROGRAM} beside ours, which starts it"
        yield fail("programs", found, f"add the folder that holds it to PATH in {file}")
    elif os.pathsep in str(folder):
        advice = f"make the endpoint in a folder without a {os.pathsep} in its path"
        yield warn("programs", "ours are not used, since PATH cannot name them", advice)
    elif shutil.which(_PROGRAM, path=path) != str(ours):
        found = "ours are not used, so jobs in which no worker starts are asked for without end"
        advice = f"let {ours} be executable, and its folder stand first on PATH in {file}"
        yield warn("programs", found, advice)
    elif missing := sorted(
        file.name for file in _OURS.glob("*.py") if not (folder / "python" / file.name).exists()
    ):
        found = f"{', '.join(missing)} is missing, which {ours} runs"
        yield fail("programs", found, f"put it back into {folder / 'python'}; {anew}")
    else:
        yield ok("programs", "the agent finds them, and by way of ours")
