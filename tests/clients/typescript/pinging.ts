/** Pings, as docs/callers.md advises them but more often: a connection that dies without a word is noticed. */

import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";

import { status } from "@grpc/grpc-js";

import { fails } from "./failure.ts";
import { follow, next, ofType, rest } from "./following.ts";
import { AgentServiceClient } from "./gen/xpander/agent/v1/agent_service.ts";
import { EventType } from "./gen/xpander/agent/v1/event.ts";
import { agents, closing, PLAINTEXT, type Scenarios, stopped, streamed, until, variable } from "./world.ts";

export const pinging: Scenarios = { keepalive };

/** The head of a ping, an HTTP/2 frame of 8 bytes. */
const PING = Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0]);

/** A relay to the server until it is frozen: then its connections stay open, and nothing comes through. */
async function relay() {
  const state = { address: "", pings: 0, frozen: false };
  const listener = createServer((caller) => {
    const [host, port] = variable("plain").split(":");
    const server = connect(Number(port), host);
    caller.on("data", (bytes) => {
      if (bytes.includes(PING)) state.pings++;
      if (!state.frozen) server.write(bytes);
    });
    server.on("data", (bytes) => state.frozen || caller.write(bytes));
    for (const socket of [caller, server]) socket.unref().on("error", () => {});
  });
  await once(listener.unref().listen(0, "127.0.0.1"), "listening");
  state.address = `127.0.0.1:${(listener.address() as AddressInfo).port}`;
  return state;
}

async function keepalive(): Promise<void> {
  const between = await relay();
  const options = { "grpc.keepalive_time_ms": 1000, "grpc.keepalive_timeout_ms": 500 };
  const client = agents();
  const taskId = await streamed(client, "human");
  const events = follow(closing(new AgentServiceClient(between.address, PLAINTEXT, options)), { taskId }, 30_000);
  await next(events, ofType(EventType.EVENT_TYPE_CHUNK));
  // A server that minds says `too_many_pings` at the third.
  await until("there were five pings", () => between.pings >= 5, 15_000);
  between.frozen = true;
  // Without pings it is the deadline that ends the call.
  await fails(status.UNAVAILABLE, rest(events));
  await stopped(client, taskId);
}
