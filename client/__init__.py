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
    FileUnusable,
    FunctionNotAllowed,
    IntervalMissing,
    JournalError,
    MatminerComputeError,
    ModelNotLoadable,
    NoProductionVersion,
    PackageMissing,
    PayloadTooLarge,
    RegistryError,
    RegistryUnreachable,
    RemoteError,
    SpaceError,
    WorkerLost,
)

from .client import CompositionClient
from .endpoint import Endpoint, ServiceEndpoint
from .features import Features
from .predictions import Predictions
from .row import Row
from .screened import Screening
from .spaces import Space

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
    "FileUnusable",
    "FunctionNotAllowed",
    "IntervalMissing",
    "JournalError",
    "MatminerComputeError",
    "ModelNotLoadable",
    "NoProductionVersion",
    "PackageMissing",
    "PayloadTooLarge",
    "Predictions",
    "RegistryError",
    "RegistryUnreachable",
    "RemoteError",
    "Row",
    "Screening",
    "ServiceEndpoint",
    "Space",
    "SpaceError",
    "WorkerLost",
]
