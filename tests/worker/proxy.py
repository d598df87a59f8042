"""An HTTP proxy of our own in front of a registry, for the faults that a network makes."""

import http.client
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Mode = Literal["pass", "hang", "500", "slow"]
ARTIFACTS = "/api/2.0/mlflow-artifacts/"


class Proxy:
    """Passes requests on to ``target`` and counts them, or, as ``mode`` says, does not.

    ``hang`` reads a request and never answers, ``500`` refuses it, ``slow`` waits ``delay`` seconds
    first. ``stall`` lets only the first byte of an artifact through. What is held is let go when
    ``mode`` or ``stall`` is set anew, by cutting its connection.

    Args:
        target: address of the registry, such as ``http://127.0.0.1:5000``.
    """

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target).netloc
        self.delay = 0.1
        self.requests: list[str] = []
        self._mode: Mode = "pass"
        self._stall = False
        self._changed = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def handle_any(self) -> None:
                proxy._handle(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def with_password(self, password: str) -> str:
        """The address as an operator may write it, with a user and a password in it."""
        return self.uri.replace("//", f"//user:{password}@")

    @property
    def mode(self) -> Mode:
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        self._let_go()

    @property
    def stall(self) -> bool:
        return self._stall

    @stall.setter
    def stall(self, stall: bool) -> None:
        self._stall = stall
        self._let_go()

    def downloads(self) -> Counter[str]:
        """How often each stored file was asked for."""
        files = [path for path in self.requests if self.is_file(path)]
        return Counter(files)

    def is_file(self, path: str) -> bool:
        """Whether that is the address of an artifact's file."""
        return path.startswith(ARTIFACTS + "artifacts/")

    def close(self) -> None:
        self.mode = "pass"
        self._server.shutdown()
        self._server.server_close()

    def _let_go(self) -> None:
        self._changed.set()
        self._changed = threading.Event()

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        self.requests.append(request.path)
        if self._mode == "hang":
            self._changed.wait()
            request.close_connection = True
            return
        if self._mode == "slow":
            self._changed.wait(self.delay)
        if self._mode == "500":
            request.send_error(500)
            return
        self._pass_on(request, body)

    def _pass_on(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        connection = http.client.HTTPConnection(self.target)
        try:
            # The host too: it is part of what a request to S3 is signed for.
            headers = dict(request.headers.items())
            connection.request(request.command, request.path, body or None, headers)
            response = connection.getresponse()
            content = response.read()
        except OSError:  # the registry is gone: as if there were no proxy
            request.close_connection = True
            return
        finally:
            connection.close()
        request.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date"):
                request.send_header(name, value)
        length = response.getheader("Content-Length") if request.command == "HEAD" else None
        request.send_header("Content-Length", length or str(len(content)))
        request.end_headers()
        if self._stall and content and self.is_file(request.path):
            request.wfile.write(content[:1])
            request.wfile.flush()
            self._changed.wait()
            request.close_connection = True
        else:
            request.wfile.write(content)
