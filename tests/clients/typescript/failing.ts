/** Errors, read as users of grpc-js read them, and calls that are wrong on purpose. */

import { Metadata, status } from "@grpc/grpc-js";

import { fails } from "./failure.ts";
import { follow, rest } from "./following.ts";
import { GetTaskRequest } from "./gen/xpander/agent/v1/agent_service.ts";
import { User } from "./gen/xpander/agent/v1/invocation.ts";
import { agents, ask, created, equal, holds, read, type Scenarios, stopped, streamed, variable, waited } from "./world.ts";

export const failing: Scenarios = {
  "error-details": errorDetails,
  limited,
  "missing-agent": missingAgent,
  "bad-email": badEmail,
  "unknown-task": unknownTask,
  "not-streaming": notStreaming,
  "closed-stream": closedStream,
  "wrong-token": wrongToken,
};

async function errorDetails(): Promise<void> {
  const client = agents();
  const limited = await fails(status.RESOURCE_EXHAUSTED, created(client, { agentId: "http-429" }));
  equal("the domain", limited.info?.domain, "xpander.ai");
  equal("the reason", limited.info?.reason, "PLATFORM_RATE_LIMITED");
  equal("the HTTP status", limited.info?.metadata.http_status, "429");
  equal("the outcome", limited.info?.metadata.outcome, "not_created");
  equal("the retry delay", limited.retry?.retryDelay, { seconds: 2, nanos: 0 });

  const refused = await fails(status.INVALID_ARGUMENT, created(client, { agentId: "http-422" }));
  equal("the fields", refused.fields, ["prompt"]);
}

async function limited(): Promise<void> {
  const client = agents("limited");
  const create = () => created(client, { agentId: "echo" });
  const refused = await fails(status.RESOURCE_EXHAUSTED, create().then(create));
  equal("the reason", refused.info?.reason, "CALLER_LIMITED");
  equal("the limits", refused.limits, ["limits.creates_per_second"]);
  equal("the outcome", refused.info?.metadata.outcome, "not_created");
  const wait = refused.retry?.retryDelay?.seconds ?? 0;
  holds(`the wait is exact: ${wait}`, wait >= 1 && wait <= 100);
}

async function missingAgent(): Promise<void> {
  const nameless = await fails(status.INVALID_ARGUMENT, created(agents("unreachable"), { prompt: "hello" }));
  equal("the fields", nameless.fields, ["agent_id"]);
  holds(`'${nameless.text}' names the field`, nameless.text.includes("agent_id"));

  const unknown = await fails(status.NOT_FOUND, created(agents(), { agentId: "nobody" }));
  equal("the agent", unknown.info?.metadata.agent_id, "nobody");
}

async function badEmail(): Promise<void> {
  const userDetails = User.create({ firstName: "Ann" });
  const call = created(agents(), { agentId: "echo", userDetails, fileUrls: ["not a URL"] });
  const wrong = await fails(status.INVALID_ARGUMENT, call);
  equal("the fields", wrong.fields.sort(), ["file_urls[0]", "user_details.email"]);
  for (const field of wrong.fields) holds(`'${wrong.text}' names ${field}`, wrong.text.includes(field));
}

async function unknownTask(): Promise<void> {
  const client = agents();
  const followed = () => rest(follow(client, { taskId: "nope" }));
  for (const call of [read, waited, stopped, followed]) {
    const unknown = await fails(status.NOT_FOUND, call(client, "nope"));
    equal("the reason", unknown.info?.reason, "PLATFORM_NOT_FOUND");
    equal("the task", unknown.info?.metadata.task_id, "nope");
  }
}

async function notStreaming(): Promise<void> {
  const client = agents();
  const { id: taskId } = await created(client, { agentId: "slow", prompt: "2000" });
  const silent = await fails(status.FAILED_PRECONDITION, rest(follow(client, { taskId })));
  equal("the reason", silent.info?.reason, "TASK_NOT_STREAMING");
  equal("the task", silent.info?.metadata.task_id, taskId);
  await stopped(client, taskId);
}

async function closedStream(): Promise<void> {
  const client = agents();
  const taskId = await streamed(client, "slow", "2000");
  const events = follow(client, { taskId });
  events.cancel();
  await fails(status.CANCELLED, rest(events));
  // The error is told once: read again, the stream is at its end.
  let more = 0;
  await rest(events, () => more++);
  equal("the number of events after the end", more, 0);
  await stopped(client, taskId);

  client.close();
  const closed = await read(client, taskId).catch((error: Error) => error);
  holds(`'${closed}' says what is wrong`, closed instanceof Error && closed.message.includes("shut down"));
}

async function wrongToken(): Promise<void> {
  const client = agents("tokens");
  const read = (metadata: Metadata) => ask(client, client.getTask, GetTaskRequest.create({ taskId: "nope" }), metadata);
  const bearer = (token: string) => Metadata.fromHttp2Headers({ authorization: `Bearer ${token}` });
  await fails(status.NOT_FOUND, read(bearer(variable("token"))));
  for (const metadata of [new Metadata(), bearer("wrong-token")]) {
    const refused = await fails(status.UNAUTHENTICATED, read(metadata));
    equal("the reason", refused.info?.reason, "CALLER_UNAUTHENTICATED");
    holds(`'${refused.text}' does not repeat the token`, !refused.text.includes("wrong-token"));
  }
}
