/** The service config that is shipped: what is retried, and which replica is called. */

import { type ChannelOptions, Metadata, status } from "@grpc/grpc-js";

import { fails } from "./failure.ts";
import { follow, rest } from "./following.ts";
import { AgentServiceClient, InvokeStreamRequest } from "./gen/xpander/agent/v1/agent_service.ts";
import { InvokeRequest } from "./gen/xpander/agent/v1/invocation.ts";
import {
  agents,
  closing,
  content,
  created,
  equal,
  PLAINTEXT,
  read,
  type Scenarios,
  SERVICE,
  SOON,
  stopped,
  until,
  variable,
  waited,
  within,
} from "./world.ts";

export const balancing: Scenarios = {
  "service-config-retries": retries,
  "service-config-replicas": bothReplicas,
};

const shipped = (): ChannelOptions => ({ "grpc.service_config": content("service_config").toString() });

/** How many calls of this method a server has answered, whatever it answered, by its admin port. */
async function calls(server: string, method: string): Promise<number> {
  const page = await (await fetch(`http://${variable(`${server}_admin`)}/metrics`)).text();
  return page
    .split("\n")
    .filter((line) => line.startsWith("rpc_server_call_duration_seconds_count"))
    .filter((line) => line.includes(`rpc_method="${SERVICE}/${method}"`))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

async function retries(): Promise<void> {
  const invokeStream = (client: AgentServiceClient) => {
    const invocation = InvokeRequest.create({ agentId: "echo" });
    return client.invokeStream(InvokeStreamRequest.create({ invocation }), new Metadata(), within(SOON)).toArray();
  };
  const tries: [string, number, (client: AgentServiceClient) => Promise<unknown>][] = [
    ["GetTask", 4, (client) => read(client, "some-task")],
    ["WaitTask", 4, (client) => waited(client, "some-task")],
    ["StreamEvents", 4, (client) => rest(follow(client, { taskId: "some-task" }))],
    ["Invoke", 1, (client) => created(client, { agentId: "echo" })],
    ["InvokeStream", 1, invokeStream],
    ["StopTask", 1, (client) => stopped(client, "some-task")],
  ];
  const client = agents("unreachable", shipped());
  for (const [method, times, call] of tries) {
    const before = await calls("unreachable", method);
    const failed = await fails(status.UNAVAILABLE, call(client));
    equal("the reason", failed.info?.reason, "PLATFORM_UNREACHABLE");
    const sent = async () => (await calls("unreachable", method)) - before;
    await until(`${method} is sent ${times} times`, async () => (await sent()) >= times);
    equal(`how often ${method} is sent`, await sent(), times);
  }
}

async function bothReplicas(): Promise<void> {
  const names = ["replica1", "replica2"];
  // A channel to several addresses, as a name that resolves to all of them would make it.
  const target = `ipv4:${names.map(variable).join(",")}`;
  const client = closing(new AgentServiceClient(target, PLAINTEXT, shipped()));
  const answered = () => Promise.all(names.map((name) => calls(name, "GetTask")));
  const before = await answered();
  await until("both replicas have answered", async () => {
    await fails(status.NOT_FOUND, read(client, "nope"));
    return (await answered()).every((count, replica) => count > before[replica]);
  });
}
