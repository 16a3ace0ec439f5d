"""Finding things again: a create whose outcome is unknown, and what a gap has hidden."""

import uuid
from datetime import UTC, datetime, timedelta

from grpc import StatusCode
from world import SOON, Scenario, agents, created, equal, failure, holds, scenario, waited
from xpander.agent.v1.activity_pb2 import ACTIVITY_ROLE_AGENT, ActivityEntry
from xpander.agent.v1.agent_service_pb2 import (
    GetTaskActivityRequest,
    ListAgentsRequest,
    ListTasksRequest,
    StreamEventsRequest,
)
from xpander.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from xpander.agent.v1.listing_pb2 import TaskSummary

SCENARIOS: dict[str, Scenario] = {}


def find(stub: AgentServiceStub, agent: str, title: str, since: datetime) -> TaskSummary | None:
    """The task that was asked for since then, if it was created: none is skipped, however many there are."""
    request = ListTasksRequest(agent_id=agent, page_size=1000)
    while True:
        page = stub.ListTasks(request, timeout=SOON)
        for task in page.tasks:
            if task.created_at.ToDatetime(UTC) < since:
                return None
            if task.title == title:
                return task
        if not page.next_page_token:
            return None
        request.page_token = page.next_page_token


def happened(stub: AgentServiceStub, task_id: str) -> list[ActivityEntry]:
    """What has happened in a task so far, gaps or not."""
    log = stub.GetTaskActivity(GetTaskActivityRequest(task_id=task_id), timeout=SOON)
    return [message.entry for message in log if message.WhichOneof("item") == "entry"]


@scenario(SCENARIOS, "lists")
def lists() -> None:
    with agents() as stub:
        ids = {created(stub, "burst", "1").id for _ in range(3)}
        names = {agent.id for agent in stub.ListAgents(ListAgentsRequest(), timeout=SOON).agents}
        request, seen = ListTasksRequest(agent_id="burst", page_size=1), []
        while True:
            page = stub.ListTasks(request, timeout=SOON)
            seen += [task.id for task in page.tasks]
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
        request.agent_id = "echo"
        wrong = failure(StatusCode.INVALID_ARGUMENT, lambda: stub.ListTasks(request, timeout=SOON))
    holds("the agents are listed", {"echo", "chat"} <= names)
    holds("each task is listed once", ids <= set(seen) and len(seen) == len(set(seen)))
    equal("the fields", wrong.fields, ["page_token"])


@scenario(SCENARIOS, "find-again")
def find_again() -> None:
    title, since = str(uuid.uuid4()), datetime.now(UTC) - timedelta(minutes=1)
    with agents() as stub:
        unknown = failure(StatusCode.DEADLINE_EXCEEDED, lambda: created(stub, "http-504", title=title))
        equal("the reason", unknown.info.reason, "CREATE_OUTCOME_UNKNOWN")
        # It is not there: it is safe to create again, under a new request_id.
        equal("a task that was not created", find(stub, "http-504", title, since), None)
        task = created(stub, "echo", title=title, request_id=str(uuid.uuid4()))
        found = find(stub, "echo", title, since)
    equal("the task that was found", found and found.id, task.id)


@scenario(SCENARIOS, "read-gap")
def read_gap() -> None:
    with agents() as stub:
        task_id = created(stub, "tools", "hello", events_streaming=True).id
        stream = stub.StreamEvents(StreamEventsRequest(task_id=task_id), timeout=SOON)
        next(stream)
        holds("there is a log already", happened(stub, task_id))
        *_, last = stream
        entries = happened(stub, task_id)
    tools = [entry.tool_call.tool_name for entry in entries if entry.WhichOneof("entry") == "tool_call"]
    equal("the tools that were called", tools, ["search", "sql"])
    equal("who spoke last", entries[-1].message.role, ACTIVITY_ROLE_AGENT)
    equal("what it said", entries[-1].message.text, last.event.task.result)


@scenario(SCENARIOS, "conversation")
def conversation() -> None:
    with agents() as stub:
        head = waited(stub, created(stub, "chat", "one").id)
        turn = waited(stub, created(stub, "chat", "two", existing_task_id=head.conversation_id or head.id).id)
    holds("the turn has an id of its own", turn.id != head.id)
    equal("its conversation", turn.conversation_id, head.id)
    equal("its result", turn.result, "two")
