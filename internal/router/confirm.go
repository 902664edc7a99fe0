package router

import (
	"context"
	"time"
)

// confirmEvery is how soon a change of accounts and senders is noticed. It is
// far below the five seconds by which a move lies ahead.
const confirmEvery = 250 * time.Millisecond

// confirm keeps telling the cache which version of accounts and senders is in
// force. It asks the database and not the config topic: that one is only as
// fresh as whichever router publishes it, and says nothing while nobody does.
func (r *Router) confirm(ctx context.Context) error {
	tick := time.NewTicker(confirmEvery)
	defer tick.Stop()
	known := true
	for {
		err := r.Confirm(ctx)
		if known && err != nil && ctx.Err() == nil { // an outage would fill the log
			r.Log.Warn("the version of accounts and senders cannot be read, they are looked up each time until it can", "error", err)
		}
		known = err == nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Confirm tells the cache once which version is in force.
func (r *Router) Confirm(ctx context.Context) error {
	asked := r.Now()
	version, err := r.Feed.Version(ctx)
	if err == nil {
		r.cache.Confirm(version, asked)
	}
	return err
}
