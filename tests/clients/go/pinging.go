package main

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"

	agentv1 "xpander-clients/gen/xpander/agent/v1"
)

// Pings as docs/callers.md advises them, but more often: a connection that dies
// without a word is noticed.
var pinging = []scenario{{"keepalive", keepAlive}}

// relay is one connection to the server, passed on until it is frozen: then it stays
// open, and nothing comes through.
type relay struct {
	address string
	frozen  atomic.Bool
}

func (c *check) relay() *relay {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	c.ok(err)
	c.cleanups = append(c.cleanups, func() { listener.Close() })
	relay := &relay{address: listener.Addr().String()}
	go relay.accept(listener)
	return relay
}

func (r *relay) accept(listener net.Listener) {
	caller, err := listener.Accept()
	if err != nil {
		return
	}
	server, err := net.Dial("tcp", address("plain"))
	if err != nil {
		caller.Close()
		return
	}
	go r.copy(caller, server)
	r.copy(server, caller)
}

func (r *relay) copy(to io.Writer, from io.Reader) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if !r.frozen.Load() {
			to.Write(buffer[:n])
		}
	}
}

func keepAlive(c *check) {
	relay, client := c.relay(), c.agents("plain")
	id := c.streamed(client, "human", "")
	// grpc-go takes nothing shorter than ten seconds between two pings.
	pings := grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: time.Second})
	pinging := agentv1.NewAgentServiceClient(c.dial(relay.address, cleartext, pings))
	stream, err := pinging.StreamEvents(c.within(30*time.Second), &agentv1.StreamEventsRequest{TaskId: id})
	c.ok(err)
	c.next(stream, ofType(agentv1.EventType_EVENT_TYPE_CHUNK))
	relay.frozen.Store(true)
	_, err = rest(stream)
	lost := c.failure(codes.Unavailable, err)
	c.holds("'"+lost.text+"' tells of a ping", strings.Contains(lost.text, "ping"))
	c.stopped(client, id)
}
