"""Invokes an agent and prints what it says, as it says it.

python main.py [SERVER]
"""

import sys

import grpc
from xpander.agent.v1.agent_service_pb2 import InvokeStreamRequest
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from xpander.agent.v1.event_pb2 import EVENT_TYPE_CHUNK, EVENT_TYPE_TASK_FINISHED
from xpander.agent.v1.invocation_pb2 import InvokeRequest
from xpander.agent.v1.task_pb2 import TaskStatus


def main(server: str = "localhost:50051") -> None:
    request = InvokeStreamRequest(invocation=InvokeRequest(agent_id="echo", prompt="hello from Python"))
    with grpc.insecure_channel(server) as channel:
        for message in AgentServiceStub(channel).InvokeStream(request):
            event = message.event
            if message.HasField("task"):
                print("task", message.task.id)
            elif event.type == EVENT_TYPE_CHUNK:
                print(event.chunk, end="", flush=True)
            elif event.type == EVENT_TYPE_TASK_FINISHED:
                status = TaskStatus.Name(event.task.status).removeprefix("TASK_STATUS_").lower()
                print(f"\n{status}: {event.task.result}")


try:
    main(*sys.argv[1:])
except grpc.RpcError as error:
    sys.exit(f"{error.code().name}: {error.details()}")
