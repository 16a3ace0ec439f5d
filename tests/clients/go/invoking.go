package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	agentv1 "xpander-clients/gen/xpander/agent/v1"
)

// Invoking, reading, waiting and stopping.
var invoking = []scenario{
	{"structured-output", structuredOutput},
	{"files", files},
	{"user-details", userDetails},
	{"version-pin", versionPin},
	{"continue", continueTask},
	{"wait", wait},
	{"stop", stop},
	{"struct", freeJSON},
	{"large-result", largeResult},
}

const mib = 1 << 20

// free is free JSON as protobuf has it.
func (c *check) free(value map[string]any) *structpb.Struct {
	free, err := structpb.NewStruct(value)
	c.ok(err)
	return free
}

func structuredOutput(c *check) {
	properties := map[string]any{"tags": map[string]any{"type": "array", "items": map[string]any{"type": "string"}}}
	for name, kind := range map[string]string{"name": "string", "count": "integer", "share": "number", "is_new": "boolean"} {
		properties[name] = map[string]any{"type": kind}
	}
	client := c.agents("plain")
	task := c.created(client, &agentv1.InvokeRequest{
		AgentId:      "echo",
		Prompt:       "hello",
		OutputFormat: agentv1.OutputFormat_OUTPUT_FORMAT_JSON,
		OutputSchema: c.free(map[string]any{"type": "object", "properties": properties}),
	})
	result := c.waited(client, task.GetId()).GetResult()

	var output struct {
		Name  *string   `json:"name"`
		Count *int      `json:"count"`
		Share *float64  `json:"share"`
		IsNew *bool     `json:"is_new"`
		Tags  *[]string `json:"tags"`
	}
	decoder := json.NewDecoder(strings.NewReader(result))
	decoder.DisallowUnknownFields()
	c.ok(decoder.Decode(&output))
	c.holds("every key is there, in "+result, output.Name != nil && output.Count != nil &&
		output.Share != nil && output.IsNew != nil && output.Tags != nil)
}

func files(c *check) {
	urls := []string{"https://example.com/report.pdf", "https://example.com/data.csv"}
	attachments := []*agentv1.Attachment{{
		Url:        "https://example.com/scan.pdf",
		Name:       new("scan.pdf"),
		Mime:       new("application/pdf"),
		Size:       new(int64(5_000_000_000)),
		Kind:       agentv1.AttachmentKind_ATTACHMENT_KIND_PDF,
		Sha256:     new(strings.Repeat("ab", 32)),
		ExpiresAt:  new("2030-01-01T00:00:00Z"),
		Source:     new("upload"),
		Transcript: new("What the scan says"),
	}}
	task := c.created(c.agents("plain"), &agentv1.InvokeRequest{
		AgentId: "echo", Prompt: "hello", FileUrls: urls, Attachments: attachments,
	})
	c.equal("the files", task.GetInput().GetFiles(), urls)
	c.equal("the attachments", task.GetInput().GetAttachments(), attachments)
}

func userDetails(c *check) {
	user := &agentv1.User{
		Id:                   new("u-1"),
		FirstName:            new("Ann"),
		LastName:             new("Example"),
		Email:                "ann@example.com",
		AdditionalAttributes: c.free(map[string]any{"roles": []any{"admin", "author"}, "level": 3}),
		Timezone:             new("America/New_York"),
	}
	task := c.created(c.agents("plain"), &agentv1.InvokeRequest{AgentId: "echo", Prompt: "hello", UserDetails: user})
	c.equal("the user", task.GetInput().GetUser(), user)
}

func versionPin(c *check) {
	client := c.agents("plain")
	pinned := c.created(client, &agentv1.InvokeRequest{AgentId: "echo", AgentVersion: new("2")})
	c.equal("the pinned version", pinned.GetAgentVersion(), "2")
	current := c.created(client, &agentv1.InvokeRequest{AgentId: "echo"})
	c.equal("the version without a pin", current.GetAgentVersion(), "3")
	_, err := client.Invoke(c.call(), &agentv1.InvokeRequest{AgentId: "echo", AgentVersion: new("9")})
	c.failure(codes.NotFound, err)
}

func continueTask(c *check) {
	client := c.agents("plain")
	paused := c.waited(client, c.created(client, &agentv1.InvokeRequest{AgentId: "human", Prompt: "look"}).GetId())
	c.equal("the status", paused.GetStatus(), agentv1.TaskStatus_TASK_STATUS_PAUSED)
	c.holds("the task waits for a person", paused.GetHitlRequest() != nil)
	continued := c.created(client, &agentv1.InvokeRequest{
		AgentId: "human", Prompt: "go on", ExistingTaskId: new(paused.GetId()),
	})
	c.equal("the id", continued.GetId(), paused.GetId())
	c.equal("the result", c.waited(client, paused.GetId()).GetResult(), "Continued with: go on")
}

func wait(c *check) {
	client := c.agents("plain")
	slow := c.created(client, &agentv1.InvokeRequest{AgentId: "slow"}).GetId()
	answer, err := client.WaitTask(c.call(), &agentv1.WaitTaskRequest{
		TaskId: slow, Timeout: durationpb.New(300 * time.Millisecond),
	})
	c.ok(err)
	status := answer.GetTask().GetStatus()
	c.holds("the task goes on, and is not "+status.String(),
		status == agentv1.TaskStatus_TASK_STATUS_PENDING || status == agentv1.TaskStatus_TASK_STATUS_EXECUTING)
	c.stopped(client, slow)

	done := c.waited(client, c.created(client, &agentv1.InvokeRequest{AgentId: "echo", Prompt: "hello"}).GetId())
	c.equal("the status", done.GetStatus(), agentv1.TaskStatus_TASK_STATUS_COMPLETED)
	c.equal("the result", done.GetResult(), "hello")
}

func stop(c *check) {
	client := c.agents("plain")
	slow := c.created(client, &agentv1.InvokeRequest{AgentId: "slow"}).GetId()
	c.equal("what StopTask says", c.stopped(client, slow).GetStatus(), agentv1.TaskStatus_TASK_STATUS_STOPPED)
	c.equal("what GetTask says", c.read(client, slow).GetStatus(), agentv1.TaskStatus_TASK_STATUS_STOPPED)
}

func freeJSON(c *check) {
	numbers := []any{0.0, -1.0, 0.5, 1e30, 9007199254740991.0}
	payload := map[string]any{
		"a":     map[string]any{"b": map[string]any{"c": map[string]any{"d": numbers}}},
		"mixed": []any{"x", nil, true, map[string]any{}, []any{}},
		"none":  nil,
	}
	client := c.agents("plain")
	task := c.created(client, &agentv1.InvokeRequest{
		AgentId: "tools", Prompt: "hello", ToolCallPayloadExtension: c.free(payload),
	})
	for _, seen := range []*agentv1.Task{task, c.read(client, task.GetId())} {
		c.equal("the payload", seen.GetPayloadExtension().AsMap(), payload)
	}
}

func largeResult(c *check) {
	client := c.agents("plain")
	id := c.created(client, &agentv1.InvokeRequest{AgentId: "big", Prompt: strconv.Itoa(6 * mib)}).GetId()
	_, err := client.WaitTask(c.call(), &agentv1.WaitTaskRequest{TaskId: id})
	c.failure(codes.ResourceExhausted, err)
	roomy := c.agents("plain", grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64*mib)))
	c.equal("the result's length", len(c.waited(roomy, id).GetResult()), 6*mib)
}
