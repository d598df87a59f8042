"""The SDK's ``Executor``, as this client needs it. Imported late: the SDK takes a while to load."""

import uuid
from typing import Any

from globus_compute_sdk import Client, Executor
from globus_compute_sdk.sdk.executor import _RESULT_WATCHERS
from globus_compute_sdk.serialize import ComputeSerializer, JSONData, PureSourceTextInspect


class JsonExecutor(Executor):
    """An ``Executor`` that reads nothing but JSON, in a task group that it shares with nobody.

    Those of one process otherwise come to share a group, and with it the thread that reads results,
    which does so in the way of whoever started it: a pickle would be unpickled for us.

    Args:
        endpoint_id: UUID of the endpoint.
        client: the SDK client to use.
        task_group: the service's UUID for tasks sent before; by default a new group.
        batch_size: how many tasks travel in one request, at most.
    """

    def __init__(
        self, endpoint_id: str, client: Client, task_group: str | None, batch_size: int
    ) -> None:
        super().__init__(
            endpoint_id=endpoint_id,
            client=client,
            batch_size=batch_size,
            # The SDK's own brake allows 4 small requests in 16 s; the service takes 20 in 10 s.
            api_burst_limit=8,
            api_burst_window_s=4,
            serializer=ComputeSerializer(
                strategy_code=PureSourceTextInspect(),
                strategy_data=JSONData(),
                allowed_deserializer_types=[PureSourceTextInspect, JSONData],
            ),
            result_serializers=[JSONData()],
        )
        self.task_group_id = task_group

    @property
    def task_group_id(self) -> uuid.UUID | None:
        """Our tasks' group; None before the service has taken the first of them."""
        return self._task_group_id

    @task_group_id.setter
    def task_group_id(self, group: "uuid.UUID | str | None") -> None:
        # The SDK's own setter makes it the group of every Executor to come.
        self._task_group_id = None if group is None else uuid.UUID(str(group))

    def let_go(self) -> None:
        """Stop, and forget the tasks that were sent.

        The SDK has no public way to forget them, and would keep this process from ending until the
        last is answered, which may be never.
        """
        Executor.shutdown(self, wait=False, cancel_futures=True)
        group = self.task_group_id
        watcher: Any = _RESULT_WATCHERS.get(group) if group else None
        if watcher is None:
            return
        ours = watcher.get_open_futures(self)
        with watcher._new_futures_lock:
            for task_id in ours:
                watcher._open_futures.pop(task_id, None)
            if not watcher._open_futures:
                watcher._open_futures_empty.set()
