package main

import (
	"context"
	"crypto/rand"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	agentv1 "xpander-clients/gen/xpander/agent/v1"
)

// One task for each idempotency key, however many calls it takes.
var creating = []scenario{{"request-id", requestID}}

func once(ctx context.Context, client agentv1.AgentServiceClient, request *agentv1.InvokeRequest, attempts int) (*agentv1.Task, error) {
	for {
		answer, err := client.Invoke(ctx, request)
		if err == nil {
			return answer.GetTask(), nil
		}
		attempts--
		wait, helps := pause(err)
		if attempts == 0 || !helps {
			return nil, err
		}
		time.Sleep(wait)
	}
}

func pause(err error) (wait time.Duration, helps bool) {
	failed := details(err)
	switch failed.info.GetMetadata()["outcome"] {
	case "not_created":
		if failed.retry != nil {
			return failed.retry.GetRetryDelay().AsDuration(), true
		}
		return time.Second, status.Code(err) == codes.Unavailable
	case "unknown":
		return 0, false
	default:
		// There may be a task: the same id finds it with one replica or a store that all share, else makes a second.
		return time.Second, true
	}
}

func requestID(c *check) {
	client := c.agents("plain")
	request := &agentv1.InvokeRequest{AgentId: "echo", Prompt: "hello", RequestId: rand.Text()}
	task, err := once(c.call(), client, request, 5)
	c.ok(err)
	again, err := once(c.call(), client, request, 5)
	c.ok(err)
	c.equal("the repeat's task", again.GetId(), task.GetId())

	other := &agentv1.InvokeRequest{AgentId: "echo", Prompt: "other", RequestId: request.GetRequestId()}
	_, err = once(c.call(), client, other, 5)
	c.equal("the fields", c.failure(codes.InvalidArgument, err).fields, []string{"request_id"})

	limited := &agentv1.InvokeRequest{AgentId: "http-429", RequestId: rand.Text()}
	begun := time.Now()
	_, err = once(c.within(30*time.Second), client, limited, 2)
	c.failure(codes.ResourceExhausted, err)
	c.holds("it has waited as RetryInfo says", time.Since(begun) >= 2*time.Second)
}
