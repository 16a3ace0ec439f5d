package main

import (
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	agentv1 "xpander-clients/gen/xpander/agent/v1"
)

// Streams: to their ends, and away from them.
var following = []scenario{
	{"stream", stream},
	{"one-call-stream", oneCallStream},
	{"deadline", deadline},
	{"cancel", cancel},
	{"struct-in-events", numbersInEvents},
	{"heartbeat", heartbeat},
	{"resume", resume},
}

// events is a stream of a task's events.
type events = grpc.ServerStreamingClient[agentv1.StreamEventsResponse]

func (c *check) follow(client agentv1.AgentServiceClient, request *agentv1.StreamEventsRequest) events {
	stream, err := client.StreamEvents(c.call(), request)
	c.ok(err)
	return stream
}

// next is the next event for which it is so.
func (c *check) next(stream events, isSo func(*agentv1.TaskEvent) bool) *agentv1.TaskEvent {
	for {
		message, err := stream.Recv()
		c.ok(err)
		if isSo(message.GetEvent()) {
			return message.GetEvent()
		}
	}
}

func ofType(wanted agentv1.EventType) func(*agentv1.TaskEvent) bool {
	return func(event *agentv1.TaskEvent) bool { return event.GetType() == wanted }
}

// rest reads a stream to its end; without an error where it ends with OK.
func rest[M any](stream grpc.ServerStreamingClient[M]) ([]*M, error) {
	var messages []*M
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return messages, nil
		}
		if err != nil {
			return messages, err
		}
		messages = append(messages, message)
	}
}

func stream(c *check) {
	client := c.agents("plain")
	id := c.streamed(client, "tools", "hello there")
	messages, err := rest(c.follow(client, &agentv1.StreamEventsRequest{TaskId: id}))
	c.ok(err)

	var chunks strings.Builder
	kinds, unknown := map[string]bool{}, map[string]bool{}
	for _, message := range messages {
		event := message.GetEvent()
		chunks.WriteString(event.GetChunk())
		reflected := event.ProtoReflect()
		if data := reflected.WhichOneof(reflected.Descriptor().Oneofs().ByName("data")); data != nil {
			kinds[string(data.Name())] = true
		}
		if event.GetType() == agentv1.EventType_EVENT_TYPE_UNSPECIFIED {
			unknown[event.GetTypeName()] = true
		}
	}
	last := messages[len(messages)-1].GetEvent()
	c.equal("the last event", last.GetType(), agentv1.EventType_EVENT_TYPE_TASK_FINISHED)
	c.equal("its task's status", last.GetTask().GetStatus(), agentv1.TaskStatus_TASK_STATUS_COMPLETED)
	c.equal("its task's result", last.GetTask().GetResult(), "Looked into it: hello there")
	c.equal("the text of the chunks", chunks.String(), last.GetTask().GetResult())
	for _, kind := range []string{"task", "chunk", "tool_call_request", "tool_call_result", "reasoning", "plan",
		"auth", "sub_agent_trigger", "other"} {
		c.holds("there is an event with "+kind, kinds[kind])
	}
	c.equal("types of tomorrow", unknown, map[string]bool{"quantum_leap": true})
}

func oneCallStream(c *check) {
	stream, err := c.agents("plain").InvokeStream(c.call(), &agentv1.InvokeStreamRequest{
		Invocation: &agentv1.InvokeRequest{AgentId: "echo", Prompt: "hello"},
	})
	c.ok(err)
	messages, err := rest(stream)
	c.ok(err)
	task := messages[0].GetTask()
	c.holds("the first message is the task", task != nil)
	for _, message := range messages[1:] {
		c.holds("the other messages are events", message.GetEvent() != nil)
	}
	last := messages[len(messages)-1].GetEvent()
	c.equal("the last event", last.GetType(), agentv1.EventType_EVENT_TYPE_TASK_FINISHED)
	c.equal("its task", last.GetTask().GetId(), task.GetId())
}

func deadline(c *check) {
	client := c.agents("plain")
	id := c.streamed(client, "slow", "")
	stream, err := client.StreamEvents(c.within(500*time.Millisecond), &agentv1.StreamEventsRequest{TaskId: id})
	c.ok(err)
	messages, err := rest(stream)
	c.failure(codes.DeadlineExceeded, err)
	c.holds("events came before the deadline", len(messages) > 0)
	c.stopped(client, id)
}

func cancel(c *check) {
	client := c.agents("plain")
	id := c.streamed(client, "slow", "")
	ctx, cancel := c.cancellable()
	stream, err := client.StreamEvents(ctx, &agentv1.StreamEventsRequest{TaskId: id})
	c.ok(err)
	c.next(stream, ofType(agentv1.EventType_EVENT_TYPE_CHUNK))
	cancel()
	_, err = rest(stream)
	c.failure(codes.Canceled, err)
	c.equal("the status", c.read(client, id).GetStatus(), agentv1.TaskStatus_TASK_STATUS_EXECUTING)
	c.stopped(client, id)
}

func numbersInEvents(c *check) {
	client := c.agents("plain")
	stream := c.follow(client, &agentv1.StreamEventsRequest{TaskId: c.streamed(client, "tools", "")})
	event := c.next(stream, ofType(agentv1.EventType_EVENT_TYPE_TOOL_CALL_REQUEST))
	payload := event.GetToolCallRequest().GetPayload().GetStructValue().AsMap()
	c.equal("an integer that no double holds", payload["row"], "9007199254740993")
	c.equal("a fraction", payload["ratio"], 0.25)
}

func heartbeat(c *check) {
	client := c.agents("plain")
	id := c.streamed(client, "human", "")
	stream := c.follow(client, &agentv1.StreamEventsRequest{
		TaskId: id, Heartbeat: durationpb.New(100 * time.Millisecond),
	})
	for range 3 {
		c.next(stream, ofType(agentv1.EventType_EVENT_TYPE_HEARTBEAT))
	}
	c.stopped(client, id)
	messages, err := rest(stream)
	c.ok(err)
	c.holds("the last event says that the task is over",
		messages[len(messages)-1].GetEvent().GetType() == agentv1.EventType_EVENT_TYPE_TASK_FINISHED)
}

func resume(c *check) {
	client := c.agents("plain")
	id := c.streamed(client, "tools", "")
	ctx, cancel := c.cancellable()
	left, err := client.StreamEvents(ctx, &agentv1.StreamEventsRequest{TaskId: id})
	c.ok(err)
	// The handshake of each stream has no id.
	hasID := func(event *agentv1.TaskEvent) bool { return event.GetEventId() != "" }
	var ids []string
	for range 5 {
		ids = append(ids, c.next(left, hasID).GetEventId())
	}
	cancel()

	resumed := c.follow(client, &agentv1.StreamEventsRequest{TaskId: id, LastEventId: ids[4]})
	messages, err := rest(resumed)
	c.ok(err)
	for _, message := range messages {
		if hasID(message.GetEvent()) {
			ids = append(ids, message.GetEvent().GetEventId())
		}
	}
	c.holds("there were events after the first five", len(ids) > 5)
	var expected []string
	for i := range ids {
		expected = append(expected, strconv.Itoa(i+1))
	}
	c.holds("the ids have no gap and no repetition: "+strings.Join(ids, " "), slices.Equal(ids, expected))
}
