// Package bustest is the suite that every implementation of package bus must
// pass, on any broker that speaks Kafka's protocol. It judges with a client
// of its own (franz-go), so that an implementation is not its own witness.
// Only tests import it.
package bustest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
)

// patience is how long the suite waits for what must happen. It is long: a
// busy machine is no failure.
const patience = 40 * time.Second

// Bus is one client of the implementation under test, as one process has it.
type Bus struct {
	bus.Publisher
	bus.Follower
	bus.Admin
	// Consumer returns a member of a group.
	Consumer func(group string, topics []string, h bus.Handler) bus.Consumer
	// Halted tells whether operators are told that a partition stands still.
	Halted func(topic string, partition int) bool
}

// Harness connects the suite with an implementation and a broker.
type Harness struct {
	Addr string                 // of a broker, without TLS and login
	Open func(t *testing.T) Bus // opens a client and closes it with the test
	// Compact makes the broker compact its logs now; nil if it does so by itself
	// within seconds.
	Compact func()
}

// Suite runs every test. The tests run in parallel on topics of their own.
func Suite(t *testing.T, h Harness) {
	t.Helper()
	for _, group := range []map[string]func(*testing.T, *world){publishTests, consumeTests, groupTests, offsetTests, followTests, adminTests} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
				t.Cleanup(cancel)
				w := &world{ctx: ctx, h: h, id: uuid.NewString()[:8], oracle: newOracle(t, h.Addr)}
				w.Bus = h.Open(t)
				test(t, w)
			})
		}
	}
}

// world is what one test has: a client, the judge, and names nobody else uses.
type world struct {
	Bus
	*oracle
	ctx context.Context
	h   Harness
	id  string
}

func (w *world) name(what string) string { return "bustest." + what + "." + w.id }

// topic makes a topic and returns its name.
func (w *world) topic(t *testing.T, partitions int, change ...func(*events.TopicSpec)) string {
	t.Helper()
	spec := events.TopicSpec{Name: w.name(strings.ToLower(t.Name()[strings.LastIndex(t.Name(), "/")+1:])), Partitions: partitions, Retention: time.Hour}
	for _, c := range change {
		c(&spec)
	}
	require.NoError(t, w.EnsureTopics(w.ctx, []events.TopicSpec{spec}))
	return spec.Name
}

// awaitHalt waits until a partition is known to stand still: before that, records
// that are written to it could lift its end to where the reader begins.
func (w *world) awaitHalt(t *testing.T, topic string, partition int) {
	t.Helper()
	require.Eventually(t, func() bool { return w.Halted(topic, partition) }, patience, 5*time.Millisecond, "the partition does not halt")
}

// numbers returns records "0" to "n-1" under one key.
func numbers(topic, key string, from, to int) []events.Record {
	var out []events.Record
	for i := from; i < to; i++ {
		out = append(out, events.Record{Topic: topic, Key: []byte(key), Value: fmt.Appendf(nil, "%d", i)})
	}
	return out
}

// everything scans a topic.
func (w *world) everything(t *testing.T, topic string) []events.Record {
	t.Helper()
	var all []events.Record
	require.NoError(t, w.Scan(w.ctx, topic, func(records []events.Record) error {
		all = append(all, records...)
		return nil
	}))
	return all
}

func values(records []events.Record) []string {
	out := make([]string, len(records))
	for i := range records {
		out[i] = string(records[i].Value)
	}
	return out
}

func sequence(from, to int) []string { return values(numbers("", "", from, to)) }
