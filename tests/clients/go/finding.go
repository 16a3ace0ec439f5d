package main

import (
	"crypto/rand"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	agentv1 "xpander-clients/gen/xpander/agent/v1"
)

// Finding things again: a create whose outcome is unknown, and what a gap has hidden.
var finding = []scenario{
	{"lists", lists},
	{"find-again", findAgain},
	{"read-gap", readGap},
	{"conversation", conversation},
}

// find is the task that was asked for since then, or nil if it was not created: none
// is skipped, however many there are.
func (c *check) find(client agentv1.AgentServiceClient, agent, title string, since time.Time) *agentv1.TaskSummary {
	request := &agentv1.ListTasksRequest{AgentId: agent, PageSize: 1000}
	for {
		page, err := client.ListTasks(c.call(), request)
		c.ok(err)
		for _, task := range page.GetTasks() {
			if task.GetCreatedAt().AsTime().Before(since) {
				return nil
			}
			if task.GetTitle() == title {
				return task
			}
		}
		if request.PageToken = page.GetNextPageToken(); request.PageToken == "" {
			return nil
		}
	}
}

// happened is what has happened in a task so far, gaps or not.
func (c *check) happened(client agentv1.AgentServiceClient, id string) []*agentv1.ActivityEntry {
	stream, err := client.GetTaskActivity(c.call(), &agentv1.GetTaskActivityRequest{TaskId: id})
	c.ok(err)
	messages, err := rest(stream)
	c.ok(err)
	var entries []*agentv1.ActivityEntry
	for _, message := range messages {
		if entry := message.GetEntry(); entry != nil {
			entries = append(entries, entry)
		}
	}
	return entries
}

func lists(c *check) {
	client := c.agents("plain")
	seen := map[string]int{}
	var ids []string
	for range 3 {
		ids = append(ids, c.created(client, &agentv1.InvokeRequest{AgentId: "burst", Prompt: "1"}).GetId())
	}
	answer, err := client.ListAgents(c.call(), &agentv1.ListAgentsRequest{})
	c.ok(err)
	names := map[string]bool{}
	for _, agent := range answer.GetAgents() {
		names[agent.GetId()] = true
	}
	c.holds("the agents are listed", names["echo"] && names["chat"])
	request := &agentv1.ListTasksRequest{AgentId: "burst", PageSize: 1}
	for {
		page, err := client.ListTasks(c.call(), request)
		c.ok(err)
		for _, task := range page.GetTasks() {
			seen[task.GetId()]++
		}
		if page.GetNextPageToken() == "" {
			break
		}
		request.PageToken = page.GetNextPageToken()
	}
	for _, id := range ids {
		c.equal("how often a task is listed", seen[id], 1)
	}
	request.AgentId = "echo"
	_, err = client.ListTasks(c.call(), request)
	c.equal("the fields", c.failure(codes.InvalidArgument, err).fields, []string{"page_token"})
}

func findAgain(c *check) {
	client, title, since := c.agents("plain"), rand.Text(), time.Now().Add(-time.Minute)
	_, err := client.Invoke(c.call(), &agentv1.InvokeRequest{AgentId: "http-504", Title: &title})
	c.equal("the reason", c.failure(codes.DeadlineExceeded, err).info.GetReason(), "CREATE_OUTCOME_UNKNOWN")
	// It is not there: it is safe to create again, under a new request_id.
	c.holds("it was not created", c.find(client, "http-504", title, since) == nil)
	task := c.created(client, &agentv1.InvokeRequest{AgentId: "echo", Title: &title, RequestId: rand.Text()})
	c.equal("the task that was found", c.find(client, "echo", title, since).GetId(), task.GetId())
}

func readGap(c *check) {
	client := c.agents("plain")
	id := c.streamed(client, "tools", "hello")
	stream := c.follow(client, &agentv1.StreamEventsRequest{TaskId: id})
	_, err := stream.Recv()
	c.ok(err)
	c.holds("there is a log already", len(c.happened(client, id)) > 0)
	messages, err := rest(stream)
	c.ok(err)
	entries := c.happened(client, id)
	var tools []string
	for _, entry := range entries {
		if call := entry.GetToolCall(); call != nil {
			tools = append(tools, call.GetToolName())
		}
	}
	c.equal("the tools that were called", tools, []string{"search", "sql"})
	last := entries[len(entries)-1].GetMessage()
	c.equal("who spoke last", last.GetRole(), agentv1.ActivityRole_ACTIVITY_ROLE_AGENT)
	c.equal("what it said", last.GetText(), messages[len(messages)-1].GetEvent().GetTask().GetResult())
}

func conversation(c *check) {
	client := c.agents("plain")
	head := c.waited(client, c.created(client, &agentv1.InvokeRequest{AgentId: "chat", Prompt: "one"}).GetId())
	request := &agentv1.InvokeRequest{AgentId: "chat", Prompt: "two", ExistingTaskId: proto.String(head.GetConversationId())}
	turn := c.waited(client, c.created(client, request).GetId())
	c.holds("the turn has an id of its own", turn.GetId() != head.GetId())
	c.equal("its conversation", turn.GetConversationId(), head.GetId())
	c.equal("its result", turn.GetResult(), "two")
}
