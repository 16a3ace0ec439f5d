"""Replicas that leave, under the shipped service config: one is killed, one drains."""

import contextlib
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
from balancing import replicas
from world import Scenario, calls, created, equal, read, scenario, until
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceStub

SCENARIOS: dict[str, Scenario] = {}


class Replica:
    """A proxy of this program's own, which it may kill."""

    def __init__(self, log: Path) -> None:
        settings = {
            "XPANDER_BASE_URL": os.environ["CLIENTS_PLATFORM"],
            "XPANDER_API_KEY": "key",
            "XPANDER_ORGANIZATION_ID": "org",
            # Longer than the scenario: it does not see the connections close.
            "XPANDER_PROXY_SERVER__DRAIN_DELAY": "5m",
        }
        command = [os.environ["CLIENTS_BINARY"], "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, env=settings, stderr=log.open("w"))
        until("the replica serves", lambda: '"serving"' in log.read_text())
        addresses = re.search(r'"grpc":"([^"]+)","admin":"([^"]+)"', log.read_text())
        assert addresses, log.read_text()
        self.address, self.admin = addresses.groups()

    def answered(self) -> int:
        """How many reads it has answered."""
        return calls(self.admin, "GetTask")


@contextlib.contextmanager
def two_replicas() -> Iterator[tuple[Replica, Replica, AgentServiceStub, str]]:
    """Two replicas, a stub that has reached both, and the id of a task."""
    with tempfile.TemporaryDirectory() as folder:
        pair = Replica(Path(folder, "1")), Replica(Path(folder, "2"))
        try:
            with replicas(*(replica.address for replica in pair)) as channel:
                stub = AgentServiceStub(channel)
                task_id = created(stub, "echo").id

                def both_have_answered() -> bool:
                    read(stub, task_id)
                    return all(replica.answered() for replica in pair)

                until("both replicas have answered", both_have_answered)
                yield (*pair, stub, task_id)
        finally:
            for replica in pair:
                replica.process.kill()
                replica.process.wait()


@scenario(SCENARIOS, "replica-killed")
def killed() -> None:
    with two_replicas() as (first, second, stub, task_id):
        before = second.answered()
        first.process.kill()
        for _ in range(50):
            equal("the task", read(stub, task_id).id, task_id)
        until("the other replica has answered all", lambda: second.answered() - before == 50)
        created(stub, "echo")


@scenario(SCENARIOS, "replica-drained")
def drained() -> None:
    with two_replicas() as (first, _, stub, task_id):
        first.process.send_signal(signal.SIGTERM)

        def is_left() -> bool:
            before = first.answered()
            for _ in range(20):
                read(stub, task_id)
            created(stub, "echo")
            return first.answered() == before

        until("a draining replica gets no more calls", is_left)
        equal("its exit code", first.process.poll(), None)
