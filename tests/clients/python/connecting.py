"""What surrounds the calls: metadata, reflection, health and TLS."""

from collections.abc import Callable

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from world import SERVICE, SOON, Scenario, address, agents, content, created, equal, failure, holds, scenario
from xpander.agent.v1.agent_service_pb2 import GetTaskRequest
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from xpander.agent.v1.invocation_pb2 import InvokeRequest

SCENARIOS: dict[str, Scenario] = {}


@scenario(SCENARIOS, "metadata")
def metadata() -> None:
    request = InvokeRequest(agent_id="echo")
    with agents() as stub:
        _, call = stub.Invoke.with_call(request, timeout=SOON, metadata=[("x-request-id", "python-1")])
        equal("the request id", dict(call.initial_metadata())["x-request-id"], "python-1")
        _, call = stub.Invoke.with_call(request, timeout=SOON)
        holds("there is a request id", dict(call.initial_metadata()).get("x-request-id"))
        try:
            stub.GetTask(GetTaskRequest(task_id="nope"), timeout=SOON, metadata=[("x-request-id", "python-2")])
        except grpc.RpcError as error:
            # An answer without a message has its headers among its trailers.
            equal("the failure's request id", dict(error.trailing_metadata())["x-request-id"], "python-2")
        else:
            raise AssertionError("there is a task called nope")


@scenario(SCENARIOS, "reflection")
def reflection() -> None:
    with grpc.insecure_channel(address("plain")) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        holds(f"{SERVICE} is listed", SERVICE in database.get_services())
        service = DescriptorPool(database).FindServiceByName(SERVICE)
        methods = {"Invoke", "StreamEvents", "InvokeStream", "GetTask", "WaitTask", "StopTask"}
        methods |= {"ListAgents", "ListTasks", "GetTaskActivity"}
        equal("the methods", set(service.methods_by_name), methods)


@scenario(SCENARIOS, "health")
def health() -> None:
    with grpc.insecure_channel(address("plain")) as channel:
        stub = HealthStub(channel)
        for service in ("", SERVICE):
            request = HealthCheckRequest(service=service)
            equal(f"Check {service}", stub.Check(request, timeout=SOON).status, HealthCheckResponse.SERVING)
            watch = stub.Watch(request, timeout=SOON)
            equal(f"Watch {service}", next(watch).status, HealthCheckResponse.SERVING)
            watch.cancel()
        nobody = HealthCheckRequest(service="nobody")
        failure(grpc.StatusCode.NOT_FOUND, lambda: stub.Check(nobody, timeout=SOON))


def with_credentials(server: str, credentials: grpc.ChannelCredentials, use: Callable[[AgentServiceStub], None]) -> None:
    with grpc.secure_channel(address(server), credentials) as channel:
        use(AgentServiceStub(channel))


def works(stub: AgentServiceStub) -> None:
    equal("the agent", created(stub, "echo").agent_id, "echo")


def is_unavailable(stub: AgentServiceStub) -> None:
    failure(grpc.StatusCode.UNAVAILABLE, lambda: created(stub, "echo"))


@scenario(SCENARIOS, "tls")
def tls() -> None:
    with_credentials("tls", grpc.ssl_channel_credentials(content("CLIENTS_CA")), works)
    with_credentials("tls", grpc.ssl_channel_credentials(), is_unavailable)


@scenario(SCENARIOS, "mtls")
def mutual_tls() -> None:
    authority = content("CLIENTS_CA")
    shown = grpc.ssl_channel_credentials(authority, content("CLIENTS_KEY"), content("CLIENTS_CERT"))
    with_credentials("mtls", shown, works)
    with_credentials("mtls", grpc.ssl_channel_credentials(authority), is_unavailable)
