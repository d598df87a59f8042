"""A thin client: formulas out, predictions back. It imports no model library.

The public surface is what ``__all__`` lists.
"""

from matminer_compute.errors import (
    BundleError,
    DeadlineExceeded,
    EndpointError,
    EndpointUnavailable,
    EnvironmentMismatch,
    FeatureSchemaMismatch,
    FunctionNotAllowed,
    JournalError,
    MatminerComputeError,
    ModelNotLoadable,
    NoProductionVersion,
    PayloadTooLarge,
    RegistryError,
    RegistryUnreachable,
    RemoteError,
    WorkerLost,
)

from .client import CompositionClient
from .endpoint import Endpoint, ServiceEndpoint
from .results import Features, Predictions

__all__ = [
    "BundleError",
    "CompositionClient",
    "DeadlineExceeded",
    "Endpoint",
    "EndpointError",
    "EndpointUnavailable",
    "EnvironmentMismatch",
    "FeatureSchemaMismatch",
    "Features",
    "FunctionNotAllowed",
    "JournalError",
    "MatminerComputeError",
    "ModelNotLoadable",
    "NoProductionVersion",
    "PayloadTooLarge",
    "Predictions",
    "RegistryError",
    "RegistryUnreachable",
    "RemoteError",
    "ServiceEndpoint",
    "WorkerLost",
]
