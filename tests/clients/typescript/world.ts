/** Where the servers are, clients of them, and words for what has to be seen. */

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual, inspect } from "node:util";

import {
  type CallOptions,
  type ChannelOptions,
  type Client,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type requestCallback,
} from "@grpc/grpc-js";

import { AgentServiceClient } from "./gen/xpander/agent/v1/agent_service.ts";
import { InvokeRequest } from "./gen/xpander/agent/v1/invocation.ts";
import type { Task } from "./gen/xpander/agent/v1/task.ts";

export type Scenarios = Record<string, () => Promise<void>>;

export const SERVICE = "xpander.agent.v1.AgentService";
/** Milliseconds that a call may take, unless its scenario says otherwise. */
export const SOON = 10_000;
export const PLAINTEXT = credentials.createInsecure();

export function variable(name: string): string {
  const value = process.env[`CLIENTS_${name.toUpperCase()}`];
  if (value === undefined) throw new Error(`CLIENTS_${name.toUpperCase()} is not set`);
  return value;
}

export const content = (name: string): Buffer => readFileSync(variable(name));

const clients: Client[] = [];

/** Closes the clients of a scenario that is over. */
export function closeAll(): void {
  for (const client of clients.splice(0)) client.close();
}

/** A client that is closed when its scenario is over. */
export function closing<C extends Client>(client: C): C {
  clients.push(client);
  return client;
}

/** A client of one of the servers, by name. */
export function agents(server = "plain", options: ChannelOptions = {}): AgentServiceClient {
  return closing(new AgentServiceClient(variable(server), PLAINTEXT, options));
}

/** A call's options: its deadline. */
export const within = (milliseconds: number): CallOptions => ({ deadline: Date.now() + milliseconds });

export type Unary<Q, A> = (
  request: Q,
  metadata: Metadata,
  options: CallOptions,
  callback: requestCallback<A>,
) => ClientUnaryCall;

/** A unary call as a promise. */
export function ask<Q, A>(client: Client, method: Unary<Q, A>, request: Q, metadata = new Metadata()): Promise<A> {
  return new Promise((resolve, reject) => {
    method.call(client, request, metadata, within(SOON), (error, answer) => (error ? reject(error) : resolve(answer!)));
  });
}

type Answer = { task?: Task | undefined };
type ById = Unary<{ taskId: string }, Answer>;

function task(answer: Answer): Task {
  if (!answer.task) throw new Error("the answer has no task");
  return answer.task;
}

export async function created(client: AgentServiceClient, request: Partial<InvokeRequest>): Promise<Task> {
  return task(await ask(client, client.invoke, InvokeRequest.create(request)));
}

/** Invokes an agent, with events; the task's id. */
export async function streamed(client: AgentServiceClient, agentId: string, prompt = ""): Promise<string> {
  return (await created(client, { agentId, prompt, eventsStreaming: true })).id;
}

export async function read(client: AgentServiceClient, taskId: string): Promise<Task> {
  return task(await ask(client, client.getTask as ById, { taskId }));
}

export async function waited(client: AgentServiceClient, taskId: string): Promise<Task> {
  return task(await ask(client, client.waitTask as ById, { taskId }));
}

export async function stopped(client: AgentServiceClient, taskId: string): Promise<Task> {
  return task(await ask(client, client.stopTask as ById, { taskId }));
}

export function equal(what: string, seen: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(seen, expected)) {
    throw new Error(`${what} is ${inspect(seen, { depth: 9 })}, not ${inspect(expected, { depth: 9 })}`);
  }
}

export function holds(what: string, isSo: unknown): void {
  if (!isSo) throw new Error(`it does not hold that ${what}`);
}

/** Asks again and again until it is so. */
export async function until(what: string, isSo: () => Promise<boolean> | boolean, milliseconds = SOON): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`within ${milliseconds} ms it did not come to hold that ${what}`);
    await sleep(20);
  }
}
