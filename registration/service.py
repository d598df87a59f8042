"""The Globus Compute service, as a place to register functions."""

from globus_compute_sdk import Client
from globus_compute_sdk.serialize import JSONData, PureSourceTextInspect

from matminer_compute.errors import EndpointUnavailable


def service_registrar() -> Client:
    """A client of the Compute service that sends functions as source text; logs in if it must.

    Raises:
        EndpointUnavailable: the service cannot be reached, or refused the login.
    """
    try:
        return Client(
            code_serialization_strategy=PureSourceTextInspect(),
            data_serialization_strategy=JSONData(),
        )
    except Exception as error:
        raise EndpointUnavailable(
            f"The Globus Compute service cannot be used ({type(error).__name__}); check the "
            "network, and log in with 'globus-compute-endpoint login' or set "
            "GLOBUS_COMPUTE_CLIENT_ID and GLOBUS_COMPUTE_CLIENT_SECRET."
        ) from error
