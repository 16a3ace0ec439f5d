/** An invocation with every parameter. */

import {
  AttachmentKind,
  InvokeRequest,
  LlmReasoningEffort,
  McpServer,
  OutputFormat,
  PrincipalKind,
  ThinkMode,
} from "./gen/xpander/agent/v1/invocation.ts";
import { Task } from "./gen/xpander/agent/v1/task.ts";
import { agents, created, equal, holds, read, type Scenarios } from "./world.ts";

export const parameters: Scenarios = { invoke: everyParameter };

/** Parameters that a task has under the same name. */
const SAME = {
  agentId: "echo",
  agentVersion: "2",
  source: "tests",
  outputFormat: OutputFormat.OUTPUT_FORMAT_MARKDOWN,
  outputSchema: { type: "string" },
  eventsStreaming: true,
  additionalContext: "context",
  expectedOutput: "output",
  instructionsOverride: "instructions",
  title: "title",
  thinkMode: ThinkMode.THINK_MODE_HARDER,
  toolCallLimit: 7,
  disableAttachmentInjection: true,
  llmModelProvider: "openai",
  llmModelName: "model",
  llmReasoningEffort: LlmReasoningEffort.LLM_REASONING_EFFORT_HIGH,
  triggeringAgentId: "other",
  returnMetrics: true,
  harnessCli: "codex",
  permissionMode: "plan",
  testRunNodeId: "node",
};

/** What a task has as its input. */
const INPUT = {
  files: ["https://example.com/a"],
  user: { email: "ann@example.com" },
  attachments: [{ url: "https://example.com/b", kind: AttachmentKind.ATTACHMENT_KIND_PDF }],
  principal: { kind: PrincipalKind.PRINCIPAL_KIND_SLACK, id: "U1", displayName: "Ann" },
};

const REQUEST = InvokeRequest.create({
  ...SAME,
  prompt: "hello",
  fileUrls: INPUT.files,
  userDetails: INPUT.user,
  toolCallPayloadExtension: { tenant: 1 },
  workerId: "worker",
  runLocally: true,
  attachments: INPUT.attachments,
  requestId: "typescript-invoke",
  principal: INPUT.principal,
  mcpServers: [McpServer.create({ name: "tools", url: "https://example.com/mcp", allowedTools: ["search"] })],
  userOidcToken: "secret-of-the-user",
  userTokens: { drive: "secret-of-the-drive" },
});

async function everyParameter(): Promise<void> {
  const unset = Object.entries(REQUEST).filter(([, value]) => value === undefined);
  equal("the parameters left out", unset.map(([name]) => name), ["existingTaskId"]);
  const client = agents();
  const task = await created(client, REQUEST);
  hasEveryParameter(task);
  hasEveryParameter(await read(client, task.id));
}

function hasEveryParameter(task: Task): void {
  for (const [name, value] of Object.entries(SAME)) equal(name, task[name as keyof Task], value);
  equal("the prompt", task.input?.text, "hello");
  const { files, user, attachments, principal } = task.input!;
  equal("the files", files, INPUT.files);
  equal("the user's email", user?.email, INPUT.user.email);
  equal("the attachment", [attachments.length, attachments[0].url], [1, INPUT.attachments[0].url]);
  equal("the principal", [principal?.kind, principal?.id, principal?.displayName], Object.values(INPUT.principal));
  equal("payloadExtension", task.payloadExtension, REQUEST.toolCallPayloadExtension);
  equal("worker_id", task.other?.worker_id, "worker");
  equal("the number of MCP servers", task.mcpServers.length, 1);
  const { name, url, type, allowedTools } = task.mcpServers[0];
  equal("the MCP server", [name, url, type], ["tools", "https://example.com/mcp", "remote"]);
  equal("its tools", allowedTools, ["search"]);
  const bytes = Buffer.from(Task.encode(task).finish());
  holds("the user's secrets are not sent back", !bytes.includes("secret-of-the"));
}
