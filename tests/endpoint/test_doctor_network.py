"""Whether Globus's hosts can be reached, asked of hosts on loopback."""

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from matminer_compute.endpoint.doctor import examine_network


@pytest.fixture
def certified(tmp_path, monkeypatch):
    """The port of a server on loopback with a certificate that this process trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "certificate.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                accepted, _ = server.accept()
            except OSError:
                return
            try:
                context.wrap_socket(accepted, server_side=True).close()
            except OSError:
                accepted.close()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def test_a_host_is_reached_refused_or_somebody_elses(certified, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    hosts = [("localhost", certified), ("127.0.0.1", certified), ("127.0.0.1", nobody)]
    reached, other, refused = examine_network(hosts)
    assert reached.verdict == "ok"
    assert (other.verdict, "certificate" in other.found) == ("fail", True)
    assert (refused.verdict, refused.check) == ("fail", f"127.0.0.1:{nobody}")
