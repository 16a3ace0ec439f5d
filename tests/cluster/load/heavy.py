"""Asks for more than a replica has memory for: heavy.py TARGET MEGABYTES, until a call is lost."""

import concurrent.futures
import sys

import grpc
from xpander.agent.v1.agent_service_pb2 import GetTaskRequest
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from xpander.agent.v1.invocation_pb2 import InvokeRequest


def main(target: str, megabytes: str) -> None:
    with grpc.insecure_channel(target, [("grpc.max_receive_message_length", 64 << 20)]) as channel:
        stub = AgentServiceStub(channel)
        request = InvokeRequest(agent_id="big", prompt=str(int(megabytes) << 20))
        task_id = stub.Invoke(request, timeout=60, wait_for_ready=True).task.id
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            calls = [pool.submit(stub.GetTask, GetTaskRequest(task_id=task_id), timeout=300) for _ in range(500)]
            for call in concurrent.futures.as_completed(calls):
                if isinstance(error := call.exception(), grpc.RpcError):
                    print(f"{error.code().name}: {error.details()}")
                    # The other replica is to live.
                    pool.shutdown(wait=False, cancel_futures=True)
                    break


if __name__ == "__main__":
    main(*sys.argv[1:])
