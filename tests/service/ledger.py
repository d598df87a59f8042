"""What the service knows: functions, endpoints and tasks, and how a task travels."""

import json
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from globus_compute_common.messagepack import pack, unpack
from globus_compute_common.messagepack.message_types import (
    EPStatusReport,
    Result,
    ResultErrorDetails,
    Task,
)

from .queues import GROUP_PREFIX, HEARTBEATS, RESULTS, Queues

#: Everybody here is one Globus user.
USER = "11111111-1111-4111-8111-111111111111"


class Refusal(Exception):
    """The service says no, with this status and for this reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Function:
    """A registered function; ``code`` is as serialized by the SDK."""

    id: str
    name: str
    code: str
    description: str | None
    public: bool
    group: str | None


@dataclass
class Endpoint:
    """An agent, and what it told of itself as it registered.

    ``heard`` is when, in monotonic seconds, it last said that it runs.
    """

    id: str
    allowed_functions: list[str] | None
    told: dict[str, Any]
    period: float = 0.0
    heard: float | None = None

    @property
    def online(self) -> bool:
        return self.heard is not None and time.monotonic() - self.heard < 3 * self.period


@dataclass
class Accepted:
    """A task the service took, and how it ended, if it has."""

    id: str
    function: str
    endpoint: str
    group: str
    status: str = "waiting-for-ep"
    data: str = ""
    details: dict[str, Any] | None = None
    completed: float | None = None

    def answer(self) -> dict[str, Any]:
        """As the service words it."""
        answer: dict[str, Any] = {"task_id": self.id, "status": self.status}
        if self.completed is not None:
            answer |= {"completion_t": str(self.completed), "details": self.details}
            answer["result" if self.status == "success" else "exception"] = self.data
        return answer


class Ledger:
    """The service without its web side.

    Args:
        broker_url: of the RabbitMQ that agents and callers use.
    """

    def __init__(self, broker_url: str) -> None:
        self.functions: dict[str, Function] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.tasks: dict[str, Accepted] = {}
        #: Deliver each result to its caller twice, as a broker may.
        self.deliver_twice = False
        self.queues = Queues(broker_url, {RESULTS: self._take_result, HEARTBEATS: self._hear})
        self._groups: dict[str, list[str]] = {}
        self._delivered_groups: set[str] = set()
        self._lock = threading.RLock()

    def register_function(self, asked: dict[str, Any]) -> str:
        function = Function(
            id=str(uuid.uuid4()),
            name=asked["function_name"],
            code=asked["function_code"],
            description=asked.get("description"),
            public=asked.get("public", False),
            group=asked.get("group"),
        )
        self.functions[function.id] = function
        return function.id

    def register_endpoint(self, asked: dict[str, Any], endpoint_id: str | None) -> dict[str, Any]:
        """Take an agent in, for the first time or again, and tell it which queues are its own."""
        if endpoint_id is not None:
            self.endpoint(endpoint_id)
        endpoint_id = endpoint_id or str(uuid.uuid4())
        self.endpoints[endpoint_id] = Endpoint(endpoint_id, asked.get("allowed_functions"), asked)
        return self._addresses(endpoint_id) | {
            "command_queue_info": self._address(f"commands.{endpoint_id}")
        }

    def endpoint(self, endpoint_id: str) -> Endpoint:
        """A registered endpoint, or 404."""
        if endpoint_id not in self.endpoints:
            raise Refusal(404, f"Endpoint {endpoint_id} could not be resolved")
        return self.endpoints[endpoint_id]

    def task(self, task_id: str) -> Accepted:
        """A task, or 404."""
        if task_id not in self.tasks:
            raise Refusal(404, f"Task {task_id} could not be resolved")
        return self.tasks[task_id]

    def group(self, group: str) -> list[str]:
        """The ids of a task group's tasks, or 404."""
        if group not in self._groups:
            raise Refusal(404, f"Task group {group} could not be resolved")
        return list(self._groups[group])

    def submit(self, endpoint_id: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Take all of a request's tasks, or none."""
        endpoint = self.endpoint(endpoint_id)
        self._check_functions(endpoint, asked["tasks"])
        group = asked.get("task_group_id")
        if group is None:
            group = str(uuid.uuid4())
        else:
            self.group(group)  # since SDK 2.3 a caller cannot make one up
        if asked.get("create_queue"):
            self.queues.declare(GROUP_PREFIX + group)
            self._delivered_groups.add(group)
        child = self._start_child(endpoint, asked)
        accepted: dict[str, list[str]] = {}
        with self._lock:
            for function_id, payloads in asked["tasks"].items():
                new = [Accepted(str(uuid.uuid4()), function_id, child, group) for _ in payloads]
                accepted[function_id] = [task.id for task in new]
                for task, payload in zip(new, payloads, strict=True):
                    # Known before it is sent, since its result may come at any time after.
                    self.tasks[task.id] = task
                    self._send(task, payload, asked)
            self._groups.setdefault(group, []).extend(
                task for tasks in accepted.values() for task in tasks
            )
        return {
            "tasks": accepted,
            "task_group_id": group,
            "request_id": str(uuid.uuid4()),
            "endpoint_id": endpoint_id,
        }

    def _check_functions(self, endpoint: Endpoint, functions: dict[str, Any]) -> None:
        for function_id in functions:
            if function_id not in self.functions:
                raise Refusal(404, f"Function {function_id} could not be resolved")
            allowed = endpoint.allowed_functions
            if allowed is not None and function_id not in allowed:
                raise Refusal(
                    403, f"Function {function_id} not permitted on endpoint {endpoint.id}"
                )

    def _start_child(self, endpoint: Endpoint, asked: dict[str, Any]) -> str:
        """Have the agent start its process for these settings, if it does not run; its id."""
        options, runtime = asked.get("user_endpoint_config") or {}, asked.get("user_runtime") or {}
        settings = json.dumps([endpoint.id, options, runtime], sort_keys=True)
        child = str(uuid.uuid5(uuid.UUID(endpoint.id), settings))
        command = {
            "command": "cmd_start_endpoint",
            "args": [],
            "kwargs": {
                "name": f"uep.{child}",
                "user_opts": options,
                "user_runtime": runtime,
                "amqp_creds": self._addresses(child)
                | {"task_queue_info": self._address(f"tasks.{child}")},
            },
            "globus_effective_identity": USER,
            "globus_username": "tester@example.org",
            "globus_identity_set": [{"sub": USER}],
        }
        self.queues.send(
            f"commands.{endpoint.id}",
            json.dumps(command).encode(),
            content_type="application/json",
            timestamp=int(time.time()),
        )
        return child

    def _send(self, task: Accepted, payload: str, asked: dict[str, Any]) -> None:
        headers: dict[str, Any] = {"function_uuid": task.function, "task_uuid": task.id}
        if specification := asked.get("resource_specification"):
            headers["resource_specification"] = json.dumps(specification)
        if serializers := asked.get("result_serializers"):
            headers["result_serializers"] = serializers
        code = self.functions[task.function].code
        message = Task(task_id=uuid.UUID(task.id), task_buffer=code + payload)
        self.queues.send(f"tasks.{task.endpoint}", pack(message), headers=headers)

    def _take_result(self, message: bytes) -> None:
        result = unpack(message)
        assert isinstance(result, Result)
        with self._lock:
            task = self.tasks.get(str(result.task_id))
            if task is None:
                return  # of a request that the service did not take as a whole
            if task.completed is None:
                task.status = "failed" if result.is_error else "success"
                task.data, task.details = result.data, _plain(result.details)
                task.completed = time.time()
        if task.group in self._delivered_groups:
            for _ in range(2 if self.deliver_twice else 1):
                self.queues.send(GROUP_PREFIX + task.group, message, timestamp=int(task.completed))

    def _hear(self, message: bytes) -> None:
        report = unpack(message)
        assert isinstance(report, EPStatusReport)
        state, sender = report.global_state, str(report.endpoint_id)
        if endpoint := self.endpoints.get(sender):
            endpoint.period = float(state.get("heartbeat_period", 0))
            endpoint.heard = time.monotonic() if endpoint.period else None
        if error := state.get("error"):
            for task in self._waiting(sender):
                details = ResultErrorDetails(code="ENDPOINT_START_FAILURE", user_message=error)
                failure = Result(task_id=uuid.UUID(task.id), data=error, error_details=details)
                self._take_result(pack(failure))

    def _waiting(self, child: str) -> Iterator[Accepted]:
        with self._lock:
            tasks = list(self.tasks.values())
        return (task for task in tasks if task.endpoint == child and task.completed is None)

    def _addresses(self, endpoint_id: str) -> dict[str, Any]:
        return {
            "endpoint_id": endpoint_id,
            "result_queue_info": self._address(RESULTS),
            "heartbeat_queue_info": self._address(HEARTBEATS),
        }

    def _address(self, queue: str) -> dict[str, Any]:
        self.queues.declare(queue)
        return self.queues.address(queue)


def _plain(details: dict[Any, Any] | None) -> dict[str, Any] | None:
    return None if details is None else json.loads(json.dumps(details, default=str))
