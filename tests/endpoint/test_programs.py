"""What of ours runs in an endpoint: the pool of workers, and the rule when jobs are no use."""

import importlib.util
import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from parsl.jobs.states import JobState, JobStatus
from waiting import PATIENCE, until

from matminer_compute.endpoint import EmbeddedEndpoint

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "endpoint" / "templates" / "python"


def program(name):
    spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


STARTS = program("matminer_compute_starts")


class Executor:
    """What the rule sees of Parsl's executor."""

    def __init__(self, max_blocks):
        self.provider = SimpleNamespace(max_blocks=max_blocks, script_dir="/scripts")
        self.blocks_to_job_id = {str(block): f"job {block}" for block in range(1000)}
        self.failure = None

    def set_bad_state_and_fail_all(self, failure):
        self.failure = failure


def seen(states, executor=None):
    """The executor after the rule has seen jobs in these states."""
    executor = executor or Executor(8)
    status = {str(block): JobStatus(state) for block, state in enumerate(states)}
    STARTS.FailingStarts()(executor, status)
    return executor


FAILED = st.sampled_from([JobState.FAILED, JobState.MISSING])
ENDED_WELL = st.sampled_from([JobState.COMPLETED, JobState.TIMEOUT, JobState.SCALED_IN])
OF_USE = st.sampled_from([JobState.RUNNING, JobState.PENDING])


@given(st.lists(FAILED | ENDED_WELL | OF_USE), FAILED | ENDED_WELL | OF_USE)
def test_while_one_of_the_last_three_did_not_fail_all_goes_on(before, last):
    states = [*before, last]
    if all(s in (JobState.FAILED, JobState.MISSING) for s in states[-3:]) and len(states) > 2:
        states.append(JobState.RUNNING)
    executor = seen(states)
    assert executor.failure is None
    assert executor.provider.max_blocks == 8


@given(st.lists(FAILED | ENDED_WELL), st.lists(FAILED, min_size=3))
def test_three_in_a_row_end_what_waits(before, failing):
    failure = seen([*before, *failing]).failure
    assert "[no-worker-starts] The last 3 jobs" in str(failure)
    assert "/scripts" in str(failure)


@given(st.lists(OF_USE, min_size=1), st.lists(FAILED, min_size=3))
def test_a_job_that_works_is_let_work_but_no_more_are_asked_for(working, failing):
    executor = seen([*working, *failing])
    assert executor.failure is None
    assert executor.provider.max_blocks == len(working)
    seen([JobState.COMPLETED] * len(working) + failing, executor)
    assert executor.failure is not None


@pytest.mark.parametrize(("allowed", "told"), [("yes", True), ("no", False)])
def test_callers_are_told_a_jobs_log_where_the_operator_allows_it(
    allowed, told, tmp_path, monkeypatch
):
    monkeypatch.setenv("MATMINER_COMPUTE_TELL_CALLERS", allowed)
    (tmp_path / "stderr").write_text("first line\n" + "x\n" * 50 + "conda: no such environment\n")
    executor = Executor(1)
    job = JobStatus(JobState.MISSING, stderr_path=str(tmp_path / "stderr"))
    STARTS.FailingStarts()(executor, {"0": job, "1": job, "2": job})
    assert ("conda: no such environment" in str(executor.failure)) is told
    assert "first line" not in str(executor.failure)


def meet(folder: str, count: int) -> dict:
    """What a worker is, said when so many of them are at it."""
    import os
    import random
    import sys
    import time
    from pathlib import Path

    import numpy as np

    libraries = [name for name in ("mlflow.pyfunc", "numba") if name in sys.modules]
    Path(folder, str(os.getpid())).touch()
    while len(list(Path(folder).iterdir())) < count:
        time.sleep(0.01)
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "libraries": libraries,
        "drawn": [random.random(), np.random.random()],
    }


def alive(pid):
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def test_workers_of_a_node_are_forked_from_one_that_has_the_libraries(tmp_path):
    with EmbeddedEndpoint("parsl", workers=2, registry="http://127.0.0.1:9") as endpoint:
        identity = endpoint.register_function(meet)

        arguments = (str(tmp_path), 2)
        tasks = [endpoint.submit_to_registered_function(identity, arguments) for _ in range(2)]
        one, other = [task.result(timeout=PATIENCE) for task in tasks]
        assert one["libraries"] == other["libraries"] == ["mlflow.pyfunc", "numba"]
        assert one["parent"] == other["parent"]
        assert not set(one["drawn"]) & set(other["drawn"])
        # Without it nobody would learn of a worker's end: its workers go too.
        os.kill(one["parent"], signal.SIGKILL)
        until(lambda: not any(map(alive, (one["pid"], other["pid"]))))


def test_every_code_that_runs_in_an_endpoint_is_explained():
    sources = [*(ROOT / "functions").rglob("*.py"), *PROGRAMS.glob("*.py")]
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    raised = set(re.findall(r"\[([a-z]+(?:-[a-z]+)+)\] ", text))
    raised |= set(re.findall(r'refused\(\s*"([a-z-]+)"', text))
    table = (ROOT / "docs" / "promotion.md").read_text(encoding="utf-8")
    assert {"no-worker-starts", "too-many-kept", "no-room"} <= raised
    assert not [code for code in sorted(raised) if f"\n| `{code}` |" not in table]
