"""A registry's address, fit to be shown: the one place that takes its secrets away.

Nothing here raises on any text. A password may hold every character that means something in an
address (``/``, ``?``, ``#``, ``[``, ``@``, ``:``), so no parser is asked where it ends: what could
be part of a secret is left out, at the price of a path or a port that was none.
"""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from . import RegistryError

_HIDDEN = "…"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[\w.~%-]+)(:\d{1,5})?(?![^/])")
_CREDENTIALS = re.compile(r"(\w://)\S*@")


def public_address(uri: str) -> str:
    """Return an address without user, password, query and fragment, fit for a message or a log.

    ``http://me:secret@host:5000/a?token=x`` becomes ``http://host:5000/a``; what cannot be told
    from a secret becomes ``…``.
    """
    scheme, mark, rest = uri.strip().partition("://")
    if not mark:
        scheme, rest = "", uri.strip()
    elif _is_path(uri):  # on this machine: nobody signs in to it
        return _printable(scheme + mark + rest.split("?")[0])
    before, signed_in, place = rest.rpartition("@")
    if signed_in and re.search("[?#]", before):
        place = ""  # is the "@" the end of a password or part of a query? nobody can say
    place = re.split("[?#]", place)[0]
    if mark and not _HOST.match(place):
        place = _HIDDEN  # a port that is no number may be a password whose host is missing
    elif not mark and signed_in:
        place = _HIDDEN
    return _printable(scheme + mark + place)


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
            text = text.replace(written, _HIDDEN)
    return text


def address_fault(uri: str) -> str:
    """Say what keeps an address from being understood as it was meant; empty if nothing does.

    The sentence never quotes the address beyond :func:`public_address`.
    """
    rest = uri.strip().partition("://")[2]
    if _is_path(uri):
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


def _is_path(uri: str) -> bool:
    return re.match(r"\s*(sqlite|file)(\+\w+)?:///", uri) is not None


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else _HIDDEN for c in text)
