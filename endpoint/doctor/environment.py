"""The environment that an endpoint's workers activate, where ``build-env`` made it."""

import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from matminer_compute.endpoint.environment import activated_in, contents_of, requirements_of
from matminer_compute.errors import MatminerComputeError

from .verdict import Verdict, fail, ok, warn


def examine_environment(folder: Path, name: str, version: str) -> Iterator[Verdict]:
    """Is it whole, and is it what the model needs that workers load now?

    Nothing is said of an environment that somebody made by hand: the canary's versions tell of it.

    Args:
        folder: of the endpoint.
        name: registered model name.
        version: an alias, a stage or a number.
    """
    script = folder / "worker_init.sh"
    text = script.read_text(errors="replace") if script.exists() else ""
    if (environment := activated_in(text)) is None:
        return
    anew = f"run 'matminer-compute endpoint build-env', and put what it prints into {script}"
    if (has := contents_of(environment)) is None:
        yield fail("environment", f"{environment} is missing, or not whole", anew)
        return
    registry = os.environ.get("MLFLOW_TRACKING_URI") or exported(text, "MLFLOW_TRACKING_URI")
    if not registry:  # the script's own check says so
        return
    try:
        needs = requirements_of(registry, name, version).contents
    except MatminerComputeError as error:
        advice = "run this where build-env ran, signed in as there; --endpoint compares too"
        yield warn("environment", str(error), advice)
        return
    if missing := [line for line in needs if line not in has]:
        yield warn("environment", f"'{name}' needs also {', '.join(missing)}", anew)
    else:
        yield ok("environment", f"{environment} has what '{name}' version {version} needs")


def exported(script: str, variable: str) -> str:
    """What a script's plain ``export`` gives a variable; empty if none does."""
    for line in script.splitlines():
        with suppress(ValueError):  # a quote without its other; bash says so
            export, *words = shlex.split(line, comments=True) or [""]
            for word in words if export == "export" else ():
                if word.startswith(f"{variable}="):
                    return word.partition("=")[2]
    return ""
