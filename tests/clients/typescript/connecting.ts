/** What surrounds the calls: metadata, reflection, health and TLS. */

import { once } from "node:events";

import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { type ChannelCredentials, credentials, Metadata, status } from "@grpc/grpc-js";

import { fails, isServiceError } from "./failure.ts";
import { ServerReflectionClient, ServerReflectionRequest } from "./gen/grpc/reflection/v1/reflection.ts";
import { HealthCheckRequest, HealthCheckResponse_ServingStatus, HealthClient } from "./gen/health/v1/health.ts";
import { AgentServiceClient, GetTaskRequest } from "./gen/xpander/agent/v1/agent_service.ts";
import { InvokeRequest } from "./gen/xpander/agent/v1/invocation.ts";
import type { Task } from "./gen/xpander/agent/v1/task.ts";
import {
  agents,
  ask,
  closing,
  content,
  created,
  equal,
  holds,
  PLAINTEXT,
  type Scenarios,
  SERVICE,
  SOON,
  variable,
  within,
} from "./world.ts";

export const connecting: Scenarios = { metadata: requestIds, reflection, health, tls, mtls };

const withRequestId = (id: string) => Metadata.fromHttp2Headers({ "x-request-id": id });

async function requestIds(): Promise<void> {
  const client = agents();
  const answeredWith = async (metadata: Metadata) => {
    const call = client.invoke(InvokeRequest.create({ agentId: "echo" }), metadata, within(SOON), () => {});
    const [headers] = await once(call, "metadata");
    return headers.get("x-request-id");
  };
  equal("the request id", await answeredWith(withRequestId("typescript-1")), ["typescript-1"]);
  const [made] = await answeredWith(new Metadata());
  holds("there is a request id", made);

  const request = GetTaskRequest.create({ taskId: "nope" });
  const error = await ask(client, client.getTask, request, withRequestId("typescript-2")).catch((error) => error);
  holds("there is no task called nope", isServiceError(error) && error.code === status.NOT_FOUND);
  // An answer without a message has its headers among its trailers.
  equal("the failure's request id", error.metadata.get("x-request-id"), ["typescript-2"]);
}

async function reflection(): Promise<void> {
  const client = closing(new ServerReflectionClient(variable("plain"), PLAINTEXT));
  const call = client.serverReflectionInfo(new Metadata(), within(SOON));
  const answer = async (messageRequest: ServerReflectionRequest["messageRequest"]) => {
    call.write(ServerReflectionRequest.create({ messageRequest }));
    const [{ messageResponse }] = await once(call, "data");
    return messageResponse;
  };
  const listed = await answer({ $case: "listServices", value: "" });
  holds(`${SERVICE} is listed`, listed.value.service.some(({ name }: { name: string }) => name === SERVICE));

  const found = await answer({ $case: "fileContainingSymbol", value: SERVICE });
  const files: Buffer[] = found.value.fileDescriptorProto;
  const [service] = files.flatMap((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).service);
  const methods = service.method.map(({ name }) => name);
  const ofTasks = ["Invoke", "StreamEvents", "InvokeStream", "GetTask", "WaitTask", "StopTask"];
  equal("the methods", methods, [...ofTasks, "ListAgents", "ListTasks", "GetTaskActivity"]);
  call.end();
}

async function health(): Promise<void> {
  const client = closing(new HealthClient(variable("plain"), PLAINTEXT));
  for (const service of ["", SERVICE]) {
    const request = HealthCheckRequest.create({ service });
    const checked = await ask(client, client.check, request);
    equal(`Check '${service}'`, checked.status, HealthCheckResponse_ServingStatus.SERVING);
    const watch = client.watch(request, new Metadata(), within(SOON));
    watch.on("error", () => {});
    const [watched] = await once(watch, "data");
    equal(`Watch '${service}'`, watched.status, HealthCheckResponse_ServingStatus.SERVING);
    watch.cancel();
  }
  await fails(status.NOT_FOUND, ask(client, client.check, HealthCheckRequest.create({ service: "nobody" })));
}

/** Invokes an agent over TLS, by the server's name: Node sends no address as one. */
function invoked(server: string, trust: ChannelCredentials): Promise<Task> {
  const address = variable(server).replace("127.0.0.1", "localhost");
  return created(closing(new AgentServiceClient(address, trust)), { agentId: "echo" });
}

async function tls(): Promise<void> {
  await invoked("tls", credentials.createSsl(content("ca")));
  await fails(status.UNAVAILABLE, invoked("tls", credentials.createSsl()));
}

async function mtls(): Promise<void> {
  await invoked("mtls", credentials.createSsl(content("ca"), content("key"), content("cert")));
  await fails(status.UNAVAILABLE, invoked("mtls", credentials.createSsl(content("ca"))));
}
