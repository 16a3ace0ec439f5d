"""Where the servers are, channels to them, and words for what has to be seen."""

import contextlib
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from xpander.agent.v1.agent_service_pb2 import GetTaskRequest, StopTaskRequest, WaitTaskRequest
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from xpander.agent.v1.invocation_pb2 import InvokeRequest
from xpander.agent.v1.task_pb2 import Task

SERVICE = "xpander.agent.v1.AgentService"
# Seconds that a call may take, unless its scenario says otherwise.
# A debug build on a busy machine takes its time.
SOON = 30.0

Scenario = Callable[[], None]


def address(server: str) -> str:
    return os.environ[f"CLIENTS_{server.upper()}"]


def content(variable: str) -> bytes:
    return Path(os.environ[variable]).read_bytes()


def scenario(scenarios: dict[str, Scenario], name: str) -> Callable[[Scenario], Scenario]:
    def register(function: Scenario) -> Scenario:
        scenarios[name] = function
        return function

    return register


@contextlib.contextmanager
def agents(server: str = "plain", *options: tuple[str, Any]) -> Iterator[AgentServiceStub]:
    """A stub for one of the servers, by name."""
    with grpc.insecure_channel(address(server), options=options) as channel:
        yield AgentServiceStub(channel)


def created(stub: AgentServiceStub, agent: str, prompt: str = "", **fields: Any) -> Task:
    return stub.Invoke(InvokeRequest(agent_id=agent, prompt=prompt, **fields), timeout=SOON).task


def read(stub: AgentServiceStub, task_id: str) -> Task:
    return stub.GetTask(GetTaskRequest(task_id=task_id), timeout=SOON).task


def waited(stub: AgentServiceStub, task_id: str, seconds: float = SOON) -> Task:
    return stub.WaitTask(WaitTaskRequest(task_id=task_id), timeout=seconds).task


def stopped(stub: AgentServiceStub, task_id: str) -> Task:
    return stub.StopTask(StopTaskRequest(task_id=task_id), timeout=SOON).task


def equal(what: str, seen: object, expected: object) -> None:
    if seen != expected:
        raise AssertionError(f"{what} is {seen!r}, not {expected!r}")


def holds(what: str, holds_true: object) -> None:
    if not holds_true:
        raise AssertionError(f"it does not hold that {what}")


class Failure:
    """A failed call, read as grpcio's users do: by code(), details() and rpc_status."""

    def __init__(self, error: grpc.RpcError) -> None:
        self.code: grpc.StatusCode = error.code()
        self.message: str = error.details() or ""
        self.info = error_details_pb2.ErrorInfo()
        self.retry = error_details_pb2.RetryInfo()
        self.request = error_details_pb2.BadRequest()
        self.quota = error_details_pb2.QuotaFailure()
        status = rpc_status.from_call(error) or status_pb2.Status()
        for detail in status.details:
            for known in (self.info, self.retry, self.request, self.quota):
                detail.Unpack(known)

    @property
    def fields(self) -> list[str]:
        return [violation.field for violation in self.request.field_violations]

    @property
    def limits(self) -> list[str]:
        return [violation.description for violation in self.quota.violations]


def failure(code: grpc.StatusCode, call: Callable[[], object]) -> Failure:
    """The failure of a call that has to fail with this code."""
    try:
        answer = call()
    except grpc.RpcError as error:
        equal(f"the code ({error.details()})", error.code(), code)
        return Failure(error)
    raise AssertionError(f"the call was answered, with {str(answer)[:200]}")


def calls(admin: str, method: str) -> int:
    """How many calls of this method a server has answered, whatever it answered, by its admin port."""
    page = urllib.request.urlopen(f"http://{admin}/metrics", timeout=SOON).read().decode()
    lines = [line for line in page.splitlines() if line.startswith("rpc_server_call_duration_seconds_count")]
    return sum(int(float(line.split()[-1])) for line in lines if f'rpc_method="{SERVICE}/{method}"' in line)


def until(what: str, is_so: Callable[[], object], seconds: float = SOON) -> None:
    """Asks again and again until it is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"within {seconds:g} s it did not come to hold that {what}")
        time.sleep(0.02)
