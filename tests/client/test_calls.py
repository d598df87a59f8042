"""A call while the service is away now and then, on a real engine."""

import threading
from concurrent.futures import Future

import pytest

from matminer_compute.client import CompositionClient, EndpointUnavailable, calls


class NetworkError(Exception):
    """As the SDK's, known by its name."""


class LosesAnswers:
    """An endpoint whose first answers are lost, some seconds after their tasks were taken."""

    def __init__(self, endpoint, times, after):
        self.endpoint, self.times, self.after, self.taken = endpoint, times, after, 0

    def register_function(self, function):
        return self.endpoint.register_function(function)

    def submit_to_registered_function(self, function_id, args, kwargs):
        self.taken += 1
        if self.taken > self.times:
            return self.endpoint.submit_to_registered_function(function_id, args, kwargs)
        lost = Future()
        error = NetworkError("connection lost")
        threading.Timer(self.after, lost.set_exception, [error]).start()
        return lost


def test_what_was_under_way_for_long_has_all_the_patience(endpoint, client, monkeypatch):
    monkeypatch.setattr(calls, "_PATIENCE", 2.0)
    loses = LosesAnswers(endpoint, times=1, after=3.0)
    with CompositionClient(endpoint=loses) as other:
        assert other.predict(["NaCl"]).values == client.predict(["NaCl"]).values
    assert loses.taken > 1


def test_patience_ends(endpoint, monkeypatch):
    monkeypatch.setattr(calls, "_PATIENCE", 2.0)
    with (
        CompositionClient(endpoint=LosesAnswers(endpoint, times=1000, after=0.0)) as other,
        pytest.raises(EndpointUnavailable, match="connection lost"),
    ):
        other.predict(["NaCl"])
