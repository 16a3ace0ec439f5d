"""Errors, read as grpcio's users read them, and calls that are wrong on purpose."""

import os

import grpc
from grpc import StatusCode
from world import SOON, Scenario, address, agents, created, equal, failure, holds, read, scenario, stopped, waited
from xpander.agent.v1.agent_service_pb2 import GetTaskRequest, StreamEventsRequest
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from xpander.agent.v1.invocation_pb2 import User

SCENARIOS: dict[str, Scenario] = {}


def follow(stub: AgentServiceStub, task_id: str) -> list:
    return list(stub.StreamEvents(StreamEventsRequest(task_id=task_id), timeout=SOON))


@scenario(SCENARIOS, "error-details")
def error_details() -> None:
    with agents() as stub:
        limited = failure(StatusCode.RESOURCE_EXHAUSTED, lambda: created(stub, "http-429"))
        refused = failure(StatusCode.INVALID_ARGUMENT, lambda: created(stub, "http-422"))
    equal("the domain and reason", (limited.info.domain, limited.info.reason), ("xpander.ai", "PLATFORM_RATE_LIMITED"))
    equal("the HTTP status", limited.info.metadata["http_status"], "429")
    equal("the outcome", limited.info.metadata["outcome"], "not_created")
    equal("the retry delay", limited.retry.retry_delay.ToTimedelta().total_seconds(), 2.0)
    equal("the fields", refused.fields, ["prompt"])


@scenario(SCENARIOS, "limited")
def limited() -> None:
    def twice() -> None:
        created(stub, "echo")
        created(stub, "echo")

    with agents("limited") as stub:
        refused = failure(StatusCode.RESOURCE_EXHAUSTED, twice)
    equal("the reason", refused.info.reason, "CALLER_LIMITED")
    equal("the limits", refused.limits, ["limits.creates_per_second"])
    equal("the outcome", refused.info.metadata["outcome"], "not_created")
    holds("the wait is exact", 1 <= refused.retry.retry_delay.ToTimedelta().total_seconds() <= 100)


@scenario(SCENARIOS, "missing-agent")
def missing_agent() -> None:
    with agents("unreachable") as stub:
        nameless = failure(StatusCode.INVALID_ARGUMENT, lambda: created(stub, "", "hello"))
    equal("the fields", nameless.fields, ["agent_id"])
    holds("the message names the field", "agent_id" in nameless.message)
    with agents() as stub:
        unknown = failure(StatusCode.NOT_FOUND, lambda: created(stub, "nobody"))
    equal("the agent", unknown.info.metadata["agent_id"], "nobody")


@scenario(SCENARIOS, "bad-email")
def bad_email() -> None:
    user, urls = User(first_name="Ann"), ["not a URL"]
    with agents() as stub:
        wrong = failure(StatusCode.INVALID_ARGUMENT, lambda: created(stub, "echo", user_details=user, file_urls=urls))
    equal("the fields", set(wrong.fields), {"user_details.email", "file_urls[0]"})
    holds("the message names both", all(field in wrong.message for field in wrong.fields))


@scenario(SCENARIOS, "unknown-task")
def unknown_task() -> None:
    with agents() as stub:
        for call in (read, waited, stopped, follow):
            unknown = failure(StatusCode.NOT_FOUND, lambda: call(stub, "nope"))
            equal("the reason", unknown.info.reason, "PLATFORM_NOT_FOUND")
            equal("the task", unknown.info.metadata["task_id"], "nope")


@scenario(SCENARIOS, "not-streaming")
def not_streaming() -> None:
    with agents() as stub:
        task_id = created(stub, "slow").id
        silent = failure(StatusCode.FAILED_PRECONDITION, lambda: follow(stub, task_id))
        stopped(stub, task_id)
    equal("the reason", silent.info.reason, "TASK_NOT_STREAMING")
    equal("the task", silent.info.metadata["task_id"], task_id)


@scenario(SCENARIOS, "closed-stream")
def closed_stream() -> None:
    with grpc.insecure_channel(address("plain")) as channel:
        stub = AgentServiceStub(channel)
        task_id = created(stub, "slow", events_streaming=True).id
        call = stub.StreamEvents(StreamEventsRequest(task_id=task_id), timeout=SOON)
        next(call)
        call.cancel()
        for _ in range(2):
            failure(StatusCode.CANCELLED, lambda: next(call))
        stopped(stub, task_id)
    try:
        read(stub, task_id)
    except ValueError as error:
        holds(f"{error} says what is wrong", "closed channel" in str(error))
    else:
        raise AssertionError("a closed channel has answered")


@scenario(SCENARIOS, "wrong-token")
def wrong_token() -> None:
    request = GetTaskRequest(task_id="nope")
    with agents("tokens") as stub:
        shown = [("authorization", f"Bearer {os.environ['CLIENTS_TOKEN']}")]
        failure(StatusCode.NOT_FOUND, lambda: stub.GetTask(request, timeout=SOON, metadata=shown))
        for wrong in ([], [("authorization", "Bearer wrong-token")]):
            refused = failure(StatusCode.UNAUTHENTICATED, lambda: stub.GetTask(request, timeout=SOON, metadata=wrong))
            equal("the reason", refused.info.reason, "CALLER_UNAUTHENTICATED")
            holds("the message does not repeat the token", "wrong-token" not in refused.message)
