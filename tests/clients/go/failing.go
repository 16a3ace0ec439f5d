package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	agentv1 "xpander-clients/gen/xpander/agent/v1"
)

// Errors, read as grpc-go's users read them, and calls that are wrong on purpose.
var failing = []scenario{
	{"error-details", errorDetails},
	{"limited", limited},
	{"missing-agent", missingAgent},
	{"bad-email", badEmail},
	{"unknown-task", unknownTask},
	{"not-streaming", notStreaming},
	{"closed-stream", closedStream},
	{"wrong-token", wrongToken},
}

// refused invokes an agent in a way that has to fail.
func (c *check) refused(code codes.Code, server string, request *agentv1.InvokeRequest) failure {
	_, err := c.agents(server).Invoke(c.call(), request)
	return c.failure(code, err)
}

func errorDetails(c *check) {
	limited := c.refused(codes.ResourceExhausted, "plain", &agentv1.InvokeRequest{AgentId: "http-429"})
	c.equal("the domain", limited.info.GetDomain(), "xpander.ai")
	c.equal("the reason", limited.info.GetReason(), "PLATFORM_RATE_LIMITED")
	c.equal("the HTTP status", limited.info.GetMetadata()["http_status"], "429")
	c.equal("the outcome", limited.info.GetMetadata()["outcome"], "not_created")
	c.equal("the retry delay", limited.retry.GetRetryDelay().AsDuration(), 2*time.Second)

	refused := c.refused(codes.InvalidArgument, "plain", &agentv1.InvokeRequest{AgentId: "http-422"})
	c.equal("the fields", refused.fields, []string{"prompt"})
}

func limited(c *check) {
	client := c.agents("limited")
	_, err := client.Invoke(c.call(), &agentv1.InvokeRequest{AgentId: "echo"})
	if err == nil {
		_, err = client.Invoke(c.call(), &agentv1.InvokeRequest{AgentId: "echo"})
	}
	refused := c.failure(codes.ResourceExhausted, err)
	c.equal("the reason", refused.info.GetReason(), "CALLER_LIMITED")
	c.equal("the limits", refused.limits, []string{"limits.creates_per_second"})
	c.equal("the outcome", refused.info.GetMetadata()["outcome"], "not_created")
	wait := refused.retry.GetRetryDelay().AsDuration()
	c.holds("the wait is exact", wait >= time.Second && wait <= 100*time.Second)
}

func missingAgent(c *check) {
	nameless := c.refused(codes.InvalidArgument, "unreachable", &agentv1.InvokeRequest{Prompt: "hello"})
	c.equal("the fields", nameless.fields, []string{"agent_id"})
	c.holds("'"+nameless.text+"' names the field", strings.Contains(nameless.text, "agent_id"))

	unknown := c.refused(codes.NotFound, "plain", &agentv1.InvokeRequest{AgentId: "nobody"})
	c.equal("the agent", unknown.info.GetMetadata()["agent_id"], "nobody")
}

func badEmail(c *check) {
	wrong := c.refused(codes.InvalidArgument, "plain", &agentv1.InvokeRequest{
		AgentId:     "echo",
		UserDetails: &agentv1.User{FirstName: new("Ann")},
		FileUrls:    []string{"not a URL"},
	})
	slices.Sort(wrong.fields)
	c.equal("the fields", wrong.fields, []string{"file_urls[0]", "user_details.email"})
	for _, field := range wrong.fields {
		c.holds("'"+wrong.text+"' names "+field, strings.Contains(wrong.text, field))
	}
}

func unknownTask(c *check) {
	client := c.agents("plain")
	_, read := client.GetTask(c.call(), &agentv1.GetTaskRequest{TaskId: "nope"})
	_, waited := client.WaitTask(c.call(), &agentv1.WaitTaskRequest{TaskId: "nope"})
	_, stopped := client.StopTask(c.call(), &agentv1.StopTaskRequest{TaskId: "nope"})
	_, followed := rest(c.follow(client, &agentv1.StreamEventsRequest{TaskId: "nope"}))
	for _, err := range []error{read, waited, stopped, followed} {
		unknown := c.failure(codes.NotFound, err)
		c.equal("the reason", unknown.info.GetReason(), "PLATFORM_NOT_FOUND")
		c.equal("the task", unknown.info.GetMetadata()["task_id"], "nope")
	}
}

func notStreaming(c *check) {
	client := c.agents("plain")
	id := c.created(client, &agentv1.InvokeRequest{AgentId: "slow", Prompt: "2000"}).GetId()
	_, err := rest(c.follow(client, &agentv1.StreamEventsRequest{TaskId: id}))
	silent := c.failure(codes.FailedPrecondition, err)
	c.equal("the reason", silent.info.GetReason(), "TASK_NOT_STREAMING")
	c.equal("the task", silent.info.GetMetadata()["task_id"], id)
	c.stopped(client, id)
}

func closedStream(c *check) {
	conn := c.dial(address("plain"), cleartext)
	client := agentv1.NewAgentServiceClient(conn)
	id := c.streamed(client, "slow", "2000")
	ctx, cancel := c.cancellable()
	stream, err := client.StreamEvents(ctx, &agentv1.StreamEventsRequest{TaskId: id})
	c.ok(err)
	_, err = stream.Recv()
	c.ok(err)
	cancel()
	for range 2 {
		_, err = rest(stream)
		c.failure(codes.Canceled, err)
	}
	c.stopped(client, id)

	c.ok(conn.Close())
	_, err = client.GetTask(c.call(), &agentv1.GetTaskRequest{TaskId: id})
	closed := c.failure(codes.Canceled, err)
	c.holds("'"+closed.text+"' says what is wrong", strings.Contains(closed.text, "connection is closing"))
}

func wrongToken(c *check) {
	client := c.agents("tokens")
	nope := &agentv1.GetTaskRequest{TaskId: "nope"}
	with := func(token string) context.Context {
		return metadata.AppendToOutgoingContext(c.call(), "authorization", "Bearer "+token)
	}
	_, err := client.GetTask(with(os.Getenv("CLIENTS_TOKEN")), nope)
	c.failure(codes.NotFound, err)

	for _, ctx := range []context.Context{c.call(), with("wrong-token")} {
		_, err := client.GetTask(ctx, nope)
		refused := c.failure(codes.Unauthenticated, err)
		c.equal("the reason", refused.info.GetReason(), "CALLER_UNAUTHENTICATED")
		c.holds("'"+refused.text+"' does not repeat the token", !strings.Contains(refused.text, "wrong-token"))
	}
}
