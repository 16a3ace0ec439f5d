/**
 * Invokes an agent as production code does: with TLS, a token, deadlines and the service config, one task however often it
 * is asked for, and its events followed to the task's end, across connections and replicas.
 *
 * CA_FILE=ca.pem TOKEN=… SERVICE_CONFIG=agent_grpc_service_config.json node careful.ts SERVER AGENT PROMPT
 *
 * With ONE_STORE=yes too, where there is one replica, or all share a store (`deduplication.store`).
 */

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

import { credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";

import { ErrorInfo } from "./gen/google/rpc/error_details.ts";
import { Status } from "./gen/google/rpc/status.ts";
import { AgentServiceClient, StreamEventsRequest, type StreamEventsResponse } from "./gen/xpander/agent/v1/agent_service.ts";
import { EventType, type TaskEvent } from "./gen/xpander/agent/v1/event.ts";
import { InvokeRequest } from "./gen/xpander/agent/v1/invocation.ts";
import { type Task, taskStatusToJSON } from "./gen/xpander/agent/v1/task.ts";

const { CA_FILE = "", TOKEN = "", SERVICE_CONFIG = "" } = process.env;
// Without it, a create that is sent again may reach a replica that does not know its key, and makes a second task.
const oneStore = process.env.ONE_STORE === "yes";
const [server = "", agentId = "", prompt = ""] = process.argv.slice(2);
const AGAIN: number[] = [
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
  status.INTERNAL,
  status.UNKNOWN,
];

/** Whether calling again may help. It harms no stream, which has its last event; a create only as its outcome says. */
const again = (error: unknown) => error instanceof Error && AGAIN.includes((error as ServiceError).code);
const within = (seconds: number) => ({ deadline: Date.now() + seconds * 1000 });

function connect(): AgentServiceClient {
  const token = credentials.createFromMetadataGenerator((_, done) => {
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${TOKEN}`);
    done(null, metadata);
  });
  const tls = credentials.createSsl(readFileSync(CA_FILE));
  return new AgentServiceClient(server, credentials.combineChannelCredentials(tls, token), {
    "grpc.service_config": readFileSync(SERVICE_CONFIG, "utf8"),
    "grpc.max_receive_message_length": 64 * 1024 * 1024,
    "grpc.keepalive_time_ms": 15_000,
  });
}

async function create(client: AgentServiceClient, request: InvokeRequest): Promise<Task> {
  let unsure = false;
  for (let attempt = 0; ; attempt++) {
    try {
      return await new Promise((resolve, reject) =>
        client.invoke(request, new Metadata(), within(150), (error, answer) =>
          error || !answer.task ? reject(error) : resolve(answer.task),
        ),
      );
    } catch (error) {
      const told = outcome(error);
      unsure ||= told !== "not_created";
      const safe = told === "not_created" || (oneStore && told !== "unknown");
      if (attempt === 4 || !again(error) || !safe) {
        if (unsure) console.error("there may be a task: look for it before you create another");
        throw error;
      }
      await sleep(1000 * 2 ** attempt);
    }
  }
}

/** What the proxy says of the task. Nothing, where it was not the proxy that answered. */
function outcome(error: unknown): string | undefined {
  const [bytes] = (error as Partial<ServiceError> | null)?.metadata?.get("grpc-status-details-bin") ?? [];
  const details = bytes ? Status.decode(bytes as Buffer).details : [];
  const info = details.find(({ typeUrl }) => typeUrl.endsWith("/google.rpc.ErrorInfo"));
  return info && ErrorInfo.decode(info.value).metadata.outcome;
}

async function* follow(client: AgentServiceClient, taskId: string): AsyncGenerator<TaskEvent> {
  let lastEventId = "";
  for (let failures = 0; ; ) {
    const request = StreamEventsRequest.create({ taskId, lastEventId, heartbeat: { seconds: 20, nanos: 0 } });
    try {
      const messages: AsyncIterable<StreamEventsResponse> = client.streamEvents(request, new Metadata(), within(3600));
      for await (const { event } of messages) {
        failures = 0;
        if (event?.eventId) lastEventId = event.eventId;
        if (event) yield event;
      }
      return;
    } catch (error) {
      if (++failures > 5 || !again(error)) throw error;
      console.error("resumed after event", lastEventId);
      await sleep(1000 * failures);
    }
  }
}

const client = connect();
try {
  const request = InvokeRequest.create({ agentId, prompt, eventsStreaming: true, requestId: randomUUID() });
  const task = await create(client, request);
  console.log("task", task.id);
  for await (const { type, data } of follow(client, task.id)) {
    if (data?.$case === "chunk") {
      process.stdout.write(data.value);
    } else if (type === EventType.EVENT_TYPE_TASK_FINISHED && data?.$case === "task") {
      // A task that failed is no failed call: its status says so.
      console.log(`\n${taskStatusToJSON(data.value.status).replace("TASK_STATUS_", "").toLowerCase()}: ${data.value.result}`);
    }
  }
} catch (error) {
  console.error(`${error}`);
  process.exitCode = 1;
} finally {
  client.close();
}
