"""A stand-in of the Compute web service, which the unmodified SDK and agent work against.

The one part of the path that is not real. It answers what they ask (and stands in for Globus Auth
as far as they need it), and refuses what the service refuses, in the service's words.
"""

import socket
import threading
import time
import uuid
from dataclasses import dataclass
from typing import Any

import flask
from globus_compute_sdk import Executor
from globus_compute_sdk.sdk.executor import _RESULT_WATCHERS
from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from .broker import Broker
from .ledger import USER, Ledger, Refusal
from .queues import GROUP_PREFIX, BrokerAway

#: The SDK knows its "local" service by this address and has no setting for another.
PORT = 5000
URL = f"http://localhost:{PORT}"
#: Bytes a request, and requests in how many seconds.
REQUEST_LIMIT = 10_000_000
RATE_LIMIT = (20, 10.0)
_AUTH = "/v2/oauth2/"


@dataclass(frozen=True)
class Request:
    """What was asked, and the status of the answer; ``at`` is in monotonic seconds."""

    method: str
    path: str
    bytes: int
    status: int
    at: float


@dataclass
class _Order:
    """To refuse: let ``after`` requests pass that have ``path`` in theirs, then refuse so many."""

    status: int
    times: int
    after: int
    path: str


class ComputeService(Ledger):
    """The service, on a broker that runs.

    ``stop`` and ``start`` take only its web side away: what it knows and the queues stay, as for
    callers who cannot reach it for a while. ``close`` ends it.
    """

    def __init__(self, broker: Broker) -> None:
        super().__init__(broker.url)
        #: Oldest first. The rate limit is counted over it: clearing it starts afresh.
        self.requests: list[Request] = []
        self.rate_limit = RATE_LIMIT
        self._orders: list[_Order] = []
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._gate = threading.Lock()
        self._app = _application(self)
        self.queues.start()

    @property
    def environment(self) -> dict[str, str]:
        """What leads the SDK and the agent here, logged in."""
        return {
            "GLOBUS_SDK_ENVIRONMENT": "local",
            "GLOBUS_SDK_SERVICE_URL_AUTH": URL,
            "GLOBUS_COMPUTE_CLIENT_ID": "22222222-2222-4222-8222-222222222222",
            "GLOBUS_COMPUTE_CLIENT_SECRET": "not-a-secret",
            "NO_PROXY": "localhost,127.0.0.1",
        }

    def online(self, endpoint_id: str) -> bool:
        """Whether the agent was heard of lately."""
        return self.endpoint(endpoint_id).online

    def refuse(self, status: int, times: int = 1, *, after: int = 0, path: str = "") -> None:
        """Answer the next requests with this status, or those after some whose path has this."""
        self._orders.append(_Order(status, times, after, path))

    def reset(self) -> None:
        """Be well-behaved again: reachable, nothing refused, every limit the service's."""
        self._orders.clear()
        self.requests.clear()
        self.rate_limit = RATE_LIMIT
        self.deliver_twice = False
        self.start()

    def start(self) -> None:
        """Answer requests; does nothing if it does already."""
        if self._server is not None:
            return
        try:
            listening = socket.create_server(("127.0.0.1", PORT))
        except OSError as error:
            raise RuntimeError(
                f"Port {PORT} of 127.0.0.1 is taken ({error.strerror}). The SDK has no other for "
                "a local service: end what uses it, perhaps another run of these tests."
            ) from error
        with listening:
            self._server = make_server(
                "127.0.0.1",
                PORT,
                self._app,
                threaded=True,
                request_handler=_Quiet,
                fd=listening.fileno(),
            )
        self._thread = threading.Thread(target=self._server.serve_forever, name="web", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections, until ``start``; requests being answered still are."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = self._thread = None

    def close(self) -> None:
        """End it for good, and what the SDK keeps in this process for callers to come."""
        for watcher in list(_RESULT_WATCHERS.values()):
            watcher.shutdown(cancel_futures=True)
        Executor._default_task_group_id = None
        self.stop()
        self.queues.stop()

    def check(self) -> None:
        """Refuse the current request if the service would, before looking at what it asks."""
        request = flask.request
        # Read to its end in any case: a client that is still sending would not hear the answer.
        size = len(request.get_data())
        if "Authorization" not in request.headers:
            raise Refusal(401, "Credentials are required")
        with self._gate:
            for order in self._orders:
                if order.path in request.path:
                    if order.after:
                        order.after -= 1
                    elif order.times:
                        order.times -= 1
                        raise Refusal(order.status, "Refused, as the test wants")
            if not request.path.startswith(_AUTH):
                self._check_rate()
        if size > REQUEST_LIMIT:
            raise Refusal(413, f"TASK_PAYLOAD_TOO_LARGE: {size} bytes exceed {REQUEST_LIMIT}")

    def note(self, response: flask.Response) -> flask.Response:
        """Remember the current request."""
        request = flask.request
        self.requests.append(
            Request(
                request.method,
                request.path,
                len(request.get_data()),
                response.status_code,
                time.monotonic(),
            )
        )
        return response

    def _check_rate(self) -> None:
        most, seconds = self.rate_limit
        since = time.monotonic() - seconds
        recent = [
            request
            for request in self.requests
            if request.at > since and request.status != 429 and not request.path.startswith(_AUTH)
        ]
        if len(recent) >= most:
            raise Refusal(429, f"Over {most} requests in {seconds:g} s")


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Requests are in ``ComputeService.requests``; the terminal is the tests'."""


def _application(service: ComputeService) -> flask.Flask:
    """The routes."""
    app = flask.Flask(__name__)
    app.before_request(service.check)
    app.after_request(service.note)

    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> tuple[dict[str, Any], int]:
        return _failure(refusal.status, str(refusal))

    @app.errorhandler(BrokerAway)
    def away(error: BrokerAway) -> tuple[dict[str, Any], int]:
        return _failure(503, "The broker is away")

    @app.errorhandler(HTTPException)
    def unknown(error: HTTPException) -> tuple[dict[str, Any], int]:
        return _failure(error.code or 500, error.name)

    @app.get("/v2/version")
    def version() -> dict[str, str]:
        return {"min_sdk_version": "2.0.0", "min_ep_version": "2.0.0"}

    @app.post(f"{_AUTH}token")
    def token() -> dict[str, Any]:
        scopes: dict[str, set[str]] = {}
        for scope in flask.request.form["scope"].split():
            server = "funcx_service" if scope.endswith("/all") else "auth.globus.org"
            scopes.setdefault(server, set()).add(scope)
        first, *others = (_token(server, granted) for server, granted in scopes.items())
        return first | {"other_tokens": others}

    @app.get(f"{_AUTH}userinfo")
    def userinfo() -> dict[str, Any]:
        return {"sub": USER, "identity_set": [{"sub": USER}]}

    @app.post("/v3/functions")
    def register_function() -> dict[str, str]:
        return {"function_uuid": service.register_function(flask.request.get_json())}

    @app.post("/v3/endpoints")
    @app.put("/v3/endpoints/<endpoint_id>")
    def register_endpoint(endpoint_id: str | None = None) -> dict[str, Any]:
        return service.register_endpoint(flask.request.get_json(), endpoint_id)

    @app.get("/v2/endpoints/<endpoint_id>/status")
    def status(endpoint_id: str) -> dict[str, Any]:
        return {"status": "online" if service.online(endpoint_id) else "offline", "details": {}}

    @app.post("/v3/endpoints/<endpoint_id>/submit")
    def submit(endpoint_id: str) -> dict[str, Any]:
        return service.submit(endpoint_id, flask.request.get_json())

    @app.get("/v2/get_amqp_result_connection_url")
    def result_address() -> dict[str, str]:
        return {"queue_prefix": GROUP_PREFIX, "connection_url": service.queues.url}

    @app.get("/v2/tasks/<task_id>")
    def task(task_id: str) -> dict[str, Any]:
        return service.task(task_id).answer()

    @app.post("/v2/batch_status")
    def tasks() -> dict[str, Any]:
        asked = flask.request.get_json()["task_ids"]
        return {"results": {task_id: service.task(task_id).answer() for task_id in asked}}

    @app.get("/v2/taskgroup/<group>")
    def group(group: str) -> dict[str, Any]:
        return {"taskgroup_id": group, "tasks": [{"id": task} for task in service.group(group)]}

    return app


def _token(server: str, scopes: set[str]) -> dict[str, Any]:
    return {
        "access_token": uuid.uuid4().hex,
        "scope": " ".join(scopes),
        "expires_in": 172_800,
        "token_type": "Bearer",
        "resource_server": server,
    }


def _failure(status: int, reason: str) -> tuple[dict[str, Any], int]:
    """The body that the service gives its refusals."""
    body = {"status": "Failed", "code": status, "error_args": [], "reason": reason}
    return body | {"http_status_code": status}, status
