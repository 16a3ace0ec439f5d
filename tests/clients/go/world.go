package main

import (
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	agentv1 "xpander-clients/gen/xpander/agent/v1"
)

const service = "xpander.agent.v1.AgentService"

func address(server string) string {
	return os.Getenv("CLIENTS_" + strings.ToUpper(server))
}

func (c *check) content(variable string) []byte {
	content, err := os.ReadFile(os.Getenv(variable))
	c.ok(err)
	return content
}

// dial is a connection to a target, closed when the scenario is over.
func (c *check) dial(target string, options ...grpc.DialOption) *grpc.ClientConn {
	conn, err := grpc.NewClient(target, options...)
	c.ok(err)
	c.cleanups = append(c.cleanups, func() { conn.Close() })
	return conn
}

var cleartext = grpc.WithTransportCredentials(insecure.NewCredentials())

// agents is a client of one of the servers in cleartext, by name.
func (c *check) agents(server string, options ...grpc.DialOption) agentv1.AgentServiceClient {
	return agentv1.NewAgentServiceClient(c.dial(address(server), append(options, cleartext)...))
}

// created invokes an agent.
func (c *check) created(client agentv1.AgentServiceClient, request *agentv1.InvokeRequest) *agentv1.Task {
	answer, err := client.Invoke(c.call(), request)
	c.ok(err)
	return answer.GetTask()
}

// streamed invokes an agent, with events, and is the task's id.
func (c *check) streamed(client agentv1.AgentServiceClient, agent, prompt string) string {
	return c.created(client, &agentv1.InvokeRequest{AgentId: agent, Prompt: prompt, EventsStreaming: true}).GetId()
}

func (c *check) read(client agentv1.AgentServiceClient, id string) *agentv1.Task {
	answer, err := client.GetTask(c.call(), &agentv1.GetTaskRequest{TaskId: id})
	c.ok(err)
	return answer.GetTask()
}

func (c *check) waited(client agentv1.AgentServiceClient, id string) *agentv1.Task {
	answer, err := client.WaitTask(c.call(), &agentv1.WaitTaskRequest{TaskId: id})
	c.ok(err)
	return answer.GetTask()
}

func (c *check) stopped(client agentv1.AgentServiceClient, id string) *agentv1.Task {
	answer, err := client.StopTask(c.call(), &agentv1.StopTaskRequest{TaskId: id})
	c.ok(err)
	return answer.GetTask()
}
