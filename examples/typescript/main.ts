/** Invokes an agent and prints what it says, as it says it: node main.ts [SERVER] */

import { credentials } from "@grpc/grpc-js";

import {
  AgentServiceClient,
  InvokeStreamRequest,
  type InvokeStreamResponse,
} from "./gen/xpander/agent/v1/agent_service.ts";
import { EventType } from "./gen/xpander/agent/v1/event.ts";
import { InvokeRequest } from "./gen/xpander/agent/v1/invocation.ts";
import { taskStatusToJSON } from "./gen/xpander/agent/v1/task.ts";

const server = process.argv[2] ?? "localhost:50051";
const client = new AgentServiceClient(server, credentials.createInsecure());
const invocation = InvokeRequest.create({ agentId: "echo", prompt: "hello from TypeScript" });
const call = client.invokeStream(InvokeStreamRequest.create({ invocation }));

try {
  for await (const { item } of call as AsyncIterable<InvokeStreamResponse>) {
    if (item?.$case === "task") {
      console.log("task", item.value.id);
    } else if (item?.value.type === EventType.EVENT_TYPE_TASK_FINISHED && item.value.data?.$case === "task") {
      const { status, result } = item.value.data.value;
      console.log(`\n${taskStatusToJSON(status).replace("TASK_STATUS_", "").toLowerCase()}: ${result}`);
    } else if (item?.value.data?.$case === "chunk") {
      process.stdout.write(item.value.data.value);
    }
  }
} catch (error) {
  console.error(`${error}`);
  process.exitCode = 1;
} finally {
  client.close();
}
