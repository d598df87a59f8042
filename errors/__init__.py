"""Every error that a user of this package may meet, as one tree.

::

    MatminerComputeError
    ├── EndpointError
    │   ├── EndpointUnavailable     the endpoint cannot be reached or does not answer
    │   ├── FunctionNotAllowed      the endpoint does not know the function, or may not run it
    │   ├── WorkerLost              the process that held the task died
    │   ├── EndpointNotConfigured   an endpoint's folder exists, or cannot be written as asked
    │   ├── EnvironmentMismatch     the worker lacks a package, or has the wrong one
    │   └── DeadlineExceeded        no answer within the caller's timeout (also a TimeoutError)
    ├── RegistryError
    │   ├── RegistryUnreachable     the MLflow registry does not answer
    │   ├── NoProductionVersion     nothing carries the alias, stage or number asked for
    │   └── ModelNotLoadable        a version exists, but cannot be used
    ├── FeatureSchemaMismatch       features of one featurizer given to a model trained on another
    ├── IntervalMissing             the model has no interval of the level asked for
    ├── PayloadTooLarge             a task, or its result, is more than the service carries
    ├── BundleError                 bundle.json is missing, of another format, or has drifted
    ├── JournalError                a journal of a call cannot be written, read or taken up
    ├── SpaceError                  a space of candidates cannot be read or enumerated as written
    ├── TrainingError               data that cannot be trained on, a model that cannot be published
    ├── CardError                   a card, or its publisher's file of authors, cannot be used
    ├── FileUnusable                a file cannot be read or written (also an OSError)
    ├── PackageMissing              a part that is not installed was asked for (also an ImportError)
    └── RemoteError                 anything else raised on a worker, with its traceback

It stands in a room of its own, which imports nothing, because every room but ``functions`` raises
from it. ``matminer_compute.client`` re-exports the ones a caller meets.
"""

__all__ = [
    "BundleError",
    "CardError",
    "DeadlineExceeded",
    "EndpointError",
    "EndpointNotConfigured",
    "EndpointUnavailable",
    "EnvironmentMismatch",
    "FeatureSchemaMismatch",
    "FileUnusable",
    "FunctionNotAllowed",
    "IntervalMissing",
    "JournalError",
    "MatminerComputeError",
    "ModelNotLoadable",
    "NoProductionVersion",
    "PackageMissing",
    "PayloadTooLarge",
    "RegistryError",
    "RegistryUnreachable",
    "RemoteError",
    "SpaceError",
    "TrainingError",
    "WorkerLost",
]


class MatminerComputeError(Exception):
    """Base of every error this package raises on purpose; its text says what to do next."""


class EndpointError(MatminerComputeError):
    """The endpoint, not the science, is at fault."""


class EndpointUnavailable(EndpointError):
    """The endpoint or the Compute service cannot be reached."""


class FunctionNotAllowed(EndpointError):
    """The endpoint does not know this function id, or its allow-list bars it."""


class WorkerLost(EndpointError):
    """The process that held the task died; the functions are pure, so asking again is safe."""


class EndpointNotConfigured(EndpointError):
    """The endpoint's folder was not written: it exists, or a value cannot be used."""


class EnvironmentMismatch(EndpointError):
    """The worker's environment lacks what the model or the functions need."""


class DeadlineExceeded(EndpointError, TimeoutError):
    """No answer came within the caller's ``timeout``; the text says what was waited for."""


class RegistryError(MatminerComputeError):
    """The MLflow registry, as seen from the endpoint, is at fault."""


class RegistryUnreachable(RegistryError):
    """The registry does not answer and the worker holds no copy of the model."""


class NoProductionVersion(RegistryError):
    """No version of the model carries the alias, stage or number that was asked for."""


class ModelNotLoadable(RegistryError):
    """The version exists, but its artifact or its tags cannot be used."""


class FeatureSchemaMismatch(MatminerComputeError):
    """The features were not made by the featurizer that the model was trained with."""


class IntervalMissing(MatminerComputeError):
    """The model has intervals, but none of the level that was asked for."""


class PayloadTooLarge(MatminerComputeError):
    """A task or its result exceeds what the Compute service carries."""


class BundleError(MatminerComputeError):
    """``bundle.json`` is missing, of another format, or no longer matches the functions."""


class JournalError(MatminerComputeError):
    """The file that a call under way leaves on disk cannot be written, read or taken up."""


class SpaceError(MatminerComputeError):
    """A space of candidates cannot be read or enumerated; the text names the key at fault."""


class TrainingError(MatminerComputeError):
    """The data cannot be trained on, or the model cannot be published; nothing was published."""


class CardError(MatminerComputeError):
    """A version's card, or the file of its authors, cannot be used; the text names the field."""


class FileUnusable(MatminerComputeError, OSError):
    """This machine refused to read or write a file or a folder."""


class PackageMissing(MatminerComputeError, ImportError):
    """A package is not installed that only some of this project needs."""


class RemoteError(MatminerComputeError):
    """Something else was raised on the worker; ``traceback`` holds it as text."""

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback
