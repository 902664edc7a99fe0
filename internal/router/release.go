package router

import (
	"context"
	"errors"
	"fmt"
	"time"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

const (
	releaseEvery = 200 * time.Millisecond // how soon an operator's release is seen
	releaseBatch = 500
	releaseLease = 30 * time.Second
	sweepEvery   = 10 * time.Second
)

// release publishes ready events anew on their raw topics, so that they are
// routed as if they had just arrived, and deletes them once that is durable.
func (r *Router) release(ctx context.Context) error {
	tick := time.NewTicker(releaseEvery)
	defer tick.Stop()
	for {
		n, err := r.releaseOnce(ctx)
		if err != nil && ctx.Err() == nil {
			r.Log.Warn("releasing held events failed, will be tried again", "error", err)
		}
		if n == releaseBatch {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-r.kick:
		}
	}
}

func (r *Router) releaseOnce(ctx context.Context) (int, error) {
	token, claims, err := r.Store.ClaimReady(ctx, releaseBatch, releaseLease)
	if err != nil || len(claims) == 0 {
		return 0, err
	}
	ids := make([]events.EventID, 0, len(claims))
	records := make([]events.Record, 0, len(claims))
	for i := range claims {
		rec, err := r.original(ctx, &claims[i])
		if errors.Is(err, bus.ErrNotFound) {
			r.metrics.lost.Inc()
			r.Log.Error("a held event's record is no longer in its topic, it cannot be replayed", "event_id", claims[i].EventID)
			continue // the lease runs out; the row stays for an operator to see
		}
		if err != nil {
			return 0, err
		}
		ids, records = append(ids, claims[i].EventID), append(records, rec)
	}
	if err := r.Publisher.Publish(ctx, records...); err != nil {
		return 0, fmt.Errorf("publishing held events anew: %w", err)
	}
	if err := r.Store.DeleteReleased(ctx, token, ids); err != nil {
		return 0, err
	}
	r.metrics.released.Add(float64(len(ids)))
	return len(claims), nil
}

// original returns the record that a held event came in.
func (r *Router) original(ctx context.Context, c *tenantmap.Claim) (events.Record, error) {
	if len(c.Record) > 0 {
		rec, err := events.Unpack(c.Record)
		if err != nil {
			return rec, fmt.Errorf("unpacking held event %s: %w", c.EventID, err)
		}
		return rec, nil
	}
	return r.Follower.Read(ctx, c.Raw)
}

// sweep counts what is held and gives up on what nobody claimed.
func (r *Router) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := r.sweepOnce(ctx); err != nil && ctx.Err() == nil {
			r.Log.Warn("sweeping held events failed, will be tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (r *Router) sweepOnce(ctx context.Context) error {
	n, err := r.Store.ExpireParked(ctx, r.Now().Add(-r.Config.ParkMaxAge))
	if err != nil {
		return err
	}
	r.metrics.unclaimed.Add(float64(n))
	held, err := r.Store.CountHeld(ctx)
	if err != nil {
		return err
	}
	r.metrics.setHeld(held)
	return nil
}
