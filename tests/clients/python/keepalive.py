"""Pings, as docs/callers.md advises them but more often: a connection that dies without a word is noticed."""

import socket
import threading

import grpc
from following import follow, streamed
from world import Scenario, address, agents, failure, holds, scenario, stopped, until
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceStub

SCENARIOS: dict[str, Scenario] = {}
# A ping is 17 bytes: a frame's head of 9, and 8 of its own.
PING = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00"
OPTIONS = [
    ("grpc.keepalive_time_ms", 1000),
    ("grpc.keepalive_timeout_ms", 500),
    # It is this one that grpcio 1.85 closes the connection by.
    ("grpc.http2.ping_timeout_ms", 500),
    ("grpc.http2.max_pings_without_data", 0),
]


class Relay:
    """One connection to the server, passed on until it is frozen: then it stays open, and nothing comes through."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.frozen = threading.Event()
        self.pings = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        caller, _ = self.listener.accept()
        host, port = address("plain").split(":")
        server = socket.create_connection((host, int(port)))
        threading.Thread(target=self.copy, args=(server, caller, False), daemon=True).start()
        self.copy(caller, server, True)

    def copy(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        while read := source.recv(65536):
            if not self.frozen.is_set():
                self.pings += read.count(PING) if counts else 0
                target.sendall(read)


@scenario(SCENARIOS, "keepalive")
def keepalive() -> None:
    relay = Relay()
    with agents() as stub, grpc.insecure_channel(relay.address, options=OPTIONS) as channel:
        task_id = streamed(stub, "human")
        call = follow(AgentServiceStub(channel), task_id, 60)
        while next(call).event.type_name != "chunk":
            pass
        # A server that minds says `too_many_pings` at the third.
        until("there were five pings", lambda: relay.pings >= 5)
        holds("the proxy bears five pings", call.is_active())
        relay.frozen.set()
        lost = failure(grpc.StatusCode.UNAVAILABLE, lambda: list(call))
        holds(f"'{lost.message}' tells of a ping", "ping" in lost.message.lower())
        stopped(stub, task_id)
