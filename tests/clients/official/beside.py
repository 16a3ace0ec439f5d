"""Holds proto/, and what docs/official-client.md says of the official client, to that client's source.

    beside.py PACKAGE IMAGE    the unpacked package, and what `buf build` makes of proto/
"""

import ast
import sys
from collections.abc import Callable
from pathlib import Path

from api import Api, table
from source import Source, Type

BACKEND = ("modules/backend/backend_module.py", "Backend.ainvoke_agent")
AGENT = ("modules/agents/sub_modules/agent.py", "Agent.acreate_task")
TASK = "modules/tasks/sub_modules/task.py"
MODELS = "modules/tasks/models/task.py"
PAGE = Path("docs/official-client.md")

# The official client's models, where they are, and our messages for them.
MESSAGES = [
    ("Task", TASK, "Task"),
    ("AgentExecutionInput", MODELS, "TaskInput"),
    ("AttachmentRef", MODELS, "Attachment"),
    ("HumanInTheLoopRequest", MODELS, "HitlRequest"),
    ("PendingECARequest", MODELS, "PendingEcaRequest"),
    ("User", "models/user.py", "User"),
    ("Principal", "models/principal.py", "Principal"),
    ("DeepPlanning", "models/deep_planning.py", "DeepPlanning"),
    ("DeepPlanningItem", "models/deep_planning.py", "PlanTask"),
    ("Tokens", "models/shared.py", "Tokens"),
    ("MCPServerDetails", "modules/tools_repository/models/mcp.py", "McpServer"),
    ("MessageIdentity", TASK, "EventIdentity"),
    ("ToolCallRequest", "models/events.py", "ToolCallRequest"),
    ("ToolCallResult", "models/events.py", "ToolCallResult"),
    ("ToolCallRequestReasoning", "models/events.py", "ToolCallReasoning"),
]
ENUMS = [
    ("AgentExecutionStatus", MODELS, "TaskStatus"),
    ("AttachmentKind", MODELS, "AttachmentKind"),
    ("PrincipalKind", "models/principal.py", "PrincipalKind"),
    ("OutputFormat", "models/shared.py", "OutputFormat"),
    ("ThinkMode", "models/shared.py", "ThinkMode"),
    ("LLMReasoningEffort", "modules/agents/models/agent.py", "LlmReasoningEffort"),
]
# Enums of the platform's that are text here.
WORDS = {"ConversationKind", "MCPServerType", "MCPServerTransport", "MCPServerAuthType", "MCPServerSSOTokenMode"}


def equal(what: str, seen: object, expected: object) -> None:
    if isinstance(seen, set) and seen != expected:
        raise AssertionError(f"{what}: {sorted(seen - expected)} too many, {sorted(expected - seen)} missing")
    if seen != expected:
        raise AssertionError(f"{what}: {seen!r}, not {expected!r}")


def ours(official: Type) -> Type:
    """The type that we have for one of the official client's."""
    names = {theirs: mine for theirs, _, mine in MESSAGES + ENUMS} | dict.fromkeys(WORDS, "text")
    return Type(names.get(official.kind, official.kind), official.repeated)


class Beside:
    def __init__(self, source: Source, api: Api) -> None:
        self.source, self.api = source, api
        self.invoking = source.parameters(*BACKEND)
        self.creating = source.parameters(*AGENT)
        self.types = source.values("models/events.py", "TaskUpdateEventType")

    def parameters(self) -> None:
        """Each parameter is a field of InvokeRequest, of its type; None becomes unset, and the field says so."""
        fields, optional = self.api.fields("InvokeRequest"), self.api.optional("InvokeRequest")
        equal("parameters that InvokeRequest lacks", set(self.invoking | self.creating) - set(fields), set())
        equal("fields that only InvokeRequest has", set(fields) - set(self.creating) - {"agent_id"}, {"request_id"})
        equal("its first fields", list(fields)[:16], list(self.invoking))
        for name, (kind, default) in (self.creating | self.invoking).items():
            equal(f"the type of {name}", fields[name], ours(kind))
            if kind in (Type("text"), Type("integer")) and name != "agent_id":
                equal(f"whether {name} can be unset", name in optional, default is None)
        equal("the default source", self.invoking["source"][1], "sdk")

    def events(self) -> None:
        """Each event type is a value of EventType, and the proxy adds two."""
        equal("event types", set(self.api.words("EventType")), {*self.types, "stream_gap", "heartbeat"})

    def task(self) -> None:
        """Each attribute of Task, and of the models in it and in events, is a field of its type, but for the secrets."""
        equal("the task's secrets", self.api.reserved("Task"), {"user_oidc_token", "user_tokens"})
        for theirs, path, message in MESSAGES:
            attributes = self.source.attributes(path, theirs)
            attributes.pop("configuration", None)
            expected = {name: ours(kind) for name, kind in attributes.items() if name not in self.api.reserved(message)}
            fields = self.api.fields(message)
            fields.pop("other", None)
            equal(f"the fields of {message}", set(fields), set(expected))
            for name, kind in expected.items():
                equal(f"the type of {message}.{name}", fields[name], kind)
        for theirs, path, enum in ENUMS:
            equal(enum, set(self.api.words(enum)), set(self.source.values(path, theirs)))

    def table(self) -> None:
        """The page's tables name all of them, say `–` exactly where the official client has none, and its version."""
        rows = table(PAGE, "parameter")
        equal("parameters on the page", set(rows), set(self.api.fields("InvokeRequest")))
        equal("parameters that it says are only ours", only_ours(rows), {"request_id"})
        later = {name for name, cells in rows.items() if "`acreate_task`" in cells[0]}
        equal("parameters that it says are only acreate_task's", later, set(self.creating) - set(self.invoking))
        rows = table(PAGE, "event")
        equal("events on the page", set(rows), set(self.api.words("EventType")))
        equal("events that it says are only ours", only_ours(rows), {"stream_gap", "heartbeat"})
        version = self.source.package.parent.name
        if f"this is its version {version}." not in PAGE.read_text():
            raise AssertionError(f"the page does not name the version {version}")

    def streams(self) -> None:
        """What the page says of deadlines, of streams that break, and of events that the official client drops."""
        following = self.source.definition(TASK, "Task.aevents")
        headers = self.source.definition("modules/events/utils/generic.py", "get_events_headers")
        asking = self.source.definition("core/xpander_api_client.py", "APIClient.make_request")
        equal("the timeout of a stream", keywords(following, "AsyncClient", "timeout"), [None])
        equal("the timeout of a request", keywords(asking, "request", "timeout"), [25 * 60])
        equal("a stream's headers", [key.value for key in headers.body[-1].value.keys], ["x-api-key"])
        repeats = [node for node in ast.walk(following) if isinstance(node, (ast.While, ast.For))]
        equal("loops that could connect again", repeats, [])
        event = self.source.definition(TASK, "TaskUpdateEvent").body
        required = {node.target.id for node in event if isinstance(node, ast.AnnAssign) and node.value is None}
        equal("what an event must have", required, {"type", "task_id", "organization_id", "time", "data"})


def only_ours(rows: dict[str, list[str]]) -> set[str]:
    return {name for name, cells in rows.items() if cells[0] == "–"}


def keywords(function: ast.AST, called: str, name: str) -> list[object]:
    """What the calls of this name in a function say for a keyword."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == called]
    return [keyword.value.value for call in calls for keyword in call.keywords if keyword.arg == name]


def judged(check: Callable[[], None]) -> bool:
    try:
        check()
    except Exception as error:
        print(f"FAILED official-{check.__name__}: {type(error).__name__}: {error}".replace("\n", " "))
        return False
    print(f"ok official-{check.__name__}")
    return True


if __name__ == "__main__":
    beside = Beside(Source(Path(sys.argv[1])), Api(Path(sys.argv[2])))
    checks = [beside.parameters, beside.events, beside.task, beside.table, beside.streams]
    sys.exit(not all([judged(check) for check in checks]))
