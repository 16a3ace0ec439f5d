"""One task for each idempotency key, however many calls it takes."""

import time
import uuid

import grpc
from grpc import StatusCode
from world import SOON, Failure, Scenario, agents, equal, failure, holds, scenario
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from xpander.agent.v1.invocation_pb2 import InvokeRequest
from xpander.agent.v1.task_pb2 import Task

SCENARIOS: dict[str, Scenario] = {}


def once(stub: AgentServiceStub, request: InvokeRequest, attempts: int = 5) -> Task:
    while True:
        try:
            return stub.Invoke(request, timeout=SOON).task
        except grpc.RpcError as error:
            attempts -= 1
            wait = pause(Failure(error))
            if attempts == 0 or wait is None:
                raise
            time.sleep(wait)


def pause(failed: Failure) -> float | None:
    outcome = failed.info.metadata.get("outcome")
    if outcome == "not_created":
        wait = failed.retry.retry_delay.ToTimedelta().total_seconds()
        return wait or (1.0 if failed.code == StatusCode.UNAVAILABLE else None)
    # There may be a task: the same id finds it with one replica or a store that all share, else makes a second.
    return None if outcome == "unknown" else 1.0


@scenario(SCENARIOS, "request-id")
def request_id() -> None:
    request = InvokeRequest(agent_id="echo", prompt="hello", request_id=str(uuid.uuid4()))
    with agents() as stub:
        task = once(stub, request)
        equal("the repeat's task", once(stub, request).id, task.id)
        other = InvokeRequest(agent_id="echo", prompt="other", request_id=request.request_id)
        refused = failure(StatusCode.INVALID_ARGUMENT, lambda: once(stub, other))
        equal("the fields", refused.fields, ["request_id"])
        limited = InvokeRequest(agent_id="http-429", request_id=str(uuid.uuid4()))
        begun = time.monotonic()
        failure(StatusCode.RESOURCE_EXHAUSTED, lambda: once(stub, limited, attempts=2))
        holds("it has waited as RetryInfo says", time.monotonic() - begun >= 2)
