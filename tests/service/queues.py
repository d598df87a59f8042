"""The queue side of the Compute service: it declares all there is, agents only check."""

import threading
from collections.abc import Callable
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel

EXCHANGE = "compute"
RESULTS, HEARTBEATS = "results", "heartbeats"
#: The agent and the SDK put what the service told them in front of a task group's id.
GROUP_PREFIX = "group."
_PERSISTENT = 2


class BrokerAway(Exception):
    """The message was not taken; the service must not say that it was."""


class Queues:
    """Durable queues on one broker: sends, and hands on what agents send, across restarts of it.

    Args:
        url: of the broker.
        handlers: for ``RESULTS`` and ``HEARTBEATS``, what to do with a message. A result is taken
            from its queue once its handler has returned.
    """

    def __init__(self, url: str, handlers: dict[str, Callable[[bytes], None]]) -> None:
        self.url = url
        self._handlers = handlers
        self._declared: set[str] = set()
        self._channel: BlockingChannel | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="queues", daemon=True)

    def start(self) -> None:
        """Declare the queues that everyone shares, and listen."""
        for queue in self._handlers:
            self.declare(queue)
        self._listener.start()

    def stop(self) -> None:
        """Listen no more; the queues stay."""
        self._stopping.set()
        self._listener.join()
        with self._lock:
            if self._channel is not None and self._channel.connection.is_open:
                self._channel.connection.close()
            self._channel = None

    def declare(self, queue: str) -> None:
        """Make a queue, if there is none."""
        if queue not in self._declared:
            self._do(lambda channel: _declare(channel, queue))
            self._declared.add(queue)

    def send(self, queue: str, body: bytes, **properties: Any) -> None:
        """Put a message into a queue and wait until the broker has it on disk.

        Raises:
            BrokerAway: it has not.
        """
        properties = {"delivery_mode": _PERSISTENT, **properties}
        self._do(
            lambda channel: channel.basic_publish(
                EXCHANGE, queue, body, pika.BasicProperties(**properties), mandatory=True
            )
        )

    def address(self, queue: str) -> dict[str, Any]:
        """What an agent must know to use a queue, as the service words it."""
        return {
            "connection_url": self.url,
            "exchange": EXCHANGE,
            "queue": queue,
            "queue_publish_kwargs": {
                "exchange": EXCHANGE,
                "routing_key": queue,
                "mandatory": True,
                "properties": {"delivery_mode": _PERSISTENT},
            },
        }

    def _do(self, action: Callable[[BlockingChannel], Any]) -> None:
        """Run an action on the one channel for sending, which a restart of the broker breaks."""
        with self._lock:
            for attempt in ("the channel we have", "a new one"):
                try:
                    if self._channel is None:
                        self._channel = self._connect().channel()
                        self._channel.confirm_delivery()
                    action(self._channel)
                    return
                except (pika.exceptions.AMQPError, OSError) as error:
                    self._channel = None
                    if attempt == "a new one":
                        raise BrokerAway(f"The broker took no message ({error!r}).") from error

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._connect() as connection:
                    channel = connection.channel()
                    for queue in self._handlers:
                        channel.basic_consume(queue, self._hand_on)
                    while not self._stopping.is_set():
                        connection.process_data_events(time_limit=0.2)
            except (pika.exceptions.AMQPError, OSError, BrokerAway):
                self._stopping.wait(0.2)  # a message that was not taken comes again

    def _hand_on(
        self, channel: BlockingChannel, method: pika.spec.Basic.Deliver, _: Any, body: bytes
    ) -> None:
        self._handlers[method.routing_key](body)
        channel.basic_ack(method.delivery_tag)

    def _connect(self) -> pika.BlockingConnection:
        parameters = pika.URLParameters(self.url)
        parameters.heartbeat = 0  # we may be silent for long
        return pika.BlockingConnection(parameters)


def _declare(channel: BlockingChannel, queue: str) -> None:
    channel.exchange_declare(EXCHANGE, "direct", durable=True)
    channel.queue_declare(queue, durable=True)
    channel.queue_bind(queue, EXCHANGE, queue)
