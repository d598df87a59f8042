"""What an endpoint needs. Here so far: the embedded one, and where its registry lives."""

from typing import TYPE_CHECKING, Any

from matminer_compute.errors.machine import packages

from .registry import data_folder, registry_uri

if TYPE_CHECKING:
    from .embedded import EmbeddedEndpoint

__all__ = ["EmbeddedEndpoint", "data_folder", "registry_uri"]


def __getattr__(name: str) -> Any:
    # A publisher asks where the registry is, and need not have globus-compute-endpoint for it.
    if name == "EmbeddedEndpoint":
        with packages():
            from .embedded import EmbeddedEndpoint

        return EmbeddedEndpoint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
