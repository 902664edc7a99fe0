package ingest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/seal"
)

var (
	_ bus.Publisher = (*broker)(nil)
	_ bus.Follower  = (*broker)(nil)
)

// broker is a bus in memory that fails on demand.
type broker struct {
	mu      sync.Mutex
	config  []events.Record
	records []events.Record
	publish func(ctx context.Context) error // nil = it works
	cut     bool                            // fetches of the config topic fail
	fetched int                             // fetches since cut last changed
}

func (b *broker) Publish(ctx context.Context, records ...events.Record) error {
	b.mu.Lock()
	publish := b.publish
	b.mu.Unlock()
	if publish != nil && records[0].Topic != events.TopicRejected {
		if err := publish(ctx); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.records = append(b.records, records...)
	return nil
}

func (b *broker) Follow(ctx context.Context, _ string, fn func([]events.Record, bool)) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for next := 0; ; {
		b.mu.Lock()
		fresh, cut := b.config[next:], b.cut
		b.mu.Unlock()
		if !cut {
			fn(fresh, true)
			next += len(fresh)
			b.mu.Lock()
			b.fetched++
			b.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (*broker) Scan(context.Context, string, func([]events.Record) error) error {
	return errors.New("not used here")
}

func (*broker) Read(context.Context, events.Position) (events.Record, error) {
	return events.Record{}, errors.New("not used here")
}

func (b *broker) failWith(publish func(context.Context) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.publish = publish
}

// sever stops the fetches, and returns once none is under way.
func (b *broker) sever(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	before := b.fetched
	b.mu.Unlock()
	require.Eventually(t, func() bool { // a fetch that began before now is through
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.fetched > before {
			b.cut = true
		}
		return b.cut
	}, waitFor, tick)
}

// on returns what was published to a topic.
func (b *broker) on(topic string) []events.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []events.Record
	for _, r := range b.records {
		if r.Topic == topic {
			out = append(out, r)
		}
	}
	return out
}

// signerRecord registers a signer, with one token for each secret.
func signerRecord(t *testing.T, key *seal.Key, p events.Provider, name string, secrets ...string) events.Record {
	t.Helper()
	c := events.ConfigSigner{Provider: string(p), Name: name}
	for i, s := range secrets {
		id := "token-" + name + "-" + string(rune('a'+i))
		c.Tokens = append(c.Tokens, events.ConfigToken{ID: id, Sealed: key.Seal([]byte(s), id)})
	}
	r, err := events.ConfigRecord(c.Key(), c, time.Now())
	require.NoError(t, err)
	return r
}
