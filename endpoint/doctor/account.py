"""The login of this machine, and whether the agent of an endpoint runs here."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import psutil
from globus_compute_endpoint.endpoint.endpoint import Endpoint
from globus_compute_sdk.sdk.auth.client_login import get_client_creds
from globus_compute_sdk.sdk.auth.token_storage import get_token_storage

from .verdict import Verdict, fail, ok, warn

_LOG_IN = (
    "run 'globus-compute-endpoint login', or set GLOBUS_COMPUTE_CLIENT_ID and "
    "GLOBUS_COMPUTE_CLIENT_SECRET"
)


def examine_account(folder: Path) -> Iterator[Verdict]:
    """Nothing here asks the network."""
    yield _login()
    yield _agent(folder)


def _login() -> Verdict:
    client_id, secret = get_client_creds()
    if client_id and secret:
        return ok("login", "as a client, by GLOBUS_COMPUTE_CLIENT_ID and its secret")
    if secret:
        return fail(
            "login",
            "GLOBUS_COMPUTE_CLIENT_SECRET is set without GLOBUS_COMPUTE_CLIENT_ID",
            "set both, or neither",
        )
    try:
        tokens = get_token_storage().get_token_data_by_resource_server()
    except Exception as error:  # noqa: BLE001  a damaged file of tokens, whatever is wrong with it
        return fail("login", f"its tokens cannot be read ({type(error).__name__})", _LOG_IN)
    if not tokens:
        return fail("login", "nobody has logged in on this machine", _LOG_IN)
    return ok("login", "tokens of a user are there")


def _agent(folder: Path) -> Verdict:
    start = f"run 'globus-compute-endpoint start {shlex.quote(folder.name)}'"
    try:
        known = json.loads((folder / "endpoint.json").read_text())["endpoint_id"]
    except (OSError, ValueError, LookupError, TypeError):
        return warn("agent", "it has never been started, so it has no id", start)
    state = Endpoint.check_pidfile(folder)
    if state["active"] and not _lives(Endpoint.pid_path(folder)):
        return warn(
            "agent",
            "something touched daemon.pid within half a minute, but no process of this machine has "
            "its number: the agent runs on another machine, or was just killed",
            f"end it there, if it runs; else wait half a minute, then {start}",
        )
    if state["active"]:
        return ok("agent", f"it runs; its id is {known}")
    if state["exists"]:
        return warn(
            "agent",
            "daemon.pid is there, but nothing has touched it for half a minute: the agent was "
            "killed, or runs on another login node with another clock",
            f"end it there, if it runs; then {start}",
        )
    return warn("agent", f"it does not run; its id is {known}", start)


def _lives(pid_file: Path) -> bool:
    """Whether the process that a file names is one of this machine."""
    try:
        return bool(psutil.pid_exists(int(pid_file.read_text())))
    except (OSError, ValueError, OverflowError):  # gone by now, or no number
        return False
