/** Invoking, reading, waiting and stopping. */

import { status } from "@grpc/grpc-js";

import { fails } from "./failure.ts";
import { WaitTaskRequest } from "./gen/xpander/agent/v1/agent_service.ts";
import { type Attachment, AttachmentKind, OutputFormat, type User } from "./gen/xpander/agent/v1/invocation.ts";
import { TaskStatus } from "./gen/xpander/agent/v1/task.ts";
import { agents, ask, created, equal, holds, read, type Scenarios, stopped, waited } from "./world.ts";

export const invoking: Scenarios = {
  "structured-output": structuredOutput,
  files,
  "user-details": userDetails,
  "version-pin": versionPin,
  continue: continueTask,
  wait,
  stop,
  struct: freeJson,
  "large-result": largeResult,
};

const MIB = 1024 * 1024;

async function structuredOutput(): Promise<void> {
  const properties = {
    name: { type: "string" },
    count: { type: "integer" },
    share: { type: "number" },
    is_new: { type: "boolean" },
    tags: { type: "array", items: { type: "string" } },
  };
  const client = agents();
  const { id } = await created(client, {
    agentId: "echo",
    prompt: "hello",
    outputFormat: OutputFormat.OUTPUT_FORMAT_JSON,
    outputSchema: { type: "object", properties },
  });
  const result = JSON.parse((await waited(client, id)).result!);
  equal("the keys", Object.keys(result).sort(), Object.keys(properties).sort());
  holds("name is a text", typeof result.name === "string");
  holds("count is an integer", Number.isInteger(result.count));
  holds("share is a number", typeof result.share === "number");
  holds("is_new is a boolean", typeof result.is_new === "boolean");
  holds("tags is a list", Array.isArray(result.tags));
}

async function files(): Promise<void> {
  const fileUrls = ["https://example.com/report.pdf", "https://example.com/data.csv"];
  const attachment: Attachment = {
    url: "https://example.com/scan.pdf",
    name: "scan.pdf",
    mime: "application/pdf",
    size: 5_000_000_000,
    kind: AttachmentKind.ATTACHMENT_KIND_PDF,
    sha256: "ab".repeat(32),
    expiresAt: "2030-01-01T00:00:00Z",
    source: "upload",
    transcript: "What the scan says",
  };
  const task = await created(agents(), { agentId: "echo", prompt: "hello", fileUrls, attachments: [attachment] });
  equal("the files", task.input?.files, fileUrls);
  equal("the attachments", task.input?.attachments, [attachment]);
}

async function userDetails(): Promise<void> {
  const user: User = {
    id: "u-1",
    firstName: "Ann",
    lastName: "Example",
    email: "ann@example.com",
    additionalAttributes: { roles: ["admin", "author"], level: 3 },
    timezone: "America/New_York",
  };
  const task = await created(agents(), { agentId: "echo", prompt: "hello", userDetails: user });
  equal("the user", task.input?.user, user);
}

async function versionPin(): Promise<void> {
  const client = agents();
  const pinned = await created(client, { agentId: "echo", agentVersion: "2" });
  equal("the pinned version", pinned.agentVersion, "2");
  equal("the version without a pin", (await created(client, { agentId: "echo" })).agentVersion, "3");
  await fails(status.NOT_FOUND, created(client, { agentId: "echo", agentVersion: "9" }));
}

async function continueTask(): Promise<void> {
  const client = agents();
  const { id } = await created(client, { agentId: "human", prompt: "look" });
  const paused = await waited(client, id);
  equal("the status", paused.status, TaskStatus.TASK_STATUS_PAUSED);
  holds("the task waits for a person", paused.hitlRequest);
  const continued = await created(client, { agentId: "human", prompt: "go on", existingTaskId: id });
  equal("the id", continued.id, id);
  equal("the result", (await waited(client, id)).result, "Continued with: go on");
}

async function wait(): Promise<void> {
  const client = agents();
  const slow = await created(client, { agentId: "slow" });
  const request = WaitTaskRequest.create({ taskId: slow.id, timeout: { seconds: 0, nanos: 300_000_000 } });
  const { task } = await ask(client, client.waitTask, request);
  const goingOn: unknown[] = [TaskStatus.TASK_STATUS_PENDING, TaskStatus.TASK_STATUS_EXECUTING];
  holds(`the task goes on, and does not have the status ${task?.status}`, goingOn.includes(task?.status));
  await stopped(client, slow.id);

  const echo = await created(client, { agentId: "echo", prompt: "hello" });
  const done = await waited(client, echo.id);
  equal("status and result", [done.status, done.result], [TaskStatus.TASK_STATUS_COMPLETED, "hello"]);
}

async function stop(): Promise<void> {
  const client = agents();
  const { id } = await created(client, { agentId: "slow" });
  equal("what StopTask says", (await stopped(client, id)).status, TaskStatus.TASK_STATUS_STOPPED);
  equal("what GetTask says", (await read(client, id)).status, TaskStatus.TASK_STATUS_STOPPED);
}

async function freeJson(): Promise<void> {
  const payload = {
    a: { b: { c: { d: [0, -1, 0.5, 1e30, Number.MAX_SAFE_INTEGER] } } },
    mixed: ["x", null, true, {}, []],
    none: null,
  };
  const client = agents();
  const task = await created(client, { agentId: "tools", prompt: "hello", toolCallPayloadExtension: payload });
  equal("the payload", task.payloadExtension, payload);
  equal("the payload as it is read", (await read(client, task.id)).payloadExtension, payload);
}

async function largeResult(): Promise<void> {
  const client = agents();
  const { id } = await created(client, { agentId: "big", prompt: String(6 * MIB) });
  await fails(status.RESOURCE_EXHAUSTED, waited(client, id));
  const roomy = agents("plain", { "grpc.max_receive_message_length": 64 * MIB });
  equal("the result's length", (await waited(roomy, id)).result?.length, 6 * MIB);
}
