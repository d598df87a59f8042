"""What an endpoint lets in and out, when it is configured as ``register`` says."""

import pytest
import yaml
from globus_compute_sdk import Client, Executor
from globus_compute_sdk.errors import TaskExecutionFailed
from globus_compute_sdk.serialize import (
    ComputeSerializer,
    DillCode,
    DillDataBase64,
    JSONData,
    PureSourceTextInspect,
)
from globus_sdk import GlobusAPIError
from waiting import PATIENCE

from matminer_compute.client import CompositionClient, FunctionNotAllowed, RemoteError
from matminer_compute.registration import Bundle

from .agent import TEMPLATE, Agent

SOURCE = {"strategy_code": PureSourceTextInspect(), "strategy_data": JSONData()}
PICKLED_ARGUMENTS = {"strategy_code": PureSourceTextInspect(), "strategy_data": DillDataBase64()}


def ignore(*values, **more):
    return "done"


def not_json(*values, **more):
    return {1, 2, 3}


def another(*values, **more):
    return "done"


class Trap:
    """Leaves a file where it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def trapped(path):
    """A function that springs a trap where its pickle is read."""
    namespace = {"__name__": "__main__", "trap": Trap(path)}
    exec("def trapped(value, trap=trap):\n    return 'done'", namespace)
    return namespace["trapped"]


@pytest.fixture(scope="module")
def trap(tmp_path_factory):
    """Where the pickled function leaves its file."""
    return tmp_path_factory.mktemp("trap") / "sprung"


@pytest.fixture(scope="module")
def functions(running_service, trap):
    """Ids of functions that are not ours, by name."""
    running_service.reset()
    source = Client(code_serialization_strategy=PureSourceTextInspect())
    ids = {f.__name__: source.register_function(f) for f in (ignore, not_json, another)}
    pickling = Client(code_serialization_strategy=DillCode())
    return ids | {"trapped": pickling.register_function(trapped(trap))}


@pytest.fixture(scope="module")
def guarded(running_service, bundle, functions, registry, tmp_path_factory):
    """An endpoint with the lines that ``register`` prints, which also lets three others in."""
    running_service.reset()
    lines = yaml.safe_load(Bundle.load(bundle).endpoint_configuration())
    template = yaml.safe_load(TEMPLATE)
    template["engine"] |= lines["engine"]
    others = [functions[name] for name in ("ignore", "not_json", "trapped")]
    folder = tmp_path_factory.mktemp("guarded")
    agent = Agent(
        folder / "agent",
        running_service,
        template=yaml.safe_dump(template),
        config={"allowed_functions": lines["allowed_functions"] + others},
        environment={
            "MLFLOW_TRACKING_URI": registry.uri,
            "MATMINER_COMPUTE_CACHE": str(folder / "cache"),
        },
    )
    agent.start()
    yield agent
    agent.stop()


def swapped(bundle, function_id):
    """Our bundle, with every function's id replaced."""
    ours = Bundle.load(bundle)
    for name, function in ours.functions.items():
        ours.functions[name] = function.model_copy(update={"id": function_id})
    return ours


@pytest.fixture
def ask(service, guarded):
    """Run a function by its id, serialized in some way, and return what comes back."""

    def ask(function_id, *arguments, agent=guarded, serializer=SOURCE, **options):
        with Executor(
            agent.endpoint_id, serializer=ComputeSerializer(**serializer), **options
        ) as executor:
            return executor.submit_to_registered_function(function_id, arguments).result(PATIENCE)

    return ask


def test_our_functions_are_let_in(service, bundle, guarded):
    with CompositionClient(bundle, guarded.endpoint_id) as client:
        assert client.predict(["NaCl"], timeout=PATIENCE).values[0] < 0


def test_another_function_is_refused_by_the_service(ask, service, functions):
    sent = len(service.tasks)
    with pytest.raises(GlobusAPIError) as caught:
        ask(functions["another"], 1)
    assert caught.value.http_status == 403
    assert len(service.tasks) == sent


def test_the_client_says_what_to_tell_the_operator(service, bundle, functions, guarded):
    with (
        CompositionClient(swapped(bundle, functions["another"]), guarded.endpoint_id) as client,
        pytest.raises(FunctionNotAllowed, match=r"operator.*allowed_functions"),
    ):
        client.predict(["NaCl"], timeout=PATIENCE)


def test_the_agent_refuses_too(ask, service, bundle, functions, guarded):
    """Should the service let a function through, the agent has the list as well."""
    there = service.endpoint(guarded.endpoint_id)
    allowed, there.allowed_functions = there.allowed_functions, None
    try:
        with pytest.raises(TaskExecutionFailed, match="not permitted on endpoint"):
            ask(functions["another"])
        with (
            CompositionClient(swapped(bundle, functions["another"]), guarded.endpoint_id) as client,
            pytest.raises(FunctionNotAllowed, match=r"operator.*allowed_functions"),
        ):
            client.predict(["NaCl"], timeout=PATIENCE)
    finally:
        there.allowed_functions = allowed


def test_a_pickled_function_is_not_unpickled(ask, endpoint, functions, trap):
    with pytest.raises(TaskExecutionFailed, match="Code serializer DillCode disabled"):
        ask(functions["trapped"], 1)
    assert not trap.exists()
    assert ask(functions["trapped"], 1, agent=endpoint) == "done"
    assert trap.exists(), "the trap does not work, and the test says nothing"


def test_pickled_arguments_are_not_unpickled(ask, endpoint, functions, tmp_path):
    trap = tmp_path / "sprung"
    with pytest.raises(TaskExecutionFailed, match="Data serializer DillDataBase64 disabled"):
        ask(functions["ignore"], Trap(trap), serializer=PICKLED_ARGUMENTS)
    assert not trap.exists()
    answer = ask(functions["ignore"], Trap(trap), serializer=PICKLED_ARGUMENTS, agent=endpoint)
    assert answer == "done"
    assert trap.exists(), "the trap does not work, and the test says nothing"


def test_results_come_back_as_json(service, bundle, guarded):
    before = set(service.tasks)
    with CompositionClient(bundle, guarded.endpoint_id) as client:
        client.predict(["NaCl"], timeout=PATIENCE)
    (task,) = service.tasks.keys() - before
    assert service.tasks[task].data.startswith(JSONData.identifier)


def test_what_is_not_json_does_not_come_back_pickled(ask, service, bundle, functions, guarded):
    """Where nobody asks for JSON, as the bare SDK does not, it does."""
    assert ask(functions["not_json"]) == {1, 2, 3}
    before = set(service.tasks)
    with (
        CompositionClient(swapped(bundle, functions["not_json"]), guarded.endpoint_id) as client,
        pytest.raises(RemoteError, match="strategies failed"),
    ):
        client.predict(["NaCl"], timeout=PATIENCE)
    (task,) = service.tasks.keys() - before
    assert service.tasks[task].status == "failed"
