"""Under which ids our functions are registered where a client calls them."""

import os

from matminer_compute.errors import BundleError
from matminer_compute.registration import FUNCTIONS, Bundle

from .endpoint import Endpoint

_NEEDED = ("predict", "predict_composition", "featurize_composition")


def loaded(bundle: str | os.PathLike[str] | Bundle | None) -> Bundle | None:
    """The bundle, read if it is a file.

    Raises:
        BundleError: it is missing, unreadable or of another format.
    """
    return bundle if bundle is None or isinstance(bundle, Bundle) else Bundle.load(bundle)


def function_ids(bundle: Bundle | None, endpoint: Endpoint) -> dict[str, str]:
    """The ids by the functions' names.

    Without a bundle, and with an embedded endpoint, this package's own are registered there.

    Raises:
        BundleError: there is no bundle and the endpoint cannot register functions, or it is one of
            another service, or it lacks a function.
    """
    register = getattr(endpoint, "register_function", None)
    embedded = register is not None and not hasattr(endpoint, "task_group_id")
    if bundle is None and not embedded:
        raise BundleError(
            "A bundle is needed for this endpoint; ask the publisher for bundle.json, or make "
            "one with 'matminer-compute register'."
        )
    here: dict[str, str] = {}
    if register is not None and embedded:  # what is registered there lives only as long as it does
        here = {name: register(function) for name, function in FUNCTIONS.items()}
    if bundle is None:
        return here
    if not embedded:
        bundle.of_globus_compute()
    ids = {name: function.id for name, function in bundle.functions.items()}
    if missing := [name for name in _NEEDED if name not in ids]:
        raise BundleError(f"The bundle lacks {', '.join(missing)}; register again.")
    return ids
