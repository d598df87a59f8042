"""A caller's process of the endpoint, which stops asking for jobs whose workers do not start.

Parsl's own rule is to give up when all jobs so far ended without a worker: after one that went well
it asks for ever, and before, one bad node is enough. Here the last three count. And to Parsl a job
that Slurm holds, until somebody releases it, is like any other that waits: here, if all are held,
callers are told. No configuration can say so, which is why this file is there.

A process that gives up ends within half a second, and looks for results to send twice a second, so
that what it says last may never be sent. Here it stays until the broker has it.
"""

import logging
import os
import sys
import time
from typing import Any

from globus_compute_endpoint.cli import cli_run
from globus_compute_endpoint.endpoint import interchange
from globus_compute_endpoint.endpoint.rabbit_mq import ResultPublisher
from parsl.executors import status_handling
from parsl.jobs.errors import TooManyJobFailuresError
from parsl.jobs.states import JobState, JobStatus
from parsl.providers import SlurmProvider

IN_A_ROW = 3
SECONDS = 60  # between two questions to Slurm, as Parsl has it
#: How much of a job's log is enough to know what is wrong.
LINES, CHARACTERS = 5, 500
#: Seconds for the broker to take the last results.
PATIENCE = 30

log = logging.getLogger("parsl.matminer_compute_starts")


class FailingStarts:
    """What Parsl calls with the state of all jobs, whenever it has asked for that."""

    def __init__(self) -> None:
        self.said = False
        self.asked = -float("inf")

    def __call__(self, executor: Any, status: dict[str, JobStatus]) -> None:
        """Ask for no more jobs than there are; when none is left or free, let all tasks fail."""
        provider = executor.provider
        waiting = [executor.blocks_to_job_id[block] for block in status if _waits(status[block])]
        if waiting and len(waiting) == sum(not job.terminal for job in status.values()):
            self.look_for_held(executor, waiting)
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

    def look_for_held(self, executor: Any, jobs: list[str]) -> None:
        """Let all tasks fail if each of these jobs, which are all there are, is held."""
        now = time.monotonic()
        if not isinstance(executor.provider, SlurmProvider) or now < self.asked + SECONDS:
            return
        self.asked = now
        command = f"squeue --noheader --format=%r --job={','.join(jobs)}"
        code, reasons, _ = executor.provider.execute_wait(command)
        held = [why for why in reasons.splitlines() if "held" in why.lower()]
        if code == 0 and len(held) == len(jobs):
            sentence = (
                f"Each of the endpoint's jobs is held ({held[0].strip()}), so none will start; its "
                "operator releases or cancels them, and 'scontrol show job' says more."
            )
            log.error(sentence)
            line = f"\nRuntimeError: [no-worker-starts] {sentence}"
            executor.set_bad_state_and_fail_all(TooManyJobFailuresError(line))


class PatientPublisher(ResultPublisher):
    """Sends results, and ends when the broker has all of them."""

    def __exit__(self, *raised: Any) -> None:
        """Wait for what is to be sent, and for the broker's word for what was."""
        end = time.monotonic() + PATIENCE
        while self._outstanding.qsize() or self._awaiting_confirmation:
            if not self.is_alive() or time.monotonic() > end:
                break
            time.sleep(0.05)
        super().__exit__(*raised)


def _waits(job: JobStatus) -> bool:
    return job.state == JobState.PENDING


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
    vars(interchange)["ResultPublisher"] = PatientPublisher
    sys.exit(cli_run())
