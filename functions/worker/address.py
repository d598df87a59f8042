"""A registry's address, fit to be shown: the one place that takes its secrets away.

Nothing here raises on any text. A password may hold every character that means something in an
address (``/``, ``?``, ``#``, ``[``, ``@``, ``:``), so no parser is asked where it ends: what could
be part of a secret is left out, at the price of a path or a port that was none.
"""

import re

HIDDEN = "\u2026"
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[\w.~%-]+)(:\d{1,5})?(?![^/])")


def public_address(uri: str) -> str:
    """Return an address without user, password, query and fragment, fit for a message or a log.

    ``http://me:secret@host:5000/a?token=x`` becomes ``http://host:5000/a``; what cannot be told
    from a secret becomes an ellipsis.
    """
    scheme, mark, rest = uri.strip().partition("://")
    if not mark:
        scheme, rest = "", uri.strip()
    elif is_path(uri):  # on this machine: nobody signs in to it
        return _printable(scheme + mark + rest.split("?")[0])
    before, signed_in, place = rest.rpartition("@")
    if signed_in and re.search("[?#]", before):
        place = ""  # is the "@" the end of a password or part of a query? nobody can say
    place = re.split("[?#]", place)[0]
    if mark and not _HOST.match(place):
        place = HIDDEN  # a port that is no number may be a password whose host is missing
    elif not mark and signed_in:
        place = HIDDEN
    return _printable(scheme + mark + place)


def is_path(uri: str) -> bool:
    """Whether an address is of a file on this machine."""
    return re.match(r"\s*(sqlite|file)(\+\w+)?:///", uri) is not None


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else HIDDEN for c in text)
