"""Invoke over the platform's official Python client and grpc.aio: the rows of the comparison behind `--python`.

Not a proxy to run: like the floor it knows the attributes that the benches send, and what it does not expect is an
error. Its settings are the client's own environment variables; the stubs of the API are on PYTHONPATH. As it is, the
client makes an HTTP client, certificates and all, for each of its requests; with the argument `shared` it has one for
all of them. Either way it remembers an agent for five seconds, as the proxy does.
"""

import asyncio
import json
import sys
from datetime import timedelta
from types import SimpleNamespace

import grpc
import httpx
from google.protobuf.json_format import MessageToDict
from xpander.agent.v1.agent_service_pb2 import InvokeResponse
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceServicer, add_AgentServiceServicer_to_server
from xpander.agent.v1.task_pb2 import Task
from xpander_sdk import Agents
from xpander_sdk.core import xpander_api_client
from xpander_sdk.models.user import User

# What the client's task has beside the platform's attributes, and what is never sent back.
KEPT_BACK = {"configuration": True, "tokens": {"total_tokens"}, "user_oidc_token": True, "user_tokens": True}
# How the values of our enums begin.
ENUMS = {
    "llm_reasoning_effort": "LLM_REASONING_EFFORT_",
    "output_format": "OUTPUT_FORMAT_",
    "status": "TASK_STATUS_",
    "think_mode": "THINK_MODE_",
}


def message_of(task):
    """The client's task as ours."""
    attributes = task.model_dump(exclude=KEPT_BACK)
    for name, prefix in ENUMS.items():
        if attributes[name] is not None:
            attributes[name] = prefix + attributes[name].value.upper()
    attributes["duration"] = timedelta(seconds=attributes["duration"])
    return Task(**attributes)


class Service(AgentServiceServicer):
    """What is measured: the other calls are UNIMPLEMENTED."""

    async def Invoke(self, request, context):
        user = User(**MessageToDict(request.user_details, preserving_proto_field_name=True))
        agent = await Agents().aget(request.agent_id)
        task = await agent.acreate_task(prompt=request.prompt, user_details=user, title=request.title)
        return InvokeResponse(task=message_of(task))


class Shared:
    """Stands in for an HTTP client, and is the same one every time."""

    client = httpx.AsyncClient()

    async def __aenter__(self):
        return self.client

    async def __aexit__(self, *_):
        pass


async def serve():
    server = grpc.aio.server()
    add_AgentServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"message": "serving", "grpc": f"127.0.0.1:{port}"}), flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    if sys.argv[1:] == ["shared"]:
        xpander_api_client.httpx = SimpleNamespace(AsyncClient=Shared)
    asyncio.run(serve())
