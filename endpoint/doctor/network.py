"""Whether the hosts of Globus can be reached from here. It is asked for, never done by itself."""

import socket
import ssl
from collections.abc import Iterable, Iterator

from .verdict import Verdict, fail, ok

#: As the documentation of Globus Compute has them; the second is the message broker's.
HOSTS = (
    ("auth.globus.org", 443),
    ("compute.api.globus.org", 443),
    ("compute.amqps.globus.org", 443),
    ("compute.amqps.globus.org", 5671),
)


def examine_network(
    hosts: Iterable[tuple[str, int]] = HOSTS, seconds: float = 5.0
) -> Iterator[Verdict]:
    """Connect to each host and port, and see whether it shows a certificate of its own."""
    context = ssl.create_default_context()
    for host, port in hosts:
        check = f"{host}:{port}"
        try:
            with socket.create_connection((host, port), seconds) as plain:
                context.wrap_socket(plain, server_hostname=host).close()
        except ssl.SSLCertVerificationError as error:
            yield fail(
                check,
                f"its certificate is not its own ({error.verify_message})",
                "something stands in between: ask the site for its proxy, or set SSL_CERT_FILE",
            )
        except OSError as error:
            other = ", or set amqp_port to 443 in config.yaml" if port != 443 else ""
            yield fail(
                check,
                f"no connection ({error.strerror or type(error).__name__})",
                f"ask the site to let this machine out to it{other}",
            )
        else:
            yield ok(check, "reached")
