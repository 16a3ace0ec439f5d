"""Streams: to their ends, and away from them."""

import grpc
from google.protobuf.duration_pb2 import Duration
from world import SOON, Scenario, agents, created, equal, failure, holds, read, scenario, stopped
from xpander.agent.v1.agent_service_pb2 import InvokeStreamRequest, StreamEventsRequest
from xpander.agent.v1.event_pb2 import (
    EVENT_TYPE_CHUNK,
    EVENT_TYPE_HEARTBEAT,
    EVENT_TYPE_TASK_FINISHED,
    EVENT_TYPE_TOOL_CALL_REQUEST,
    EVENT_TYPE_UNSPECIFIED,
    TaskEvent,
)
from xpander.agent.v1.invocation_pb2 import InvokeRequest
from xpander.agent.v1.task_pb2 import TASK_STATUS_COMPLETED, TASK_STATUS_EXECUTING

SCENARIOS: dict[str, Scenario] = {}
# What the agent `tools` makes events of.
DATA = {
    "task",
    "chunk",
    "tool_call_request",
    "tool_call_result",
    "reasoning",
    "plan",
    "auth",
    "sub_agent_trigger",
    "other",
}


def follow(stub, task_id: str, seconds: float = SOON, **fields) -> grpc.Call:
    return stub.StreamEvents(StreamEventsRequest(task_id=task_id, **fields), timeout=seconds)


def streamed(stub, agent: str, prompt: str = "") -> str:
    return created(stub, agent, prompt, events_streaming=True).id


@scenario(SCENARIOS, "stream")
def stream() -> None:
    with agents() as stub:
        call = follow(stub, streamed(stub, "tools", "hello there"))
        events = [message.event for message in call]
        equal("the code", call.code(), grpc.StatusCode.OK)
    last = events[-1]
    equal("the last event", last.type, EVENT_TYPE_TASK_FINISHED)
    equal("its task's status", last.task.status, TASK_STATUS_COMPLETED)
    equal("its task's result", last.task.result, "Looked into it: hello there")
    equal("the chunks", "".join(event.chunk for event in events), last.task.result)
    equal("kinds of data that are missing", DATA - {event.WhichOneof("data") for event in events}, set())
    unknown = {event.type_name for event in events if event.type == EVENT_TYPE_UNSPECIFIED}
    equal("types of tomorrow", unknown, {"quantum_leap"})


@scenario(SCENARIOS, "one-call-stream")
def one_call_stream() -> None:
    request = InvokeStreamRequest(invocation=InvokeRequest(agent_id="echo", prompt="hello"))
    with agents() as stub:
        first, *others = stub.InvokeStream(request, timeout=SOON)
    equal("the first message", first.WhichOneof("item"), "task")
    equal("the others", {message.WhichOneof("item") for message in others}, {"event"})
    last = others[-1].event
    equal("the last event", (last.type, last.task.id), (EVENT_TYPE_TASK_FINISHED, first.task.id))


@scenario(SCENARIOS, "deadline")
def deadline() -> None:
    with agents() as stub:
        task_id = streamed(stub, "slow")
        events: list[TaskEvent] = []
        call = follow(stub, task_id, 2)
        failure(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: events.extend(message.event for message in call))
        holds("events came before the deadline", events)
        stopped(stub, task_id)


@scenario(SCENARIOS, "cancel")
def cancel() -> None:
    with agents() as stub:
        task_id = streamed(stub, "slow")
        call = follow(stub, task_id)
        next(message for message in call if message.event.type == EVENT_TYPE_CHUNK)
        call.cancel()
        failure(grpc.StatusCode.CANCELLED, lambda: next(call))
        equal("the status", read(stub, task_id).status, TASK_STATUS_EXECUTING)
        stopped(stub, task_id)


@scenario(SCENARIOS, "struct-in-events")
def numbers_in_events() -> None:
    with agents() as stub:
        call = follow(stub, streamed(stub, "tools"))
        tool_call = next(m.event for m in call if m.event.type == EVENT_TYPE_TOOL_CALL_REQUEST)
        call.cancel()
    payload = tool_call.tool_call_request.payload.struct_value
    equal("an integer that no double holds", payload["row"], "9007199254740993")
    equal("a fraction", payload["ratio"], 0.25)


@scenario(SCENARIOS, "heartbeat")
def heartbeat() -> None:
    with agents() as stub:
        task_id = streamed(stub, "human")
        call = follow(stub, task_id, heartbeat=Duration(nanos=100_000_000))
        beats = (message for message in call if message.event.type == EVENT_TYPE_HEARTBEAT)
        for _ in range(3):
            next(beats)
        stopped(stub, task_id)
        last = [message.event for message in call][-1]
        equal("the last event", last.type, EVENT_TYPE_TASK_FINISHED)
        equal("the code", call.code(), grpc.StatusCode.OK)


@scenario(SCENARIOS, "resume")
def resume() -> None:
    with agents() as stub:
        task_id = streamed(stub, "tools")
        ids: list[str] = []
        left = follow(stub, task_id)
        while len(ids) < 5:
            ids += filter(None, [next(left).event.event_id])
        left.cancel()
        ids += [message.event.event_id for message in follow(stub, task_id, last_event_id=ids[-1])]
    # The handshake of each stream has no id.
    ids = [event_id for event_id in ids if event_id]
    equal("the ids", ids, [str(number) for number in range(1, len(ids) + 1)])
    holds("there were events after the first five", len(ids) > 5)
