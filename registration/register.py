"""Register the functions with Globus Compute, once for each version of their source."""

import hashlib
import inspect
import uuid
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from matminer_compute.errors import BundleError, EndpointUnavailable
from matminer_compute.errors.machine import check_writable
from matminer_compute.functions import (
    featurize_composition,
    inspect_worker,
    predict,
    predict_composition,
    screen_space,
)

from .bundle import Bundle, RegisteredFunction, Service

_WHOSE = {"globus-compute": "Globus Compute", "embedded": "an embedded endpoint"}
#: What is registered, by name.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        featurize_composition,
        predict,
        predict_composition,
        screen_space,
        inspect_worker,
    )
}


class Registrar(Protocol):
    """What registers a function: ``globus_compute_sdk.Client``, or the embedded endpoint."""

    def register_function(
        self,
        function: Callable[..., Any],
        description: str | None = None,
        *,
        public: bool = False,
        group: str | None = None,
    ) -> str:
        """Store the function's source and return its id."""
        ...


def register(
    registrar: Registrar, path: Path, *, public: bool = False, group: str | None = None
) -> Bundle:
    """Register what has changed since ``path`` was written, and write it anew.

    A function whose source and audience are unchanged keeps its id, so doing this twice changes
    nothing. The id that a new one replaces moves to ``history``: callers who hold an old bundle
    still use it. The file is written after every new id, so a failure half-way loses none.

    Args:
        registrar: whoever hands out function ids.
        path: the bundle file, made if it is missing.
        public: let every Globus user call the functions.
        group: UUID of the Globus group that may call them.

    Raises:
        BundleError: ``path`` exists and is no bundle, or one whose ids are another service's.
        FileUnusable: ``path`` cannot be written.
        EndpointUnavailable: the service refused or could not be reached.
        ValueError: ``group`` is no UUID.
    """
    group = group and _uuid(group)
    service: Service = getattr(registrar, "service", "globus-compute")
    check_writable(path)  # ids that cannot be written down would be lost
    bundle = Bundle.load(path) if path.exists() else Bundle(service=service)
    if bundle.service != service:
        raise BundleError(
            f"{path} holds ids of {_WHOSE[bundle.service]}, and these would be ids of "
            f"{_WHOSE[service]}: name another file."
        )
    if (bundle.public, bundle.group) != (public, group):
        # None of the old ids may stay, should this end half-way: they are for other people.
        bundle.history += bundle.functions.values()
        bundle.functions = {}
        bundle.public, bundle.group = public, group
    for name, function in FUNCTIONS.items():
        digest = _digest(function)
        known = bundle.functions.get(name)
        if known and known.sha256 == digest:
            continue
        try:
            function_id = registrar.register_function(
                function, inspect.getdoc(function), public=public, group=group
            )
        except Exception as error:
            raise EndpointUnavailable(
                f"Globus Compute did not register {name}: {_said(error)}. Those it "
                "registered before are in the bundle, and will not be sent again."
            ) from error
        if known:
            bundle.history.append(known)
        bundle.functions[name] = RegisteredFunction(id=str(function_id), sha256=digest, name=name)
        bundle.sdk = version("globus-compute-sdk")
        bundle.save(path)
    return bundle


def check(path: Path) -> Bundle:
    """Compare a bundle with the functions of this version, registering nothing.

    Raises:
        BundleError: it is of an embedded endpoint, a function is missing from it, or its source
            has changed since.
    """
    bundle = Bundle.load(path).of_globus_compute(path)
    drifted = [
        name
        for name, function in FUNCTIONS.items()
        if name not in bundle.functions or bundle.functions[name].sha256 != _digest(function)
    ]
    if drifted:
        raise BundleError(
            f"{path} has drifted from the source of {', '.join(drifted)}; "
            "run 'matminer-compute register' again."
        )
    return bundle


def _uuid(group: str) -> str:
    try:
        return str(uuid.UUID(group))
    except ValueError:
        raise ValueError(f"group must be the UUID of a Globus group, not {group!r}.") from None


def _said(error: Exception) -> str:
    """What went wrong and what to do, told by the status: the SDK need not be imported to ask."""
    status = getattr(error, "http_status", None)
    if status is None:
        return f"it could not be reached ({error!r}); check the network and try again"
    if status == 429:
        return "it takes 20 requests in 10 s (HTTP 429); try again in a minute"
    if status in (401, 403):
        return f"it refused (HTTP {status}); check your login, and that --group is a group of yours"
    if status >= 500:
        return f"it failed (HTTP {status}); try again later"
    return f"it refused (HTTP {status}: {error})"


def _digest(function: Callable[..., Any]) -> str:
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()
