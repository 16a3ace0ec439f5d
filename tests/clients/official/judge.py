"""The platform's official Python client, driven against a running sandbox: the sandbox's judge.

One line per scenario; the exit code is 1 when any of them failed. Settings are the client's own environment variables;
`XPANDER_BASE_URL` is the sandbox's address. See README.md beside this file.
"""

import asyncio
import importlib.metadata
import os
import sys
import time

os.environ.setdefault("XPANDER_BASE_URL", "http://127.0.0.1:9016")
os.environ.setdefault("XPANDER_API_KEY", "any-key")
os.environ.setdefault("XPANDER_ORGANIZATION_ID", "org-judge")

# The client warns of every event it does not know; what it makes of them is checked here instead.
from loguru import logger  # noqa: E402

logger.remove()

from xpander_sdk import Backend, Configuration  # noqa: E402
from xpander_sdk.exceptions.module_exception import ModuleException  # noqa: E402
from xpander_sdk.models.events import TaskUpdateEventType  # noqa: E402
from xpander_sdk.models.shared import OutputFormat  # noqa: E402
from xpander_sdk.models.user import User  # noqa: E402
from xpander_sdk.modules.tasks.models.task import AgentExecutionStatus as Status  # noqa: E402
from xpander_sdk.modules.tasks.sub_modules.task import Task  # noqa: E402

# Longer than any scenario takes, much shorter than the client's own timeout of 25 minutes.
PATIENCE_SECONDS = 30


def expect(condition, what):
    """Like assert, but not switched off by -O, and with what was found instead."""
    if not condition:
        raise AssertionError(what)


async def events_of(task):
    """All events of a task, to the end of its stream."""
    return [event async for event in task.aevents()]


def types_of(events):
    return [event.type.value for event in events]


def text_of(events):
    return "".join(event.data for event in events if event.type == TaskUpdateEventType.Chunk)


async def streams_an_invocation(backend):
    prompt = "The quick brown fox — says «hello»"
    task = await backend.ainvoke_agent(agent_id="echo", prompt=prompt, events_streaming=True)
    expect(task.status == Status.Pending, f"created as {task.status}")
    expect(task.input.text == prompt, task.input)
    events = await events_of(task)
    expect(events[0].type == TaskUpdateEventType.Connected, events[0])
    expect(text_of(events) == prompt, text_of(events))
    finished = events[-1]
    expect(finished.type == TaskUpdateEventType.TaskFinished, finished)
    expect(isinstance(finished.data, Task), "task_finished is no whole task")
    expect(finished.data.status == Status.Completed, finished.data.status)
    expect(finished.data.result == prompt, finished.data.result)
    return f"{len(events)} events, {finished.data.duration} s, {finished.data.tokens.total_tokens} tokens"


async def sends_every_parameter(backend):
    schema = {"type": "object", "properties": {"said": {"type": "string"}, "count": {"type": "integer"}}}
    user = User(email="alex@example.com", id="user-1", first_name="Alex", timezone="Europe/Zurich")
    task = await backend.ainvoke_agent(
        agent_id="echo-agent", prompt="hi", file_urls=["https://example.com/a.pdf"], user_details=user,
        agent_version="2", tool_call_payload_extension={"trace": {"id": 7}}, source="judge", worker_id="worker-1",
        output_format=OutputFormat.Json, output_schema=schema, events_streaming=True,
        additional_context="context", expected_output="one line",
    )
    expect(task.agent_id == "echo", f"a name is not resolved: {task.agent_id}")
    expect(task.agent_version == "2", task.agent_version)
    expect(task.input.user == user, task.input.user)
    expect(task.input.files == ["https://example.com/a.pdf"], task.input.files)
    expect(task.payload_extension == {"trace": {"id": 7}}, task.payload_extension)
    expect((task.source, task.output_format) == ("judge", OutputFormat.Json), (task.source, task.output_format))
    result = (await events_of(task))[-1].data.result
    expect(result == '{"count":42,"said":"hi"}', result)
    return f"structured result {result}"


async def understands_every_event(backend):
    task = await backend.ainvoke_agent(agent_id="tools", prompt="revenue", events_streaming=True)
    events = await events_of(task)
    missing = {kind.value for kind in TaskUpdateEventType} - set(types_of(events))
    expect(not missing, f"no events of type {sorted(missing)}")
    expect(any(event.identity for event in events), "no event with an identity")
    await task.areload()
    expect(task.status == Status.Completed, task.status)
    expect(all(step.completed for step in task.deep_planning.tasks), task.deep_planning)
    expect(task.used_tools == ["search", "sql"], task.used_tools)
    return f"{len(set(types_of(events)))} types in {len(events)} events"


async def replays_a_finished_task(backend):
    task = await backend.ainvoke_agent(agent_id="echo", prompt="again and again", events_streaming=True)
    first, second = await events_of(task), await events_of(task)
    expect(types_of(first) == types_of(second), (types_of(first), types_of(second)))
    return f"{len(second)} events, twice"


async def continues_a_task(backend):
    task = await backend.ainvoke_agent(agent_id="echo", prompt="one", events_streaming=True)
    await events_of(task)
    again = await backend.ainvoke_agent(
        agent_id="echo", prompt="two", existing_task_id=task.id, events_streaming=True
    )
    expect(again.id == task.id, f"{again.id} is not {task.id}")
    expect(again.status == Status.Pending, again.status)
    events = await events_of(again)
    expect(text_of(events) == "two", text_of(events))
    expect(types_of(events).count("task_finished") == 1, types_of(events))
    return "same id, second prompt"


async def reads_a_task_named_in_a_prompt(backend):
    task = await backend.ainvoke_agent(agent_id="echo", prompt="hi", events_streaming=True)
    await events_of(task)
    read = await backend.ainvoke_agent(agent_id="echo", prompt='{"xpander_task_id": "%s"}' % task.id)
    expect((read.id, read.status) == (task.id, Status.Completed), (read.id, read.status))
    return "no new task"


async def stops_a_slow_task(backend):
    task = await backend.ainvoke_agent(agent_id="slow", events_streaming=True)
    stream = task.aevents()
    async for event in stream:
        if event.type == TaskUpdateEventType.Chunk:
            break
    await task.astop()
    expect(task.status == Status.Stopped and task.is_manually_stopped, (task.status, task.is_manually_stopped))
    last = [event async for event in stream][-1]
    expect(last.type == TaskUpdateEventType.TaskFinished, last)
    expect(last.data.status == Status.Stopped, last.data.status)
    await task.astop()
    return f"stopped after {task.duration} s; stopping it again changes nothing"


async def waits_for_a_person(backend):
    task = await backend.ainvoke_agent(agent_id="human", prompt="May I?", events_streaming=True)
    stream = task.aevents()
    async for event in stream:
        if event.type == TaskUpdateEventType.TaskUpdated and event.data.status == Status.Paused:
            break
    expect(event.data.hitl_request.wait_node_id, event.data.hitl_request)
    await backend.ainvoke_agent(agent_id="human", prompt="You may.", existing_task_id=task.id)
    last = [event async for event in stream][-1]
    expect(last.data.result == "Continued with: You may.", last.data.result)
    return "paused, continued, completed on one stream"


async def waits_for_a_login(backend):
    task = await backend.ainvoke_agent(agent_id="human", prompt="auth", events_streaming=True)
    async for event in task.aevents():
        if event.type == TaskUpdateEventType.TaskUpdated and event.data.status == Status.Paused:
            break
    expect(event.data.pending_eca_request.auth_url, event.data.pending_eca_request)
    await task.astop()
    return event.data.pending_eca_request.connector_name


async def sees_a_task_fail(backend):
    found = []
    for prompt, status in [("try", Status.Failed), ("error", Status.Error)]:
        task = await backend.ainvoke_agent(agent_id="fail", prompt=prompt, events_streaming=True)
        finished = (await events_of(task))[-1].data
        expect(finished.status == status, finished.status)
        found.append(f"{finished.status.value}: {finished.result}")
    return " / ".join(found)


async def reads_what_an_event_left_out(backend):
    task = await backend.ainvoke_agent(agent_id="big", prompt="200000", events_streaming=True)
    finished = (await events_of(task))[-1]
    expect(isinstance(finished.data, dict), "the trimmed event is a whole task after all")
    expect(finished.data["_result_truncated"] is True, finished.data)
    await task.areload()
    expect(len(task.result) == 200_000, len(task.result))
    return f"{len(finished.data['result'])} bytes in the event, {len(task.result)} in the task"


async def fails(what, status, detail):
    """The call raises this status, and its detail contains this text."""
    try:
        await what
    except ModuleException as error:
        expect(error.status_code == status, f"{error.status_code} {error.description}")
        expect(detail in error.description, error.description)
        return str(status)
    raise AssertionError(f"no error, but {status} was expected")


async def is_told_what_does_not_exist(backend):
    await fails(backend.ainvoke_agent(agent_id="nobody", prompt="x"), 404, "Agent not found")
    await fails(Task.aload(task_id="nothing", configuration=backend.configuration), 404, "Task not found")
    unknown = backend.ainvoke_agent(agent_id="echo", prompt="x", existing_task_id="nothing")
    await fails(unknown, 404, "Task not found")
    version = backend.ainvoke_agent(agent_id="echo", prompt="x", agent_version="99")
    return await fails(version, 404, "Agent version not found")


async def is_refused_without_a_key(backend):
    keyless = Backend(configuration=Configuration(api_key="", base_url=backend.configuration.base_url))
    return await fails(keyless.ainvoke_agent(agent_id="echo", prompt="x"), 401, "Invalid API key")


async def is_told_of_a_conflict(backend):
    task = await backend.ainvoke_agent(agent_id="slow", prompt="20000")
    again = backend.ainvoke_agent(agent_id="slow", prompt="1", existing_task_id=task.id)
    await fails(again, 409, "running")
    await task.astop()
    return "409 while it runs"


async def meets_every_error(backend):
    statuses = [400, 401, 402, 403, 404, 408, 409, 412, 413, 422, 429, 499, 500, 501, 502, 503, 504]
    for status in statuses:
        await fails(backend.ainvoke_agent(agent_id=f"http-{status}", prompt="x"), status, "detail")
        await fails(backend.ainvoke_agent(agent_id=f"lookup-{status}", prompt="x"), status, "detail")
    return " ".join(map(str, statuses))


SCENARIOS = [
    streams_an_invocation, sends_every_parameter, understands_every_event, replays_a_finished_task, continues_a_task,
    reads_a_task_named_in_a_prompt, stops_a_slow_task, waits_for_a_person, waits_for_a_login, sees_a_task_fail,
    reads_what_an_event_left_out, is_told_what_does_not_exist, is_refused_without_a_key, is_told_of_a_conflict,
    meets_every_error,
]


async def judge():
    print(f"xpander-sdk {importlib.metadata.version('xpander-sdk')} against a sandbox")
    failed = 0
    for scenario in SCENARIOS:
        name, began = scenario.__name__.replace("_", " "), time.monotonic()
        try:
            found = await asyncio.wait_for(scenario(Backend(configuration=Configuration())), PATIENCE_SECONDS)
            verdict = "ok    "
        except Exception as error:
            failed, verdict, found = failed + 1, "FAILED", f"{type(error).__name__}: {error}"
        print(f"{verdict} {name} ({time.monotonic() - began:.2f} s): {found}", flush=True)
    print(f"{len(SCENARIOS) - failed} of {len(SCENARIOS)} scenarios passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(judge()))
