"""What one replica says to one call that shows a token: its status. ask.py TARGET TOKEN [AUTHORITY NAME], with the
authority in PEM and the name in the certificate."""

import sys

import grpc
from callers import channel
from xpander.agent.v1.agent_service_pb2 import GetTaskRequest
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceStub


def main(target: str, token: str, authority: str = "", name: str = "") -> None:
    options = [("grpc.ssl_target_name_override", name)] if name else []
    stub = AgentServiceStub(channel(target, authority, options))
    try:
        stub.GetTask(GetTaskRequest(task_id="none"), timeout=60, metadata=[("authorization", f"Bearer {token}")])
    except grpc.RpcError as error:
        print(error.code().name)


if __name__ == "__main__":
    main(*sys.argv[1:])
