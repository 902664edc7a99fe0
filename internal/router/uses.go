package router

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"waybill/internal/events"
)

// useEvery is how often the uses of tokens are written at most. A router that
// dies loses what it noted since: by so much an operator may be told less.
const useEvery = time.Minute

// uses are when tokens last signed, until that is written down. Ingest, which
// knows it first, has no database. It is safe for concurrent use.
type uses struct {
	mu    sync.Mutex
	newer map[string]time.Time // by token id
	some  chan struct{}        // there is something to write
}

func newUses() *uses { return &uses{newer: map[string]time.Time{}, some: make(chan struct{}, 1)} }

// note takes note of who signed a request, and when it was received. A replay is
// an old use. What is no token's id of ours is passed over.
func (u *uses) note(raw *events.Raw) {
	if raw.Token == "" {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.add(raw.Token, raw.ReceivedAt)
}

func (u *uses) add(token string, at time.Time) {
	last, noted := u.newer[token]
	if noted && !at.After(last) || !noted && !isUUID(token) {
		return
	}
	u.newer[token] = at
	select {
	case u.some <- struct{}{}:
	default:
	}
}

// isUUID tells whether the database can read a text as a UUID: the library takes
// forms that it does not.
func isUUID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

// take returns what is to be written, and forgets it.
func (u *uses) take() map[string]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	newer := u.newer
	u.newer = make(map[string]time.Time, len(newer))
	return newer
}

// restore gives back what could not be written.
func (u *uses) restore(unwritten map[string]time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for token, at := range unwritten {
		u.add(token, at)
	}
}

// recordUses writes the uses of tokens until ctx is done, and then what is left.
func (r *Router) recordUses(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-r.uses.some:
			r.writeUses(ctx)
			pause := time.NewTimer(useEvery)
			select {
			case <-ctx.Done():
			case <-pause.C:
			}
			pause.Stop()
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	r.writeUses(last)
	return nil
}

func (r *Router) writeUses(ctx context.Context) {
	newer := r.uses.take()
	if len(newer) == 0 {
		return
	}
	if err := r.Store.Touch(ctx, newer); err != nil {
		r.uses.restore(newer)
		r.Log.Warn("noting when tokens were used failed, will be tried again", "tokens", len(newer), "error", err)
	}
}
