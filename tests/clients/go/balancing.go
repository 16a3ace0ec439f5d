package main

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/health" // the service config's health checks
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	agentv1 "xpander-clients/gen/xpander/agent/v1"
)

// The service config that is shipped: what is retried, and which replica is called.
var balancing = []scenario{
	{"service-config-retries", retries},
	{"service-config-replicas", bothReplicas},
}

func (c *check) shipped() grpc.DialOption {
	return grpc.WithDefaultServiceConfig(string(c.content("CLIENTS_SERVICE_CONFIG")))
}

// calls counts the calls of a method that a server has answered, whatever it answered.
func (c *check) calls(server, method string) int {
	page, err := http.Get("http://" + address(server+"_admin") + "/metrics")
	c.ok(err)
	defer page.Body.Close()
	sum := 0
	for lines := bufio.NewScanner(page.Body); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "rpc_server_call_duration_seconds_count") &&
			strings.Contains(line, `rpc_method="`+service+"/"+method+`"`) {
			count, err := strconv.Atoi(line[strings.LastIndex(line, " ")+1:])
			c.ok(err)
			sum += count
		}
	}
	return sum
}

func retries(c *check) {
	client := c.agents("unreachable", c.shipped())
	task := "some-task"
	tries := []struct {
		method string
		times  int
		call   func() error
	}{
		{"GetTask", 4, func() error {
			_, err := client.GetTask(c.call(), &agentv1.GetTaskRequest{TaskId: task})
			return err
		}},
		{"WaitTask", 4, func() error {
			_, err := client.WaitTask(c.call(), &agentv1.WaitTaskRequest{TaskId: task})
			return err
		}},
		{"StreamEvents", 4, func() error {
			_, err := rest(c.follow(client, &agentv1.StreamEventsRequest{TaskId: task}))
			return err
		}},
		{"Invoke", 1, func() error {
			_, err := client.Invoke(c.call(), &agentv1.InvokeRequest{AgentId: "echo"})
			return err
		}},
		{"InvokeStream", 1, func() error {
			stream, err := client.InvokeStream(c.call(), &agentv1.InvokeStreamRequest{
				Invocation: &agentv1.InvokeRequest{AgentId: "echo"},
			})
			c.ok(err)
			_, err = rest(stream)
			return err
		}},
		{"StopTask", 1, func() error {
			_, err := client.StopTask(c.call(), &agentv1.StopTaskRequest{TaskId: task})
			return err
		}},
	}
	for _, try := range tries {
		before := c.calls("unreachable", try.method)
		failed := c.failure(codes.Unavailable, try.call())
		c.equal("the reason", failed.info.GetReason(), "PLATFORM_UNREACHABLE")
		c.until(try.method+" is sent "+strconv.Itoa(try.times)+" times", soon, func() bool {
			return c.calls("unreachable", try.method)-before >= try.times
		})
		c.equal("how often "+try.method+" is sent", c.calls("unreachable", try.method)-before, try.times)
	}
}

// replicas is a connection to several addresses, as a name that resolves to all of
// them would make it.
func (c *check) replicas(addresses ...string) *grpc.ClientConn {
	names := manual.NewBuilderWithScheme("replicas")
	state := resolver.State{}
	for _, address := range addresses {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
	}
	names.InitialState(state)
	return c.dial("replicas:///localhost", grpc.WithResolvers(names), c.shipped(), cleartext)
}

func bothReplicas(c *check) {
	client := agentv1.NewAgentServiceClient(c.replicas(address("replica1"), address("replica2")))
	before := []int{c.calls("replica1", "GetTask"), c.calls("replica2", "GetTask")}
	c.until("both replicas have answered", soon, func() bool {
		_, err := client.GetTask(c.call(), &agentv1.GetTaskRequest{TaskId: "nope"})
		c.failure(codes.NotFound, err)
		return c.calls("replica1", "GetTask") > before[0] && c.calls("replica2", "GetTask") > before[1]
	})
}
