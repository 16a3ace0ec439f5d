/** Finding things again: a create whose outcome is unknown, and what a gap has hidden. */

import { randomUUID } from "node:crypto";

import { Metadata, status } from "@grpc/grpc-js";

import { fails } from "./failure.ts";
import { follow, rest } from "./following.ts";
import { type ActivityEntry, ActivityRole } from "./gen/xpander/agent/v1/activity.ts";
import {
  type AgentServiceClient,
  GetTaskActivityRequest,
  ListAgentsRequest,
  ListTasksRequest,
} from "./gen/xpander/agent/v1/agent_service.ts";
import type { TaskEvent } from "./gen/xpander/agent/v1/event.ts";
import type { TaskSummary } from "./gen/xpander/agent/v1/listing.ts";
import { agents, ask, created, equal, holds, type Scenarios, SOON, streamed, waited, within } from "./world.ts";

export const finding: Scenarios = { lists, "find-again": findAgain, "read-gap": readGap, conversation };

type Found = Promise<TaskSummary | undefined>;

/** The task that was asked for since then, if it was created: none is skipped, however many there are. */
async function find(client: AgentServiceClient, agentId: string, title: string, since: Date): Found {
  const request = ListTasksRequest.create({ agentId, pageSize: 1000 });
  do {
    const page = await ask(client, client.listTasks, request);
    for (const task of page.tasks) {
      if (!task.createdAt || task.createdAt < since) return undefined;
      if (task.title === title) return task;
    }
    request.pageToken = page.nextPageToken;
  } while (request.pageToken);
  return undefined;
}

/** What has happened in a task so far, gaps or not. */
async function happened(client: AgentServiceClient, taskId: string): Promise<ActivityEntry[]> {
  const log = client.getTaskActivity(GetTaskActivityRequest.create({ taskId }), new Metadata(), within(SOON));
  const entries: ActivityEntry[] = [];
  for await (const { item } of log) if (item.$case === "entry") entries.push(item.value);
  return entries;
}

async function lists(): Promise<void> {
  const client = agents();
  const ids = [];
  for (let count = 0; count < 3; count++) ids.push((await created(client, { agentId: "burst", prompt: "1" })).id);
  const names = (await ask(client, client.listAgents, ListAgentsRequest.create())).agents.map(({ id }) => id);
  holds("the agents are listed", names.includes("echo") && names.includes("chat"));

  const request = ListTasksRequest.create({ agentId: "burst", pageSize: 1 });
  const seen: string[] = [];
  for (;;) {
    const page = await ask(client, client.listTasks, request);
    seen.push(...page.tasks.map(({ id }) => id));
    if (!page.nextPageToken) break;
    request.pageToken = page.nextPageToken;
  }
  for (const id of ids) equal("how often a task is listed", seen.filter((other) => other === id).length, 1);
  request.agentId = "echo";
  const wrong = await fails(status.INVALID_ARGUMENT, ask(client, client.listTasks, request));
  equal("the fields", wrong.fields, ["page_token"]);
}

async function findAgain(): Promise<void> {
  const [client, title, since] = [agents(), randomUUID(), new Date(Date.now() - 60_000)];
  const unknown = await fails(status.DEADLINE_EXCEEDED, created(client, { agentId: "http-504", title }));
  equal("the reason", unknown.info?.reason, "CREATE_OUTCOME_UNKNOWN");
  // It is not there: it is safe to create again, under a new request_id.
  equal("a task that was not created", await find(client, "http-504", title, since), undefined);
  const task = await created(client, { agentId: "echo", title, requestId: randomUUID() });
  equal("the task that was found", (await find(client, "echo", title, since))?.id, task.id);
}

async function readGap(): Promise<void> {
  const client = agents();
  const taskId = await streamed(client, "tools", "hello");
  const events: TaskEvent[] = [];
  const stream = rest(follow(client, { taskId }), (event) => events.push(event));
  holds("there is a log already", (await happened(client, taskId)).length > 0);
  await stream;
  const entries = (await happened(client, taskId)).map(({ entry }) => entry!);
  const tools = entries.flatMap((entry) => (entry.$case === "toolCall" ? [entry.value.toolName] : []));
  equal("the tools that were called", tools, ["search", "sql"]);
  const [said, last] = [entries.at(-1)!, events.at(-1)!.data!];
  holds("the agent spoke last", said.$case === "message" && said.value.role === ActivityRole.ACTIVITY_ROLE_AGENT);
  holds("it said the result", said.value.text === last.value.result);
}

async function conversation(): Promise<void> {
  const client = agents();
  const head = await waited(client, (await created(client, { agentId: "chat", prompt: "one" })).id);
  const existingTaskId = head.conversationId ?? head.id;
  const turn = await waited(client, (await created(client, { agentId: "chat", prompt: "two", existingTaskId })).id);
  holds("the turn has an id of its own", turn.id !== head.id);
  equal("its conversation", turn.conversationId, head.id);
  equal("its result", turn.result, "two");
}
