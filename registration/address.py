"""What is said of a registry's address, and what is made of a path; no secret gets into either."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from matminer_compute.errors import RegistryError
from matminer_compute.functions.worker.address import HIDDEN, is_path, public_address

_CREDENTIALS = re.compile(r"(\w://)\S*@")


def redacted(text: str, uri: str = "") -> str:
    """Return a foreign message without the credentials in the address it is about, or in any."""
    credentials = uri.partition("://")[2].rpartition("@")[0]
    _, _, query = uri.partition("?")
    if uri:
        text = text.replace(uri, public_address(uri))
    text = _CREDENTIALS.sub(r"\1", text)
    _, _, password = credentials.partition(":")
    for secret in (credentials, password, query):
        for written in {secret, unquote(secret)} - {""}:
            text = text.replace(written, HIDDEN)
    return text


def address_fault(uri: str) -> str:
    """Say what keeps an address from being understood as it was meant; empty if nothing does.

    The sentence never quotes the address beyond :func:`public_address`.
    """
    rest = uri.strip().partition("://")[2]
    if is_path(uri):
        return ""
    try:
        parts = urlsplit(uri.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    else:
        if rest.rpartition("@")[0] != parts.netloc.rpartition("@")[0]:
            host = None
    if host or not rest:
        return ""
    return (
        f"The address {public_address(uri)} cannot be read: write it as http://host:port, and "
        "characters such as / ? # [ @ of a user or a password percent-encoded (%2F %3F %23 %5B "
        "%40), or set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead."
    )


def sqlite_address(path: Path) -> str:
    """Return the address of a sqlite database.

    Raises:
        RegistryError: its path would be read as another's: MLflow takes the rest from ``?`` on for
            options, and ``%41`` for ``A`` where it reads, but not where it makes folders.
    """
    text = str(path)
    if "?" in text or unquote(text) != text:
        raise RegistryError(
            f"The path {text} cannot be the address of a registry, since it holds a ? or a code "
            "such as %41: choose another folder (XDG_DATA_HOME, MLFLOW_TRACKING_URI)."
        )
    return f"sqlite:///{text}"


def absolute(uri: str) -> str:
    """Anchor a relative sqlite path, which would mean another database in another folder."""
    if not uri.startswith("sqlite:///") or uri.startswith("sqlite:////"):
        return uri
    return f"{sqlite_address(Path.cwd())}/{uri.removeprefix('sqlite:///')}"
