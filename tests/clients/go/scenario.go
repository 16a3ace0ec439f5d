package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
)

// soon is what a call may take, unless its scenario says otherwise.
const soon = 10 * time.Second

// A scenario does something and looks at what comes of it; the first thing that is
// not as it has to be ends it.
type scenario struct {
	id   string
	play func(*check)
}

// check is a scenario under way.
type check struct{ cleanups []func() }

// failed is the panic that ends a scenario; nothing else is recovered from.
type failed struct{ error }

func (s scenario) run() (why error) {
	c := &check{}
	defer func() {
		for _, cleanup := range c.cleanups {
			cleanup()
		}
		switch stopped := recover().(type) {
		case nil:
		case failed:
			why = stopped.error
		default:
			panic(stopped)
		}
	}()
	s.play(c)
	return nil
}

func (c *check) fail(format string, words ...any) {
	panic(failed{fmt.Errorf(format, words...)})
}

// ok ends the scenario on an error.
func (c *check) ok(err error) {
	if err != nil {
		c.fail("%w", err)
	}
}

func (c *check) holds(what string, holds bool) {
	if !holds {
		c.fail("it does not hold that %s", what)
	}
}

// equal compares anything, messages too.
func (c *check) equal(what string, seen, expected any) {
	if !cmp.Equal(seen, expected, protocmp.Transform()) {
		c.fail("%s is %+v, not %+v", what, seen, expected)
	}
}

// call is the context of one call, with a deadline.
func (c *check) call() context.Context {
	return c.within(soon)
}

func (c *check) within(limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	c.cleanups = append(c.cleanups, cancel)
	return ctx
}

// until asks again and again until it is so.
func (c *check) until(what string, limit time.Duration, isSo func() bool) {
	deadline := time.Now().Add(limit)
	for !isSo() {
		if time.Now().After(deadline) {
			c.fail("within %s it did not come to hold that %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// cancellable is the context of a call that is not read to its end.
func (c *check) cancellable() (context.Context, context.CancelFunc) {
	return context.WithCancel(c.call())
}
