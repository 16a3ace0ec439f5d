"""The service config that is shipped: what is retried, and which replica is called."""

import grpc
from world import (
    SOON,
    Scenario,
    address,
    agents,
    calls,
    content,
    created,
    equal,
    failure,
    read,
    scenario,
    stopped,
    until,
    waited,
)
from xpander.agent.v1.agent_service_pb2 import InvokeStreamRequest, StreamEventsRequest
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from xpander.agent.v1.invocation_pb2 import InvokeRequest

SCENARIOS: dict[str, Scenario] = {}


def shipped() -> tuple[str, str]:
    """The channel option with the service config."""
    return ("grpc.service_config", content("CLIENTS_SERVICE_CONFIG").decode())


def replicas(*addresses: str) -> grpc.Channel:
    """A channel to several replicas, as a name that resolves to all of them would make it."""
    # The list of addresses is no authority that an HTTP/2 server takes.
    options = [shipped(), ("grpc.default_authority", "localhost")]
    return grpc.insecure_channel(f"ipv4:{','.join(addresses)}", options=options)


@scenario(SCENARIOS, "service-config-retries")
def retries() -> None:
    def invoke_stream(stub: AgentServiceStub) -> list:
        request = InvokeStreamRequest(invocation=InvokeRequest(agent_id="echo"))
        return list(stub.InvokeStream(request, timeout=SOON))

    def stream_events(stub: AgentServiceStub) -> list:
        return list(stub.StreamEvents(StreamEventsRequest(task_id="some-task"), timeout=SOON))

    tries = {
        "GetTask": (4, lambda stub: read(stub, "some-task")),
        "WaitTask": (4, lambda stub: waited(stub, "some-task")),
        "StreamEvents": (4, stream_events),
        "Invoke": (1, lambda stub: created(stub, "echo")),
        "InvokeStream": (1, invoke_stream),
        "StopTask": (1, lambda stub: stopped(stub, "some-task")),
    }
    admin = address("unreachable_admin")
    for method, (expected, call) in tries.items():
        with agents("unreachable", shipped()) as stub:
            before = calls(admin, method)
            failed = failure(grpc.StatusCode.UNAVAILABLE, lambda: call(stub))
            equal("the reason", failed.info.reason, "PLATFORM_UNREACHABLE")
            until(f"{method} is sent {expected} times", lambda: calls(admin, method) - before >= expected)
            equal(f"how often {method} is sent", calls(admin, method) - before, expected)


@scenario(SCENARIOS, "service-config-replicas")
def both_replicas() -> None:
    admins = [address("replica1_admin"), address("replica2_admin")]
    before = [calls(admin, "GetTask") for admin in admins]
    with replicas(address("replica1"), address("replica2")) as channel:
        stub = AgentServiceStub(channel)

        def both_have_answered() -> bool:
            failure(grpc.StatusCode.NOT_FOUND, lambda: read(stub, "nope"))
            now = [calls(admin, "GetTask") for admin in admins]
            return all(after > earlier for after, earlier in zip(now, before, strict=True))

        until("both replicas have answered", both_have_answered)
