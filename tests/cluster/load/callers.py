"""Callers of the proxy that account for every call and every event, as a pod of the cluster: readers, creators and
followers go on until SIGTERM, and say once a second how far they are. The account is the last line; the platform's own
lists of tasks are the truth about creates."""

import argparse
import collections
import json
import signal
import threading
import time
import urllib.request
import uuid
from pathlib import Path

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from xpander.agent.v1.agent_service_pb2 import GetTaskRequest, StreamEventsRequest
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from xpander.agent.v1.event_pb2 import EVENT_TYPE_TASK_FINISHED
from xpander.agent.v1.invocation_pb2 import InvokeRequest

# Longer than it takes to notice a dead connection by the pings below: no call is to end by its deadline.
DEADLINE = 120.0
# How long a stream is taken up again, and a create with a request id is asked for again, without coming on.
PATIENCE = 300.0
# As docs/callers.md advises.
PINGS = [
    ("grpc.keepalive_time_ms", 15000),
    ("grpc.keepalive_timeout_ms", 10000),
    ("grpc.http2.ping_timeout_ms", 10000),
    ("grpc.http2.max_pings_without_data", 0),
]
SERVICE_CONFIG = Path(__file__).with_name("agent_grpc_service_config.json")


class Failure:
    """A failed call, by what a caller is told."""

    def __init__(self, error: grpc.RpcError) -> None:
        self.code, self.message = error.code(), error.details() or ""
        self.info, self.retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            detail.Unpack(self.info)
            detail.Unpack(self.retry)
        self.outcome = self.info.metadata.get("outcome", "untold")

    def __str__(self) -> str:
        return " ".join(filter(None, [self.code.name, self.info.reason]))


class Account:
    """What was called and what became of it. Times are seconds since the begin."""

    def __init__(self) -> None:
        self.lock, self.begin = threading.Lock(), time.monotonic()
        self.counts: collections.Counter[str] = collections.Counter()
        self.failed: collections.Counter[str] = collections.Counter()
        self.slowest: collections.defaultdict[str, float] = collections.defaultdict(float)
        self.steps: list[int] = []
        self.messages: list[str] = []
        # By title: the task's id, or the outcome that its caller was told.
        self.told: dict[str, str] = {}
        self.refused: dict[str, str] = {}

    def step(self, caller: int) -> None:
        self.steps[caller] += 1

    def called(self, kind: str, seconds: float) -> None:
        with self.lock:
            self.counts[kind] += 1
            self.slowest[kind] = max(self.slowest[kind], seconds)

    def failure(self, kind: str, failed: Failure) -> None:
        with self.lock:
            self.failed[f"{kind} {failed}"] += 1
            if len(self.messages) < 10:
                at = time.monotonic() - self.begin
                self.messages.append(f"{at:.1f} s: {kind} {failed}: {failed.message[:200]}")

    def streamed(self, ids: list[int], finished: bool) -> None:
        with self.lock:
            self.counts["streams"] += 1
            self.counts["events"] += len(ids)
            self.counts["doubled events"] += len(ids) - len(set(ids))
            self.counts["lost events"] += max(ids, default=0) - len(set(ids))
            self.counts["unfinished streams"] += not finished

    def closed(self, titles: list[str]) -> dict:
        """The account, with what the platform says that there is: one title for each task."""
        there = collections.Counter(titles)
        ours = self.told.keys() | self.refused.keys()
        outcomes = collections.Counter(
            f"{outcome}: {'a task' if there[title] else 'none'}" for title, outcome in self.refused.items()
        )
        return {
            **self.counts,
            "seconds": round(time.monotonic() - self.begin),
            "failed": dict(self.failed),
            "doubled tasks": sum(there[title] - 1 for title in ours if there[title] > 1),
            "lost tasks": sum(not there[title] for title in self.told),
            "failed creates": dict(outcomes),
            "slowest": {kind: round(seconds, 1) for kind, seconds in self.slowest.items()},
            "messages": self.messages,
        }


def channel(target: str, authority: str, options: list[tuple[str, object]]) -> grpc.Channel:
    """Over TLS where there is an authority, in PEM, to believe."""
    if authority:
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(authority.encode()), options)
    return grpc.insecure_channel(target, options)


class Callers:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.account, self.end = options, Account(), threading.Event()

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """The token, as it stands in its file by now."""
        file = self.options.token_file
        return [("authorization", f"Bearer {file.read_text().strip()}")] if file else []

    def stub(self) -> AgentServiceStub:
        """On a connection of its own."""
        options = [*PINGS, ("grpc.use_local_subchannel_pool", 1)]
        if self.options.service_config:
            options.append(("grpc.service_config", SERVICE_CONFIG.read_text()))
        return AgentServiceStub(channel(self.options.target, self.options.authority, options))

    def create(self, stub: AgentServiceStub, agent: str, **fields: object) -> str | None:
        """A task, its id; with a request id as docs/callers.md says, until it is there or nobody knows."""
        title = str(uuid.uuid4())
        request = InvokeRequest(agent_id=agent, title=title, **fields)
        if self.options.request_ids:
            request.request_id = title
        until = time.monotonic() + PATIENCE
        while True:
            begun = time.monotonic()
            try:
                task = stub.Invoke(request, timeout=DEADLINE, metadata=self.metadata).task
                self.account.called("creates", time.monotonic() - begun)
                self.account.told[title] = task.id
                return task.id
            except grpc.RpcError as error:
                failed = Failure(error)
                self.account.failure("creates", failed)
            again = self.options.request_ids and failed.outcome != "unknown" and time.monotonic() < until
            if not again:
                self.account.refused[title] = failed.outcome
                self.end.wait(0.2)
                return None
            time.sleep(failed.retry.retry_delay.ToTimedelta().total_seconds() or 0.2)

    def reader(self, caller: int, task_id: str) -> None:
        stub = self.stub()
        while not self.end.wait(self.options.pause):
            begun = time.monotonic()
            try:
                stub.GetTask(GetTaskRequest(task_id=task_id), timeout=DEADLINE, metadata=self.metadata)
                self.account.called("reads", time.monotonic() - begun)
                self.account.step(caller)
            except grpc.RpcError as error:
                self.account.failure("reads", Failure(error))

    def creator(self, caller: int, _: str) -> None:
        stub = self.stub()
        while not self.end.wait(2 * self.options.pause):
            if self.create(stub, "echo", prompt="hello"):
                self.account.step(caller)

    def follower(self, caller: int, _: str) -> None:
        stub = self.stub()
        while not self.end.is_set():
            if task_id := self.create(stub, "slow", prompt=self.options.talk, events_streaming=True):
                self.follow(stub, caller, task_id)

    def follow(self, stub: AgentServiceStub, caller: int, task_id: str) -> None:
        """To its end, however often it breaks."""
        ids, finished, until = [], False, time.monotonic() + PATIENCE
        while not finished and time.monotonic() < until:
            request = StreamEventsRequest(task_id=task_id, last_event_id=str(ids[-1]) if ids else "")
            try:
                for message in stub.StreamEvents(request, metadata=self.metadata):
                    self.account.step(caller)
                    until = time.monotonic() + PATIENCE
                    if message.event.event_id:
                        ids.append(int(message.event.event_id))
                    finished = finished or message.event.type == EVENT_TYPE_TASK_FINISHED
            except grpc.RpcError as error:
                self.account.failure("streams", Failure(error))
                self.account.counts["resumed"] += 1
                time.sleep(0.2)
        self.account.streamed(ids, finished)

    def run(self) -> dict:
        signal.signal(signal.SIGTERM, lambda *_: self.end.set())
        first = self.stub().Invoke(
            InvokeRequest(agent_id="echo", prompt="hello"),
            timeout=DEADLINE,
            wait_for_ready=True,
            metadata=self.metadata,
        )
        work = [self.reader] * self.options.readers + [self.creator] * self.options.creators
        work += [self.follower] * self.options.followers
        self.account.steps = [0] * len(work)
        threads = [threading.Thread(target=each, args=(n, first.task.id)) for n, each in enumerate(work)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(1)
            print(json.dumps({"steps": self.account.steps, "failed": self.account.failed.total()}), flush=True)
        return self.account.closed([*self.titles("echo"), *self.titles("slow")])

    def titles(self, agent: str) -> list[str]:
        url = f"{self.options.platform}/agent-execution/executions/history/{agent}"
        request = urllib.request.Request(url, headers={"x-api-key": "any"})
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return [row.get("title") or "" for row in json.load(answer)]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--platform", default="http://platform:9016/org-sandbox")
    parser.add_argument("--readers", type=int, default=3)
    parser.add_argument("--creators", type=int, default=2)
    parser.add_argument("--followers", type=int, default=3)
    parser.add_argument(
        "--pause", type=float, default=0.1, help="seconds between reads, and half of those between creates"
    )
    parser.add_argument("--talk", default="15000", help="milliseconds that a followed task takes")
    parser.add_argument("--service-config", action="store_true", help="the one that is shipped")
    parser.add_argument("--request-ids", action="store_true", help="one for each create, which is asked for again")
    parser.add_argument("--token-file", type=Path, help="read again for each call")
    parser.add_argument("--authority", default="", help="whose certificates to believe, in PEM")
    return parser.parse_args()


if __name__ == "__main__":
    print(json.dumps({"account": Callers(options()).run()}), flush=True)
