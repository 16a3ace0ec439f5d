/** One task for each idempotency key, however many calls it takes. */

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { status } from "@grpc/grpc-js";

import { details, fails, isServiceError } from "./failure.ts";
import type { AgentServiceClient } from "./gen/xpander/agent/v1/agent_service.ts";
import type { InvokeRequest } from "./gen/xpander/agent/v1/invocation.ts";
import type { Task } from "./gen/xpander/agent/v1/task.ts";
import { agents, created, equal, holds, type Scenarios } from "./world.ts";

export const creating: Scenarios = { "request-id": requestId };

async function once(client: AgentServiceClient, request: Partial<InvokeRequest>, attempts = 5): Promise<Task> {
  for (;;) {
    try {
      return await created(client, request);
    } catch (error) {
      attempts--;
      const wait = pause(error);
      if (attempts === 0 || wait === undefined) throw error;
      await sleep(wait);
    }
  }
}

function pause(error: unknown): number | undefined {
  if (!isServiceError(error)) return undefined;
  const { info, retry } = details(error);
  switch (info?.metadata.outcome) {
    case "not_created":
      if (retry?.retryDelay) return retry.retryDelay.seconds * 1000 + retry.retryDelay.nanos / 1e6;
      return error.code === status.UNAVAILABLE ? 1000 : undefined;
    case "unknown":
      return undefined;
    default:
      // There may be a task: the same id finds it with one replica or a store that all share, else makes a second.
      return 1000;
  }
}

async function requestId(): Promise<void> {
  const client = agents();
  const request = { agentId: "echo", prompt: "hello", requestId: randomUUID() };
  const task = await once(client, request);
  equal("the repeat's task", (await once(client, request)).id, task.id);

  const refused = await fails(status.INVALID_ARGUMENT, once(client, { ...request, prompt: "other" }));
  equal("the fields", refused.fields, ["request_id"]);

  const begun = Date.now();
  await fails(status.RESOURCE_EXHAUSTED, once(client, { agentId: "http-429", requestId: randomUUID() }, 2));
  // Timers may fire a millisecond early.
  holds("it has waited as RetryInfo says", Date.now() - begun >= 1_990);
}
