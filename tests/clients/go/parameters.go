package main

import (
	"bytes"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	agentv1 "xpander-clients/gen/xpander/agent/v1"
)

// An invocation with every parameter.
var parameters = []scenario{{"invoke", everyParameter}}

// These a task has under the same name, but as the platform completes them.
var completed = []protoreflect.Name{"mcp_servers"}

func (c *check) everything() *agentv1.InvokeRequest {
	return &agentv1.InvokeRequest{
		AgentId:                  "echo",
		Prompt:                   "hello",
		FileUrls:                 []string{"https://example.com/a"},
		UserDetails:              &agentv1.User{Email: "ann@example.com"},
		AgentVersion:             new("2"),
		ToolCallPayloadExtension: c.free(map[string]any{"tenant": 1}),
		Source:                   "tests",
		WorkerId:                 new("worker"),
		RunLocally:               true,
		OutputFormat:             agentv1.OutputFormat_OUTPUT_FORMAT_MARKDOWN,
		OutputSchema:             c.free(map[string]any{"type": "string"}),
		EventsStreaming:          true,
		AdditionalContext:        new("context"),
		ExpectedOutput:           new("output"),
		Attachments:              []*agentv1.Attachment{{Url: "https://example.com/b"}},
		RequestId:                "go-invoke",
		Principal: &agentv1.Principal{
			Kind: agentv1.PrincipalKind_PRINCIPAL_KIND_SLACK, Id: "U1", DisplayName: new("Ann"),
		},
		InstructionsOverride:       new("instructions"),
		Title:                      new("title"),
		ThinkMode:                  agentv1.ThinkMode_THINK_MODE_HARDER,
		ToolCallLimit:              new(int32(7)),
		DisableAttachmentInjection: true,
		LlmModelProvider:           new("openai"),
		LlmModelName:               new("model"),
		LlmReasoningEffort:         agentv1.LlmReasoningEffort_LLM_REASONING_EFFORT_HIGH,
		McpServers: []*agentv1.McpServer{{
			Name: new("tools"), Url: new("https://example.com/mcp"), AllowedTools: []string{"search"},
		}},
		TriggeringAgentId: new("other"),
		UserOidcToken:     new("secret-of-the-user"),
		UserTokens:        c.free(map[string]any{"drive": "secret-of-the-drive"}),
		ReturnMetrics:     true,
		HarnessCli:        new("codex"),
		PermissionMode:    new("plan"),
		TestRunNodeId:     new("node"),
	}
}

func everyParameter(c *check) {
	request := c.everything()
	for _, field := range fields(request) {
		c.holds("the request has "+string(field.Name()), request.ProtoReflect().Has(field) || field.Name() == "existing_task_id")
	}
	client := c.agents("plain")
	task := c.created(client, request)
	for _, seen := range []*agentv1.Task{task, c.read(client, task.GetId())} {
		c.hasEveryParameter(seen, request)
	}
}

func (c *check) hasEveryParameter(task *agentv1.Task, request *agentv1.InvokeRequest) {
	same := c.sameNames(task, request)
	c.holds("20 parameters and more have the same name in a task", same >= 20)

	input := task.GetInput()
	c.equal("the prompt", input.GetText(), request.GetPrompt())
	c.equal("the files", input.GetFiles(), request.GetFileUrls())
	c.equal("the user", input.GetUser(), request.GetUserDetails())
	c.equal("the attachments", input.GetAttachments(), request.GetAttachments())
	c.equal("the principal", input.GetPrincipal(), request.GetPrincipal())
	c.equal("payload_extension", task.GetPayloadExtension(), request.GetToolCallPayloadExtension())
	c.equal("worker_id", task.GetOther().AsMap()["worker_id"], "worker")

	c.equal("the number of MCP servers", len(task.GetMcpServers()), 1)
	server := task.GetMcpServers()[0]
	c.equal("the MCP server", []string{server.GetName(), server.GetUrl(), server.GetType()},
		[]string{"tools", "https://example.com/mcp", "remote"})
	c.equal("its tools", server.GetAllowedTools(), []string{"search"})

	bytesOfTask, err := proto.Marshal(task)
	c.ok(err)
	c.holds("the user's secrets are not sent back", !bytes.Contains(bytesOfTask, []byte("secret-of-the")))
}

// sameNames compares what request and task have under the same name, and counts it.
func (c *check) sameNames(task *agentv1.Task, request *agentv1.InvokeRequest) int {
	same := 0
	for _, asked := range fields(request) {
		seen := task.ProtoReflect().Descriptor().Fields().ByName(asked.Name())
		if seen == nil || slices.Contains(completed, asked.Name()) {
			continue
		}
		same++
		value, expected := task.ProtoReflect().Get(seen), request.ProtoReflect().Get(asked)
		c.holds(string(asked.Name())+" is "+expected.String()+", and not "+value.String(), value.Equal(expected))
	}
	return same
}

func fields(message proto.Message) []protoreflect.FieldDescriptor {
	all := message.ProtoReflect().Descriptor().Fields()
	var list []protoreflect.FieldDescriptor
	for i := range all.Len() {
		list = append(list, all.Get(i))
	}
	return list
}
