package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"

	"github.com/jhump/protoreflect/v2/grpcreflect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protoreflect"

	agentv1 "xpander-clients/gen/xpander/agent/v1"
)

// What surrounds the calls: metadata, reflection, health and TLS.
var connecting = []scenario{
	{"metadata", requestIDs},
	{"reflection", reflection},
	{"health", health},
	{"tls", serverTLS},
	{"mtls", mutualTLS},
}

func requestIDs(c *check) {
	client, echo := c.agents("plain"), &agentv1.InvokeRequest{AgentId: "echo"}
	var header, trailer metadata.MD
	named := metadata.AppendToOutgoingContext(c.call(), "x-request-id", "go-1")
	_, err := client.Invoke(named, echo, grpc.Header(&header))
	c.ok(err)
	c.equal("the request id", header.Get("x-request-id"), []string{"go-1"})

	_, err = client.Invoke(c.call(), echo, grpc.Header(&header))
	c.ok(err)
	c.holds("there is a request id", len(header.Get("x-request-id")) == 1 && header.Get("x-request-id")[0] != "")

	named = metadata.AppendToOutgoingContext(c.call(), "x-request-id", "go-2")
	_, err = client.GetTask(named, &agentv1.GetTaskRequest{TaskId: "nope"}, grpc.Trailer(&trailer))
	c.failure(codes.NotFound, err)
	// An answer without a message has its headers among its trailers.
	c.equal("the failure's request id", trailer.Get("x-request-id"), []string{"go-2"})
}

func reflection(c *check) {
	client := grpcreflect.NewClientAuto(c.call(), c.dial(address("plain"), cleartext))
	names, err := client.ListServices()
	c.ok(err)
	listed := map[protoreflect.FullName]bool{}
	for _, name := range names {
		listed[name] = true
	}
	c.holds(service+" is listed", listed[service])

	file, err := client.FileContainingSymbol(service)
	c.ok(err)
	methods := file.Services().ByName("AgentService").Methods()
	c.equal("the number of methods", methods.Len(), 9)
	expected := []protoreflect.Name{"Invoke", "StreamEvents", "InvokeStream", "GetTask", "WaitTask", "StopTask"}
	for _, name := range append(expected, "ListAgents", "ListTasks", "GetTaskActivity") {
		c.holds("there is the method "+string(name), methods.ByName(name) != nil)
	}
}

func health(c *check) {
	client := grpc_health_v1.NewHealthClient(c.dial(address("plain"), cleartext))
	for _, name := range []string{"", service} {
		request := &grpc_health_v1.HealthCheckRequest{Service: name}
		checked, err := client.Check(c.call(), request)
		c.ok(err)
		c.equal("Check", checked.GetStatus(), grpc_health_v1.HealthCheckResponse_SERVING)
		watch, err := client.Watch(c.call(), request)
		c.ok(err)
		watched, err := watch.Recv()
		c.ok(err)
		c.equal("Watch", watched.GetStatus(), grpc_health_v1.HealthCheckResponse_SERVING)
	}
	_, err := client.Check(c.call(), &grpc_health_v1.HealthCheckRequest{Service: "nobody"})
	c.failure(codes.NotFound, err)
}

// invoke calls a server over TLS.
func (c *check) invoke(server string, config *tls.Config) error {
	conn := c.dial(address(server), grpc.WithTransportCredentials(credentials.NewTLS(config)))
	_, err := agentv1.NewAgentServiceClient(conn).Invoke(c.call(), &agentv1.InvokeRequest{AgentId: "echo"})
	return err
}

// authority is a pool with the authority of the tests' certificates.
func (c *check) authority() *x509.CertPool {
	pool := x509.NewCertPool()
	c.holds("the authority is read", pool.AppendCertsFromPEM(c.content("CLIENTS_CA")))
	return pool
}

func serverTLS(c *check) {
	c.ok(c.invoke("tls", &tls.Config{RootCAs: c.authority()}))
	c.failure(codes.Unavailable, c.invoke("tls", &tls.Config{}))
}

func mutualTLS(c *check) {
	certificate, err := tls.LoadX509KeyPair(os.Getenv("CLIENTS_CERT"), os.Getenv("CLIENTS_KEY"))
	c.ok(err)
	c.ok(c.invoke("mtls", &tls.Config{RootCAs: c.authority(), Certificates: []tls.Certificate{certificate}}))
	c.failure(codes.Unavailable, c.invoke("mtls", &tls.Config{RootCAs: c.authority()}))
}
