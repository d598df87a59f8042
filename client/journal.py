"""A call of ``predict`` on disk, for the case that its process ends before it does."""

import os
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from matminer_compute.errors import JournalError
from matminer_compute.registration import Bundle

from .endpoint import Endpoint, ServiceEndpoint
from .ledger import Ledger
from .shards import not_text


class Request(BaseModel):
    """What was asked, of whom, and which pair of versions answers: the head of its ledger.

    ``formulas`` holds None where a row was not text, and ``rejected`` says why.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[3] = 3
    endpoint: str
    task_group: str
    bundle: Bundle
    chain: Literal["endpoint", "client"]
    level: float
    pair: dict[str, Any]
    rows_a_task: int
    formulas: list[str | None]
    rejected: dict[int, str]


def begin(
    path: str | os.PathLike[str],
    endpoints: list[Endpoint],
    bundle: Bundle | None,
    formulas: list[Any],
    **asked: Any,
) -> Ledger[Request]:
    """Begin the journal of a call in a new file.

    Raises:
        JournalError: there is a file already, it cannot be written, or there would be nothing to
            take up.
    """
    endpoint = endpoints[0]
    group = endpoint.task_group if isinstance(endpoint, ServiceEndpoint) else None
    if not isinstance(endpoint, ServiceEndpoint) or endpoints[1:] or not bundle or not group:
        raise JournalError(
            "A journal needs one endpoint, given by its UUID: tasks of any other end with this "
            "process, so there would be nothing to take up."
        )
    texts, rejected = as_texts(formulas)
    request = Request(
        endpoint=endpoint.endpoint_id,
        task_group=group,
        bundle=bundle,
        formulas=texts,
        rejected=rejected,
        **asked,
    )
    return Ledger.start(path, request)


def as_texts(formulas: list[Any]) -> tuple[list[str | None], dict[int, str]]:
    """Formulas as a journal keeps them: text or None, and why each None is rejected."""
    return [f if isinstance(f, str) else None for f in formulas], not_text(formulas)
