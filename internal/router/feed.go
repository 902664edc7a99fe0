package router

import (
	"bytes"
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"waybill/internal/events"
)

// ConfigSource is the truth about signers and senders.
type ConfigSource interface {
	// Version changes whenever the configuration may have changed.
	Version(ctx context.Context) (int64, error)
	// All returns the body of every key that the config topic should hold.
	All(ctx context.Context) (map[string]any, error)
	// Lead returns true while this process is the one that publishes; the
	// others stand by.
	Lead(ctx context.Context) (bool, error)
}

const feedEvery = 250 * time.Millisecond

// topicState is what the config topic holds, as far as it was read.
type topicState struct {
	mu    sync.Mutex
	have  map[string][]byte
	atEnd bool
	dirty bool // something changed since the last comparison
}

// feed keeps the config topic equal to the database: one router at a time
// compares what the topic holds with what it should hold and publishes the
// difference, tombstones for what is gone. It reads the topic all the time, so
// that a record published by a predecessor that did not know it had lost the
// lead is put right.
func (r *Router) feed(ctx context.Context) error {
	state := &topicState{have: map[string][]byte{}}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.Follower.Follow(ctx, events.TopicConfig, state.apply) })
	g.Go(func() error {
		tick := time.NewTicker(feedEvery)
		defer tick.Stop()
		seen := int64(-1)
		for {
			if v, err := r.feedOnce(ctx, state, seen); err == nil {
				seen = v
			} else if ctx.Err() == nil {
				r.Log.Warn("publishing the configuration failed, will be tried again", "error", err)
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	})
	return g.Wait()
}

func (s *topicState) apply(records []events.Record, atEnd bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range records {
		key := string(records[i].Key)
		if records[i].Value == nil {
			delete(s.have, key)
		} else {
			s.have[key] = records[i].Value
		}
		s.dirty = true
	}
	s.atEnd = atEnd
}

// feedOnce publishes the difference if there may be one, and returns the
// version that the topic is now equal to.
func (r *Router) feedOnce(ctx context.Context, state *topicState, seen int64) (int64, error) {
	if lead, err := r.Feed.Lead(ctx); err != nil || !lead {
		return -1, err
	}
	version, err := r.Feed.Version(ctx)
	if err != nil {
		return seen, err
	}
	if !state.needs(version != seen) {
		return seen, nil
	}
	if err := r.publishDifference(ctx, state); err != nil {
		state.again()
		return seen, err
	}
	return version, nil
}

func (r *Router) publishDifference(ctx context.Context, state *topicState) error {
	want, err := r.Feed.All(ctx)
	if err != nil {
		return err
	}
	changes, err := state.difference(want, r.Now())
	if err != nil || len(changes) == 0 {
		return err
	}
	if err := r.Publisher.Publish(ctx, changes...); err != nil {
		return err
	}
	r.Log.Info("configuration published", "records", len(changes))
	return nil
}

// needs tells whether a comparison is due, and takes note that it is done.
func (s *topicState) needs(changed bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.atEnd || (!changed && !s.dirty) {
		return false
	}
	s.dirty = false
	return true
}

func (s *topicState) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dirty = true
}

func (s *topicState) difference(want map[string]any, now time.Time) ([]events.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var changes []events.Record
	for key, body := range want {
		rec, err := events.ConfigRecord(key, body, now)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(s.have[key], rec.Value) {
			changes = append(changes, rec)
		}
	}
	for key := range s.have {
		if _, ok := want[key]; !ok {
			rec, err := events.ConfigRecord(key, nil, now)
			if err != nil {
				return nil, err
			}
			changes = append(changes, rec)
		}
	}
	return changes, nil
}
