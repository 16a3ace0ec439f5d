// Invokes an agent and prints what it says, as it says it: go run . SERVER
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	agentv1 "example/gen/xpander/agent/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	request := &agentv1.InvokeRequest{AgentId: "echo", Prompt: "hello from Go"}
	stream, err := agentv1.NewAgentServiceClient(conn).
		InvokeStream(context.Background(), &agentv1.InvokeStreamRequest{Invocation: request})
	check(err)
	for message, err := stream.Recv(); err != io.EOF; message, err = stream.Recv() {
		check(err)
		if task, event := message.GetTask(), message.GetEvent(); task != nil {
			fmt.Println("task", task.GetId())
		} else if event.GetType() == agentv1.EventType_EVENT_TYPE_TASK_FINISHED {
			status := strings.TrimPrefix(event.GetTask().GetStatus().String(), "TASK_STATUS_")
			fmt.Printf("\n%s: %s\n", strings.ToLower(status), event.GetTask().GetResult())
		}
		fmt.Print(message.GetEvent().GetChunk())
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
