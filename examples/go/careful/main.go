// Invokes an agent as production code does: with TLS, a token, deadlines and the service config, one task however often it
// is asked for, and its events followed to the task's end, across connections and replicas.
//
//	CA_FILE=ca.pem TOKEN=… SERVICE_CONFIG=agent_grpc_service_config.json go run ./careful SERVER AGENT PROMPT
//
// With ONE_STORE=yes too, where there is one replica, or all share a store (`deduplication.store`).
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	agentv1 "example/gen/xpander/agent/v1"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/health" // the health checks that the service config asks for
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Without it, a create that is sent again may reach a replica that does not know its key, and makes a second task.
var oneStore = os.Getenv("ONE_STORE") == "yes"

// bearer is a token, shown with each call and over TLS alone.
type bearer string

func (token bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(token)}, nil
}

func (bearer) RequireTransportSecurity() bool { return true }

func connect(server string) *grpc.ClientConn {
	tls, err := credentials.NewClientTLSFromFile(os.Getenv("CA_FILE"), "")
	check(err)
	config, err := os.ReadFile(os.Getenv("SERVICE_CONFIG"))
	check(err)
	conn, err := grpc.NewClient(server,
		grpc.WithTransportCredentials(tls),
		grpc.WithPerRPCCredentials(bearer(os.Getenv("TOKEN"))),
		grpc.WithDefaultServiceConfig(string(config)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 15 * time.Second, Timeout: 10 * time.Second}))
	check(err)
	return conn
}

// again says whether calling again may help. It harms no stream, which has its last event; a create only as its
// outcome says.
func again(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Internal, codes.Unknown:
		return true
	}
	return false
}

func create(client agentv1.AgentServiceClient, request *agentv1.InvokeRequest) (*agentv1.Task, error) {
	unsure := false
	for attempt := range 5 {
		ctx, cancel := context.WithTimeout(context.Background(), 150*time.Second)
		answer, err := client.Invoke(ctx, request)
		cancel()
		if err == nil {
			return answer.GetTask(), nil
		}
		told := outcome(err)
		unsure = unsure || told != "not_created"
		safe := told == "not_created" || oneStore && told != "unknown"
		if !again(err) || attempt == 4 || !safe {
			if unsure {
				err = fmt.Errorf("there may be a task: look for it before you create another: %w", err)
			}
			return nil, err
		}
		time.Sleep(time.Second << attempt)
	}
	panic("never reached")
}

// outcome is what the proxy says of the task. Nothing, where it was not the proxy that answered.
func outcome(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.GetMetadata()["outcome"]
		}
	}
	return ""
}

func follow(client agentv1.AgentServiceClient, taskID string, show func(*agentv1.TaskEvent)) error {
	last, failures := "", 0
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		request := &agentv1.StreamEventsRequest{
			TaskId: taskID, LastEventId: last, Heartbeat: durationpb.New(20 * time.Second)}
		stream, err := client.StreamEvents(ctx, request)
		for err == nil {
			var message *agentv1.StreamEventsResponse
			if message, err = stream.Recv(); err == nil {
				failures = 0
				if id := message.GetEvent().GetEventId(); id != "" {
					last = id
				}
				show(message.GetEvent())
			}
		}
		cancel()
		if err == io.EOF {
			return nil
		}
		if failures++; failures > 5 || !again(err) {
			return err
		}
		log.Print("resumed after event ", last)
		time.Sleep(time.Duration(failures) * time.Second)
	}
}

func main() {
	client := agentv1.NewAgentServiceClient(connect(os.Args[1]))
	task, err := create(client, &agentv1.InvokeRequest{
		AgentId: os.Args[2], Prompt: os.Args[3], EventsStreaming: true, RequestId: rand.Text()})
	check(err)
	fmt.Println("task", task.GetId())
	check(follow(client, task.GetId(), func(event *agentv1.TaskEvent) {
		fmt.Print(event.GetChunk())
		if event.GetType() == agentv1.EventType_EVENT_TYPE_TASK_FINISHED {
			// A task that failed is no failed call: its status says so.
			status := strings.TrimPrefix(event.GetTask().GetStatus().String(), "TASK_STATUS_")
			fmt.Printf("\n%s: %s\n", strings.ToLower(status), event.GetTask().GetResult())
		}
	}))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
