"""What ails a registry or its artifact store, told from nothing but what MLflow raised.

There is one sentence for each fault.

It needs the standard library alone, so that a worker can say the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class Fault(NamedTuple):
    """A kind of fault, and the clause that follows "The MLflow registry at ...".

    It follows "The artifact store of ..." where that is at fault.

    Attributes:
        kind: a short name, such as ``locked``.
        says: what it does and what to do about it, without a full stop.
        passing: whether it may be over by itself: the registry is away or busy, not set up wrong.
        store: whether not the registry but the store that holds its artifacts is at fault.
    """

    kind: str
    says: str
    passing: bool = False
    store: bool = False


_DRIVERS = {"psycopg": "psycopg[binary]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
_SIGN_IN = (
    "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, to those "
    "of somebody it knows"
)
_ELSEWHERE = "start it, or point MLFLOW_TRACKING_URI at one that runs"

# What the classes and messages of an error and its causes look like; the first that fits counts.
_FAULTS: tuple[tuple[str, Fault], ...] = (
    ("ProxyError|error code 407|Tunnel connection failed", Fault(
        "proxy", "cannot be reached through the proxy: mend HTTP_PROXY and HTTPS_PROXY, or put its "
        "host into NO_PROXY", True)),
    ("error code 401|UNAUTHENTICATED|^401:|password authentication failed|Access denied for user",
     Fault("sign-in", f"does not know you: {_SIGN_IN}")),
    ("error code 403|PERMISSION_DENIED|^403:", Fault(
        "forbidden", "does not let you do that: ask its owner for the permission, or sign in as "
        "somebody else (MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_TOKEN)")),
    ("not in a valid JSON format", Fault(
        "page", "answers with a web page, not as MLflow does. It may be a sign-in page: "
        f"{_SIGN_IN}; or another service, or a page of MLflow's: give the server's address alone")),
    ("error code 404", Fault(
        "not-mlflow", "has nothing of MLflow's at that address: check host, port and path")),
    ("database (table )?is locked", Fault(
        "locked", "is locked by another process: wait until that is done, or end it; for several "
        "users at once run `mlflow server`", True)),
    ("database or disk is full|No space left|Disk quota exceeded", Fault(
        "full", "has no room left on its disk: make some, and try again")),
    ("readonly database|Read-only file system|PermissionError|Permission denied", Fault(
        "read-only", "cannot be written: change the permissions of its folder, or point "
        "MLFLOW_TRACKING_URI elsewhere")),
    ("file is not a database|malformed|file is encrypted", Fault(
        "damaged", "is not a database, or is damaged: point MLFLOW_TRACKING_URI at the right file, "
        "or put a copy of it back")),
    ("unable to open database file|disk I/O error", Fault(
        "not-openable", "cannot be opened: check that it is a file you may read, in a folder that "
        "exists")),
    ("out-of-date database schema|Can't locate revision", Fault(
        "schema", "was made by another version of MLflow: if that is the newer one, install it "
        "here; if this is, make a copy of the database and run `mlflow db upgrade` on it")),
    ("filesystem tracking backend|maintenance mode", Fault(
        "files", "is a folder of files, which MLflow keeps no registry in any more: use "
        "sqlite:////folder/registry.db or a server (`mlflow migrate-filestore` takes over an old "
        "one)")),
    ("nsupported.* URI|UnsupportedModelRegistry|Databricks credential", Fault(
        "kind", "is of a kind that MLflow has no registry for here: MLFLOW_TRACKING_URI must begin "
        "with http://, https://, sqlite:///, postgresql:// or mysql://")),
    ("SSLError|CERTIFICATE_VERIFY", Fault(
        "tls", "does not speak TLS as asked: check http against https, or name its certificate in "
        "MLFLOW_TRACKING_SERVER_CERT_PATH")),
    ("NameResolutionError|gaierror|could not translate host name", Fault(
        "no-host", "has a host name that nothing answers to: check MLFLOW_TRACKING_URI", True)),
    ("error code 429|too many 429", Fault(
        "busy", "has received too many requests: wait, and try again", True)),
    (r"error code 5\d\d|too many 5\d\d", Fault(
        "failing", "is there, but fails: read the server's log", True)),
    ("nothing arrives", Fault(
        "stalled", "or its artifact store sends nothing: see to both, or give them more time "
        "(MLFLOW_HTTP_REQUEST_TIMEOUT)", True)),
    ("TimeoutError|[Tt]imed out|ReadTimeout|IncompleteRead", Fault(
        "slow", f"does not answer in time: {_ELSEWHERE}", True)),
)  # fmt: skip


_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"

# The same of an artifact store: first one behind a server that passes files on, then S3 itself.
_BEHIND = Fault(
    "store-behind", "fails the registry's server, through which files pass: its operator finds why "
    "in the server's log (bucket, MLFLOW_S3_ENDPOINT_URL and AWS_ keys, of the server itself)",
    True, True)  # fmt: skip
_HUNG_UP = Fault(
    "hung-up", "hung up on a file that passes through it: it was ended, or fails because its "
    "artifact store does; its operator finds which in the server's log", True)  # fmt: skip
_STORE_FAULTS: tuple[tuple[str, Fault], ...] = (
    ("NoCredentialsError|PartialCredentialsError|Unable to locate credentials", Fault(
        "store-no-key", f"wants a key, and none is set: set {_KEYS}", store=True)),
    (r"ExpiredToken|InvalidToken|RequestExpired|\(400\) when calling the HeadObject", Fault(
        "store-token", "says that the token has expired: get a new one, and set "
        "AWS_SESSION_TOKEN and the two keys that came with it", store=True)),
    ("InvalidAccessKeyId|SignatureDoesNotMatch", Fault(
        "store-key", f"does not know the key: set {_KEYS} to one of the store that "
        "MLFLOW_S3_ENDPOINT_URL names", store=True)),
    ("NoSuchBucket", Fault(
        "store-bucket", "does not have the bucket that the registry names: make it, or let "
        "MLFLOW_S3_ENDPOINT_URL name the store that has it", store=True)),
    (r"AccessDenied|\(403\) when calling", Fault(
        "store-forbidden", "does not let this key do that: ask the bucket's owner for the "
        "permission to read, and to publish also to write", store=True)),
    (r"NoSuchKey|\(404\) when calling", Fault(
        "store-gone", "no longer has these files: bring them back, or publish again",
        store=True)),
    (r"SlowDown|ServiceUnavailable|InternalError|\(5\d\d\) when calling", Fault(
        "store-failing", "is there, but fails: wait, and ask its operator", True, True)),
    ("[Cc]onnect|[Tt]ime.?out|ResponseStream|IncompleteRead|Max Retries|Could not resolve", Fault(
        "store-away", "does not answer: check MLFLOW_S3_ENDPOINT_URL and the way there", True,
        True)),
    ("", Fault("refused", "refused", store=True)),
)  # fmt: skip
_S3 = re.compile(r"^(botocore|boto3)\.|s3://|when calling the \w+ operation", re.MULTILINE)


def registry_fault(error: BaseException) -> Fault:
    """Tell a fault by the classes and messages of an error and of what caused it.

    The kinds are those of the tables above; ``driver`` for a driver that is not installed;
    ``address`` for an address that cannot be read; else ``unreachable`` if no answer came and
    ``refused`` if one did.
    """
    chain = list(_causes(error))
    for link in chain:
        if isinstance(link, ModuleNotFoundError):
            name = _DRIVERS.get(link.name or "", link.name)
            says = f"needs a driver that is not installed: pip install '{name}'"
            return Fault("driver", says, store=name in ("boto3", "botocore"))
    text = "\n".join(f"{type(link).__module__}.\n{type(link).__name__}\n{link}" for link in chain)
    if "mlflow-artifacts" in text:
        if re.search(r"Failed to list artifacts|error code 5|too many 5|^5\d\d ", text, re.M):
            return _BEHIND
        if re.search("Connection aborted|RemoteDisconnected|ConnectionReset|BrokenPipe", text):
            return _HUNG_UP
    elif _S3.search(text):
        return next(fault for pattern, fault in _STORE_FAULTS if re.search(pattern, text))
    for pattern, fault in _FAULTS:
        if re.search(pattern, text, re.MULTILINE):
            return fault
    if re.search("InvalidUrl|Could not parse", text):
        return Fault("address", "has an address that cannot be read: write it as http://host:port")
    answered = type(error).__name__ == "RestException" or not re.search(
        "API request to|OperationalError|ConnectionError", text
    )
    if answered:
        return Fault("refused", "refused")
    return Fault("unreachable", f"does not answer: {_ELSEWHERE}", True)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
