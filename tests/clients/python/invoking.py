"""Invoking, reading, waiting and stopping."""

import json

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct
from world import SOON, Scenario, agents, created, equal, failure, holds, read, scenario, stopped, waited
from xpander.agent.v1.agent_service_pb2 import WaitTaskRequest
from xpander.agent.v1.invocation_pb2 import (
    ATTACHMENT_KIND_PDF,
    LLM_REASONING_EFFORT_HIGH,
    OUTPUT_FORMAT_JSON,
    OUTPUT_FORMAT_MARKDOWN,
    PRINCIPAL_KIND_SLACK,
    THINK_MODE_HARDER,
    Attachment,
    McpServer,
    Principal,
    User,
)
from xpander.agent.v1.task_pb2 import (
    TASK_STATUS_COMPLETED,
    TASK_STATUS_EXECUTING,
    TASK_STATUS_PAUSED,
    TASK_STATUS_PENDING,
    TASK_STATUS_STOPPED,
    Task,
)

SCENARIOS: dict[str, Scenario] = {}
MIB = 1024 * 1024


def struct(value: dict) -> Struct:
    return ParseDict(value, Struct())


# Parameters that a task has under the same name.
SAME = {
    "source": "tests",
    "output_format": OUTPUT_FORMAT_MARKDOWN,
    "output_schema": struct({"type": "string"}),
    "events_streaming": True,
    "additional_context": "context",
    "expected_output": "output",
    "instructions_override": "instructions",
    "title": "title",
    "think_mode": THINK_MODE_HARDER,
    "tool_call_limit": 7,
    "disable_attachment_injection": True,
    "llm_model_provider": "openai",
    "llm_model_name": "model",
    "llm_reasoning_effort": LLM_REASONING_EFFORT_HIGH,
    "triggering_agent_id": "other",
    "return_metrics": True,
    "harness_cli": "codex",
    "permission_mode": "plan",
    "test_run_node_id": "node",
}
# Those that it has elsewhere, or not at all.
OTHERS = {
    "agent_version": "2",
    "file_urls": ["https://example.com/a"],
    "user_details": User(email="ann@example.com"),
    "tool_call_payload_extension": struct({"tenant": 1}),
    "worker_id": "worker",
    "run_locally": True,
    "attachments": [Attachment(url="https://example.com/b")],
    "request_id": "python-invoke",
    "principal": Principal(kind=PRINCIPAL_KIND_SLACK, id="U1", display_name="Ann"),
    "mcp_servers": [McpServer(name="tools", url="https://example.com/mcp", allowed_tools=["search"])],
    "user_oidc_token": "secret-of-the-user",
    "user_tokens": struct({"drive": "secret-of-the-drive"}),
}


@scenario(SCENARIOS, "invoke")
def every_parameter() -> None:
    with agents() as stub:
        task = created(stub, "echo", "hello", **SAME, **OTHERS)
        for seen in (task, read(stub, task.id)):
            has_every_parameter(seen)


def has_every_parameter(task: Task) -> None:
    for name, value in SAME.items():
        equal(name, getattr(task, name), value)
    equal("agent_id", task.agent_id, "echo")
    equal("the prompt", task.input.text, "hello")
    equal("agent_version", task.agent_version, "2")
    equal("the files", task.input.files, OTHERS["file_urls"])
    equal("the user", task.input.user, OTHERS["user_details"])
    equal("the attachments", list(task.input.attachments), OTHERS["attachments"])
    equal("the principal", task.input.principal, OTHERS["principal"])
    equal("payload_extension", task.payload_extension, OTHERS["tool_call_payload_extension"])
    equal("worker_id", task.other["worker_id"], "worker")
    server = task.mcp_servers[0]
    equal("the MCP server", (server.name, server.url, server.type), ("tools", "https://example.com/mcp", "remote"))
    equal("its tools", server.allowed_tools, ["search"])
    holds("the user's secrets are not sent back", b"secret-of-the" not in task.SerializeToString())


@scenario(SCENARIOS, "structured-output")
def structured_output() -> None:
    kinds = {"name": "string", "count": "integer", "share": "number", "is_new": "boolean"}
    properties = {name: {"type": kind} for name, kind in kinds.items()}
    properties["tags"] = {"type": "array", "items": {"type": "string"}}
    schema = struct({"type": "object", "properties": properties})
    with agents() as stub:
        task = created(stub, "echo", "hello", output_format=OUTPUT_FORMAT_JSON, output_schema=schema)
        result = json.loads(waited(stub, task.id).result)
    types = {name: type(value) for name, value in result.items()}
    equal("the types", types, {"name": str, "count": int, "share": float, "is_new": bool, "tags": list})


@scenario(SCENARIOS, "files")
def files() -> None:
    urls = ["https://example.com/report.pdf", "https://example.com/data.csv"]
    attachment = Attachment(
        url="https://example.com/scan.pdf",
        name="scan.pdf",
        mime="application/pdf",
        size=5_000_000_000,
        kind=ATTACHMENT_KIND_PDF,
        sha256="ab" * 32,
        expires_at="2030-01-01T00:00:00Z",
        source="upload",
        transcript="What the scan says",
    )
    with agents() as stub:
        task = created(stub, "echo", "hello", file_urls=urls, attachments=[attachment])
    equal("the files", task.input.files, urls)
    equal("the attachments", list(task.input.attachments), [attachment])


@scenario(SCENARIOS, "user-details")
def user_details() -> None:
    user = User(
        id="u-1",
        first_name="Ann",
        last_name="Example",
        email="ann@example.com",
        additional_attributes=struct({"roles": ["admin", "author"], "level": 3}),
        timezone="America/New_York",
    )
    with agents() as stub:
        equal("the user", created(stub, "echo", "hello", user_details=user).input.user, user)


@scenario(SCENARIOS, "version-pin")
def version_pin() -> None:
    with agents() as stub:
        equal("the pinned version", created(stub, "echo", agent_version="2").agent_version, "2")
        equal("the version without a pin", created(stub, "echo").agent_version, "3")
        failure(grpc.StatusCode.NOT_FOUND, lambda: created(stub, "echo", agent_version="9"))


@scenario(SCENARIOS, "continue")
def continue_a_task() -> None:
    with agents() as stub:
        paused = waited(stub, created(stub, "human", "look").id)
        equal("the status", paused.status, TASK_STATUS_PAUSED)
        holds("the task waits for a person", paused.HasField("hitl_request"))
        equal("the id", created(stub, "human", "go on", existing_task_id=paused.id).id, paused.id)
        equal("the result", waited(stub, paused.id).result, "Continued with: go on")


@scenario(SCENARIOS, "wait")
def wait() -> None:
    with agents() as stub:
        slow = created(stub, "slow").id
        request = WaitTaskRequest(task_id=slow, timeout=Duration(nanos=300_000_000))
        latest = stub.WaitTask(request, timeout=SOON).task
        holds("the task goes on", latest.status in (TASK_STATUS_PENDING, TASK_STATUS_EXECUTING))
        stopped(stub, slow)
        done = waited(stub, created(stub, "echo", "hello").id)
        equal("the status", done.status, TASK_STATUS_COMPLETED)
        equal("the result", done.result, "hello")


@scenario(SCENARIOS, "stop")
def stop() -> None:
    with agents() as stub:
        slow = created(stub, "slow").id
        equal("what StopTask says", stopped(stub, slow).status, TASK_STATUS_STOPPED)
        equal("what GetTask says", read(stub, slow).status, TASK_STATUS_STOPPED)


@scenario(SCENARIOS, "struct")
def free_json() -> None:
    numbers = [0, -1, 0.5, 1e30, 9007199254740991]
    payload = {"a": {"b": {"c": {"d": numbers}}}, "mixed": ["x", None, True, {}, []], "none": None}
    with agents() as stub:
        task = created(stub, "tools", "hello", tool_call_payload_extension=struct(payload), events_streaming=True)
        for seen in (task, read(stub, task.id)):
            equal("the payload", MessageToDict(seen.payload_extension), payload)


@scenario(SCENARIOS, "large-result")
def large_result() -> None:
    with agents() as stub:
        task_id = created(stub, "big", str(6 * MIB)).id
        failure(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: waited(stub, task_id, 120))
    with agents("plain", ("grpc.max_receive_message_length", 64 * MIB)) as stub:
        equal("the result's length", len(waited(stub, task_id, 120).result), 6 * MIB)
