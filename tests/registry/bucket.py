"""A store that speaks S3, with a bucket, keys that it checks, and a gate before it for faults."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import boto3
from service.broker import free_ports
from waiting import until
from worker.proxy import Proxy

BUCKET = "models"
_ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
_SET_UP = 7  # requests that nobody has to sign: those of ``_make``


class Gate(Proxy):
    """A proxy that also refuses what ``refuses(method, path, body)`` says, and cuts files short.

    ``answer`` is the status and the body of a refusal.
    """

    def __init__(self, target: str) -> None:
        self.refuses: Callable[[str, str, bytes], bool] | None = None
        self.answer = (500, b"")
        self.cut = False
        super().__init__(target)

    def refuse(self, status: int, code: str, only: str = "") -> None:
        """Answer as S3 does with an error's code, where ``only`` is in the path."""
        body = f"<Error><Code>{code}</Code><Message>planted</Message></Error>"
        self.answer = (status, body.encode())
        self.refuses = lambda method, path, body: only in path

    def reset(self) -> None:
        self.refuses, self.cut, self.stall, self.mode = None, False, False, "pass"

    def is_file(self, path: str) -> bool:
        return "list-type" not in path and path.count("/") > 2

    def _pass_on(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        if self.refuses is not None and self.refuses(request.command, request.path, body):
            status, content = self.answer
            request.send_response(status)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            if request.command != "HEAD":
                request.wfile.write(content)
        elif self.cut and request.command == "GET" and self.is_file(request.path):
            request.send_response(200)
            request.send_header("Content-Length", "1000000")
            request.end_headers()
            request.wfile.write(bytes(1000))
            request.close_connection = True
        else:
            super()._pass_on(request, body)


class TokenGate(Gate):
    """One that lets through only who shows a token, as a sign-in proxy before a server does."""

    def __init__(self, target: str, token: str) -> None:
        self._token = token
        super().__init__(target)

    def _pass_on(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        if request.headers.get("Authorization") == f"Bearer {self._token}":
            super()._pass_on(request, body)
        else:
            request.send_error(401)


class Store(AbstractContextManager["Store"]):
    """moto's server, a bucket in it, a user with keys, a role with a token; all behind ``gate``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self._port,) = free_ports(1)
        self.gate: Gate

    def __enter__(self) -> "Store":
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)]
        with (self.folder / "moto.log").open("wb") as log:
            self._server = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                env=os.environ | {"INITIAL_NO_AUTH_ACTION_COUNT": str(_SET_UP)},
            )
        self.gate = Gate(f"http://127.0.0.1:{self._port}")
        try:
            until(self._answers)
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self.gate.close()
        self._server.kill()
        self._server.wait()

    @property
    def environment(self) -> dict[str, str]:
        """What whoever uses the bucket needs to be told."""
        return {
            "MLFLOW_S3_ENDPOINT_URL": self.gate.uri,
            "AWS_ACCESS_KEY_ID": self.key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.key["SecretAccessKey"],
            "AWS_DEFAULT_REGION": "us-east-1",
            # Not this machine's own files, nor the cloud that it may run in.
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def with_token(self) -> dict[str, str]:
        """The same with keys that last for an hour."""
        return self.environment | {
            "AWS_ACCESS_KEY_ID": self.session["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.session["SecretAccessKey"],
            "AWS_SESSION_TOKEN": self.session["SessionToken"],
        }

    def objects(self) -> Iterator[tuple[str, bytes]]:
        """All that is in the bucket."""
        keys = self.key["AccessKeyId"], self.key["SecretAccessKey"]
        client = self._client("s3", *keys)
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for item in page.get("Contents", []):
                body = client.get_object(Bucket=BUCKET, Key=item["Key"])["Body"]
                yield item["Key"], body.read()

    def _make(self) -> None:
        policy = json.dumps(_ALL)
        users, tokens, store = (self._client(s, "any", "any") for s in ("iam", "sts", "s3"))
        users.create_user(UserName="site")
        users.put_user_policy(UserName="site", PolicyName="all", PolicyDocument=policy)
        self.key = users.create_access_key(UserName="site")["AccessKey"]
        role = users.create_role(RoleName="role", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
        users.put_role_policy(RoleName="role", PolicyName="all", PolicyDocument=policy)
        made = tokens.assume_role(RoleArn=role, RoleSessionName="test")
        self.session = made["Credentials"]
        store.create_bucket(Bucket=BUCKET)

    def _client(self, service: str, key: str, secret: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self._port}",
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
        )

    def _answers(self) -> bool:
        assert self._server.poll() is None, (self.folder / "moto.log").read_text()
        return b"Running on" in (self.folder / "moto.log").read_bytes()
