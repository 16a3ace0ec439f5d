/** Streams: to their ends, and away from them. */

import { type ClientReadableStream, Metadata, status, type StatusObject } from "@grpc/grpc-js";

import { fails } from "./failure.ts";
import {
  type AgentServiceClient,
  InvokeStreamRequest,
  StreamEventsRequest,
  type StreamEventsResponse,
} from "./gen/xpander/agent/v1/agent_service.ts";
import { EventType, type TaskEvent } from "./gen/xpander/agent/v1/event.ts";
import { InvokeRequest } from "./gen/xpander/agent/v1/invocation.ts";
import { TaskStatus } from "./gen/xpander/agent/v1/task.ts";
import { agents, equal, holds, read, type Scenarios, SOON, stopped, streamed, within } from "./world.ts";

export const following: Scenarios = {
  stream,
  "one-call-stream": oneCallStream,
  deadline,
  cancel,
  "struct-in-events": numbersInEvents,
  heartbeat,
  resume,
};

type Events = ClientReadableStream<StreamEventsResponse>;

export function follow(client: AgentServiceClient, request: Partial<StreamEventsRequest>, milliseconds = SOON): Events {
  return client.streamEvents(StreamEventsRequest.create(request), new Metadata(), within(milliseconds));
}

/** The rest of a stream, handed to `see` as it comes. */
export async function rest(events: Events, see: (event: TaskEvent) => void = () => {}): Promise<void> {
  for await (const { event } of events as AsyncIterable<StreamEventsResponse>) see(event!);
}

/** The next event for which it is so; the stream can be read on. */
export async function next(events: Events, isSo: (event: TaskEvent) => unknown): Promise<TaskEvent> {
  for await (const { event } of events.iterator({ destroyOnReturn: false }) as AsyncIterable<StreamEventsResponse>) {
    if (isSo(event!)) return event!;
  }
  throw new Error("the stream has ended before");
}

export const ofType = (type: EventType) => (event: TaskEvent) => event.type === type;

async function stream(): Promise<void> {
  const client = agents();
  const events: TaskEvent[] = [];
  await rest(follow(client, { taskId: await streamed(client, "tools", "hello there") }), (event) => events.push(event));

  const last = events.at(-1)!;
  equal("the last event", last.type, EventType.EVENT_TYPE_TASK_FINISHED);
  const task = last.data?.$case === "task" ? last.data.value : undefined;
  equal("its task's status", task?.status, TaskStatus.TASK_STATUS_COMPLETED);
  equal("its task's result", task?.result, "Looked into it: hello there");
  const chunks = events.map(({ data }) => (data?.$case === "chunk" ? data.value : ""));
  equal("the chunks", chunks.join(""), task?.result);

  const kinds = new Set<string | undefined>(events.map(({ data }) => data?.$case));
  const calls = ["toolCallRequest", "toolCallResult", "subAgentTrigger"];
  for (const kind of ["task", "chunk", "reasoning", "plan", "auth", "other", ...calls]) {
    holds(`there is an event with ${kind}`, kinds.has(kind));
  }
  const unknown = new Set(events.filter(ofType(EventType.EVENT_TYPE_UNSPECIFIED)).map(({ typeName }) => typeName));
  equal("the types of tomorrow", [...unknown], ["quantum_leap"]);
}

async function oneCallStream(): Promise<void> {
  const invocation = InvokeRequest.create({ agentId: "echo", prompt: "hello" });
  const call = agents().invokeStream(InvokeStreamRequest.create({ invocation }), new Metadata(), within(SOON));
  const [first, ...others] = await call.map(({ item }) => item!).toArray();
  equal("the first message", first.$case, "task");
  holds("the others are events", others.every(({ $case }) => $case === "event"));
  const last: TaskEvent = others.at(-1).value;
  equal("the last event", last.type, EventType.EVENT_TYPE_TASK_FINISHED);
  equal("its task", last.data?.$case === "task" && last.data.value.id, first.value.id);
}

async function deadline(): Promise<void> {
  const client = agents();
  const taskId = await streamed(client, "slow");
  let seen = 0;
  await fails(status.DEADLINE_EXCEEDED, rest(follow(client, { taskId }, 500), () => seen++));
  holds("events came before the deadline", seen > 0);
  await stopped(client, taskId);
}

async function cancel(): Promise<void> {
  const client = agents();
  const taskId = await streamed(client, "slow");
  const events = follow(client, { taskId });
  await next(events, ofType(EventType.EVENT_TYPE_CHUNK));
  events.cancel();
  await fails(status.CANCELLED, rest(events));
  equal("the status", (await read(client, taskId)).status, TaskStatus.TASK_STATUS_EXECUTING);
  await breakAway(client, taskId);
  await stopped(client, taskId);
}

/** Leaving the loop ends the reading, and not the call: that takes `cancel`. */
async function breakAway(client: AgentServiceClient, taskId: string): Promise<void> {
  const events = follow(client, { taskId });
  const ended = new Promise<StatusObject>((resolve) => events.once("status", resolve));
  events.on("error", () => {});
  try {
    for await (const _ of events) break;
  } finally {
    events.cancel();
  }
  equal("how the call ended", (await ended).code, status.CANCELLED);
}

async function numbersInEvents(): Promise<void> {
  const client = agents();
  const events = follow(client, { taskId: await streamed(client, "tools") });
  const { data } = await next(events, ofType(EventType.EVENT_TYPE_TOOL_CALL_REQUEST));
  const payload = data?.$case === "toolCallRequest" && data.value.payload;
  equal("an integer that no double holds", payload.row, "9007199254740993");
  equal("a fraction", payload.ratio, 0.25);
  await rest(events);
}

async function heartbeat(): Promise<void> {
  const client = agents();
  const taskId = await streamed(client, "human");
  const events = follow(client, { taskId, heartbeat: { seconds: 0, nanos: 100_000_000 } });
  for (let beats = 0; beats < 3; beats++) await next(events, ofType(EventType.EVENT_TYPE_HEARTBEAT));
  await stopped(client, taskId);
  let last: EventType | undefined;
  await rest(events, ({ type }) => (last = type));
  equal("the last event", last, EventType.EVENT_TYPE_TASK_FINISHED);
}

async function resume(): Promise<void> {
  const client = agents();
  const taskId = await streamed(client, "tools");
  const left = follow(client, { taskId });
  const ids: string[] = [];
  // The handshake of each stream has no id.
  while (ids.length < 5) ids.push((await next(left, ({ eventId }) => eventId)).eventId!);
  left.cancel();
  await fails(status.CANCELLED, rest(left));

  await rest(follow(client, { taskId, lastEventId: ids[4] }), ({ eventId }) => eventId && ids.push(eventId));
  holds("there were events after the first five", ids.length > 5);
  equal("the ids", ids, ids.map((_, index) => String(index + 1)));
}
