"""A caller's process of the endpoint, which stops asking for jobs whose workers do not start.

Parsl's own rule is to give up when all jobs so far ended without a worker: after one that went well
it asks for ever, and before, one bad node is enough. Here the last three count. No configuration
can say so, which is why this file is there.
"""

import logging
import os
import sys
from typing import Any

from globus_compute_endpoint.cli import cli_run
from parsl.executors import status_handling
from parsl.jobs.errors import TooManyJobFailuresError
from parsl.jobs.states import JobState, JobStatus

IN_A_ROW = 3
#: How much of a job's log is enough to know what is wrong.
LINES, CHARACTERS = 5, 500

log = logging.getLogger("parsl.matminer_compute_starts")


class FailingStarts:
    """What Parsl calls with the state of all jobs, whenever it has asked for that."""

    def __init__(self) -> None:
        self.said = False

    def __call__(self, executor: Any, status: dict[str, JobStatus]) -> None:
        """Ask for no more jobs than there are; when none is left, let all tasks fail."""
        provider = executor.provider
        last = [status[block] for block in sorted(status, key=int)][-IN_A_ROW:]
        if len(last) < IN_A_ROW or not all(map(_failed, last)):
            return
        if not self.said:
            log.error("%s %s", _sentence(provider), _log_of(last[-1]))
            self.said = True
        provider.max_blocks = sum(not job.terminal for job in status.values())
        if not provider.max_blocks:
            told = os.environ.get("MATMINER_COMPUTE_TELL_CALLERS") == "yes"
            said = _log_of(last[-1]) if told else ""
            # A line of its own, with a code, is what a client looks for.
            line = f"\nRuntimeError: [no-worker-starts] {_sentence(provider)} {said}".rstrip()
            executor.set_bad_state_and_fail_all(TooManyJobFailuresError(line))


def _failed(job: JobStatus) -> bool:
    return job.state in (JobState.FAILED, JobState.MISSING)


def _sentence(provider: Any) -> str:
    return (
        f"The last {IN_A_ROW} jobs of the endpoint ended before a worker was ready, so it asks for "
        f"no more; its operator finds why in {provider.script_dir} there."
    )


def _log_of(job: JobStatus) -> str:
    """The end of what a job said, or why it was refused."""
    said = (job.stderr_summary or job.stdout_summary or job.message or "").strip()
    lines = "\n".join(said.splitlines()[-LINES:])[-CHARACTERS:]
    return f"The last one said:\n{lines}" if lines else ""


if __name__ == "__main__":
    vars(status_handling)["simple_error_handler"] = FailingStarts()
    sys.exit(cli_run())
