"""Asks for more than a replica has memory for: heavy.py TARGET MEGABYTES, until a call is lost."""

import sys
import threading
import time

import grpc
from xpander.agent.v1.agent_service_pb2 import GetTaskRequest
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from xpander.agent.v1.invocation_pb2 import InvokeRequest


def main(target: str, megabytes: str) -> None:
    lost, until = threading.Event(), time.monotonic() + 300
    with grpc.insecure_channel(target, [("grpc.max_receive_message_length", 64 << 20)]) as channel:
        stub = AgentServiceStub(channel)
        request = InvokeRequest(agent_id="big", prompt=str(int(megabytes) << 20))
        task_id = stub.Invoke(request, timeout=60, wait_for_ready=True).task.id

        def read() -> None:
            while not lost.is_set() and time.monotonic() < until:
                try:
                    stub.GetTask(GetTaskRequest(task_id=task_id), timeout=300)
                except grpc.RpcError as error:
                    print(f"{error.code().name}: {error.details()}")
                    lost.set()

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
