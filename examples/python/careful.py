"""Invokes an agent as production code does: with TLS, a token, deadlines and the service config, one task however often it
is asked for, and its events followed to the task's end, across connections and replicas.

CA_FILE=ca.pem TOKEN=… SERVICE_CONFIG=agent_grpc_service_config.json python careful.py SERVER AGENT PROMPT

With ONE_STORE=yes too, where there is one replica, or all share a store (`deduplication.store`).
"""

import os
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc_status import rpc_status
from xpander.agent.v1.agent_service_pb2 import StreamEventsRequest
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from xpander.agent.v1.event_pb2 import EVENT_TYPE_CHUNK, EVENT_TYPE_TASK_FINISHED, TaskEvent
from xpander.agent.v1.invocation_pb2 import InvokeRequest
from xpander.agent.v1.task_pb2 import Task, TaskStatus

# Without it, a create that is sent again may reach a replica that does not know its key, and makes a second task.
ONE_STORE = os.environ.get("ONE_STORE") == "yes"
# With these, calling again may help. It harms no stream, which has its last event; a create only as `outcome` says.
AGAIN = {
    StatusCode.UNAVAILABLE,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.INTERNAL,
    StatusCode.UNKNOWN,
}


def connect(server: str) -> grpc.Channel:
    tls = grpc.ssl_channel_credentials(Path(os.environ["CA_FILE"]).read_bytes())
    token = grpc.access_token_call_credentials(os.environ["TOKEN"])
    options = [
        ("grpc.service_config", Path(os.environ["SERVICE_CONFIG"]).read_text()),
        ("grpc.max_receive_message_length", 64 << 20),
        ("grpc.keepalive_time_ms", 15_000),
    ]
    return grpc.secure_channel(server, grpc.composite_channel_credentials(tls, token), options)


def create(agents: AgentServiceStub, request: InvokeRequest) -> Task:
    unsure = False
    for attempt in range(5):
        try:
            return agents.Invoke(request, timeout=150).task
        except grpc.RpcError as error:
            told = outcome(error)
            unsure |= told != "not_created"
            safe = told == "not_created" or (ONE_STORE and told != "unknown")
            if error.code() not in AGAIN or attempt == 4 or not safe:
                if unsure:
                    print("there may be a task: look for it before you create another", file=sys.stderr)
                raise
            time.sleep(2**attempt)
    raise AssertionError("never reached")


def outcome(error: grpc.RpcError) -> str:
    """What the proxy says of the task. Nothing, where it was not the proxy that answered."""
    info = ErrorInfo()
    for detail in (rpc_status.from_call(error) or Status()).details:
        detail.Unpack(info)
    return info.metadata.get("outcome", "")


def follow(agents: AgentServiceStub, task_id: str) -> Iterator[TaskEvent]:
    last, failures = "", 0
    while True:
        request = StreamEventsRequest(task_id=task_id, last_event_id=last, heartbeat=Duration(seconds=20))
        try:
            for message in agents.StreamEvents(request, timeout=3600):
                last, failures = message.event.event_id or last, 0
                yield message.event
            return
        except grpc.RpcError as error:
            failures += 1
            if error.code() not in AGAIN or failures > 5:
                raise
            print(f"resumed after event {last}", file=sys.stderr)
            time.sleep(failures)


def main(server: str, agent: str, prompt: str) -> None:
    with connect(server) as channel:
        agents = AgentServiceStub(channel)
        invocation = InvokeRequest(agent_id=agent, prompt=prompt, events_streaming=True, request_id=str(uuid.uuid4()))
        task = create(agents, invocation)
        print("task", task.id)
        for event in follow(agents, task.id):
            if event.type == EVENT_TYPE_CHUNK:
                print(event.chunk, end="", flush=True)
            elif event.type == EVENT_TYPE_TASK_FINISHED:
                # A task that failed is no failed call: its status says so.
                status = TaskStatus.Name(event.task.status).removeprefix("TASK_STATUS_").lower()
                print(f"\n{status}: {event.task.result}")


try:
    main(*sys.argv[1:])
except grpc.RpcError as error:
    sys.exit(f"{error.code().name}: {error.details()}")
