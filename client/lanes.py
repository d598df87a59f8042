"""The endpoints of a run, and how much each has under way at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from matminer_compute.errors import EndpointUnavailable

from .calls import Calls
from .steps import Part, seconds_of

#: Tasks of one run that are under way at once on one endpoint, at most.
IN_FLIGHT = 1024
#: The same for each of its workers, where it says how many it has.
_A_WORKER = 4
#: To begin with where there are several endpoints, so that the faster ones come to have more.
_AT_FIRST = 8


@dataclass
class Lane:
    """One endpoint of a run.

    Attributes:
        calls: to its functions.
        most: how many tasks it may ever have under way at once.
        room: how many it may have now.
        open: how many it has.
        away: why it gets no more.
    """

    calls: Calls
    most: int
    room: int
    open: int = 0
    away: EndpointUnavailable | None = None

    @property
    def free(self) -> bool:
        """Whether it can take another task."""
        return self.away is None and self.open < self.room

    def answered(self, waited: float, parts: list[Part]) -> None:
        """Give it more at once, as long as what it has does not lie waiting there for long."""
        worked = sum(seconds_of(answer) for _, answer in parts)
        if waited < 3 * worked + 2:
            self.room = min(self.room + 1, self.most)


def lanes(endpoints: Sequence[Calls], room: int) -> list[Lane]:
    """A lane for each endpoint, with ``room`` tasks at most."""
    made = []
    for calls in endpoints:
        workers = getattr(calls.endpoint, "workers", None)
        most = min(room, _A_WORKER * workers) if workers else room
        made.append(Lane(calls, most, most if len(endpoints) == 1 else min(most, _AT_FIRST)))
    return made
