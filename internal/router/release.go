package router

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/failpoint"
	"waybill/internal/fault"
	"waybill/internal/tenantmap"
)

const (
	releaseEvery = 200 * time.Millisecond // how soon an operator's release is seen
	// While dead rows that cannot be cleared yet lie in the way, looking for ready
	// events takes one part in five of a router's time.
	releaseShare  = 4
	releaseRarest = 2 * time.Second
	releaseBatch  = 500 // the store bounds their bytes
	// A router that dies holds up what it claimed for so long; one that is
	// merely slow causes a repeat, which workers know by its receipt.
	releaseLease = 5 * time.Second
	sweepEvery   = 10 * time.Second
	dueEvery     = time.Second
)

// release publishes ready events anew on their raw topics, so that they are
// routed as if they had just arrived, and deletes them once that is durable.
func (r *Router) release(ctx context.Context) error {
	var round releasing
	pace := rate.NewLimiter(rate.Every(gatherEvery), 1)
	for {
		_ = pace.Wait(ctx) // it fails with ctx alone
		began := time.Now()
		more, err := r.releaseRound(ctx, &round)
		if err != nil && ctx.Err() == nil {
			r.Log.Warn("releasing held events failed, will be tried again", "error", err)
		}
		if more && err == nil {
			continue
		}
		pause := time.NewTimer(min(max(releaseEvery, releaseShare*time.Since(began)), releaseRarest))
		select {
		case <-ctx.Done():
			pause.Stop()
			return nil
		case <-pause.C:
		case <-r.kick:
			pause.Stop()
		}
	}
}

// releasing is how far a router has come through the ready events.
type releasing struct{ after events.EventID }

// releaseRound releases a batch. It returns true if the next one need not wait:
// there may be more to release, or the round begins anew.
func (r *Router) releaseRound(ctx context.Context, round *releasing) (more bool, err error) {
	woken, err := r.Store.WakeHeld(ctx)
	if err != nil {
		return false, err
	}
	began := round.after == ""
	n, err := r.releaseNext(ctx, round)
	return n > 0 || woken > 0 || !began, err
}

// Release publishes up to a batch of ready events anew, and returns how many
// were claimed.
func (r *Router) Release(ctx context.Context) (int, error) { return r.releaseNext(ctx, &releasing{}) }

func (r *Router) releaseNext(ctx context.Context, round *releasing) (int, error) {
	token, claims, err := r.Store.ClaimReady(ctx, round.after, releaseBatch, releaseLease)
	round.after = ""
	if len(claims) > 0 {
		round.after = claims[len(claims)-1].EventID
	}
	if err != nil || len(claims) == 0 {
		return 0, err
	}
	var batch []tenantmap.Claim
	var records []events.Record
	spoilt := map[events.EventID]string{}
	for i := range claims {
		rec, err := r.original(ctx, &claims[i])
		switch {
		case err == nil:
			batch, records = append(batch, claims[i]), append(records, rec)
		case fault.ClassOf(err) == fault.Invalid:
			spoilt[claims[i].EventID] = fault.ReasonOf(err)
		default:
			return 0, err
		}
	}
	published := r.Publisher.Publish(ctx, records...)
	released := acknowledged(batch, published, spoilt)
	r.observeReleased(claims, released)
	if len(released) > 0 {
		failpoint.Reach(failpoint.RouterAfterRelease)
	}
	if err := r.Store.DeleteReleased(ctx, token, released); err != nil {
		return 0, err
	}
	if len(spoilt) > 0 {
		r.metrics.lost.Add(float64(len(spoilt)))
		r.Log.Error("held events cannot be released and stay until an operator has looked", "events", len(spoilt))
		if err := r.Store.Spoil(ctx, token, spoilt); err != nil {
			return 0, err
		}
	}
	if published != nil && len(released)+len(spoilt) < len(claims) {
		return 0, fmt.Errorf("publishing held events anew: %w", published)
	}
	return len(claims), nil
}

// acknowledged returns the events whose records the broker has taken. Those
// that it will never take are added to spoilt; the rest come again.
func acknowledged(batch []tenantmap.Claim, published error, spoilt map[events.EventID]string) []events.EventID {
	ids := make([]events.EventID, 0, len(batch))
	var partly *bus.PublishError
	if published != nil && !errors.As(published, &partly) {
		return ids
	}
	for i := range batch {
		switch {
		case partly == nil || partly.Errs[i] == nil:
			ids = append(ids, batch[i].EventID)
		case fault.ClassOf(partly.Errs[i]) == fault.Invalid:
			spoilt[batch[i].EventID] = fault.ReasonOf(partly.Errs[i])
		}
	}
	return ids
}

// observeReleased counts what was published anew, and how long that took. Both
// are in the order of the claims.
func (r *Router) observeReleased(claims []tenantmap.Claim, released []events.EventID) {
	now := r.Now()
	for i := range claims {
		if len(released) == 0 {
			return
		}
		if claims[i].EventID != released[0] {
			continue
		}
		released = released[1:]
		r.metrics.released.Inc()
		if at := claims[i].ReadyAt; at != nil {
			r.metrics.release.Observe(max(now.Sub(*at).Seconds(), 0))
		}
	}
}

// original returns the record that a held event came in. An error of class
// Invalid means that it will never be had.
func (r *Router) original(ctx context.Context, c *tenantmap.Claim) (events.Record, error) {
	if len(c.Record) > 0 {
		rec, err := events.Unpack(c.Record)
		return rec, fault.Wrap(fault.Invalid, "record_damaged", err)
	}
	rec, err := r.Follower.Read(ctx, c.Raw)
	if errors.Is(err, bus.ErrNotFound) {
		return rec, fault.Wrap(fault.Invalid, "record_lost", err)
	}
	return rec, err
}

// sweeper is how far a router has come in sweeping.
type sweeper struct {
	after events.EventID // compared with what is final so far; "" = start anew
	next  time.Time      // not before then
	count time.Time      // neither are held events counted
}

// sweep tries again what is due, counts what is held and gives up on what
// nobody claimed.
func (r *Router) sweep(ctx context.Context) error {
	tick := time.NewTicker(dueEvery)
	defer tick.Stop()
	var s sweeper
	for {
		err := r.RetryDue(ctx)
		if now := r.Now(); err == nil && !now.Before(s.next) {
			s.next = now.Add(sweepEvery)
			err = r.sweepOnce(ctx, &s)
		}
		if err != nil && ctx.Err() == nil {
			r.Log.Warn("sweeping held events failed, will be tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// RetryDue sets events ready whose time to be tried again has come, some.
func (r *Router) RetryDue(ctx context.Context) error {
	n, err := r.Store.RetryDue(ctx, r.Now())
	r.wake(n)
	return err
}

// countShare keeps counting below a fiftieth of a router's time: a million held
// events are counted exactly, and every ten seconds only while that takes less
// than 200 ms.
const countShare = 50

func (r *Router) sweepOnce(ctx context.Context, s *sweeper) error {
	n, err := r.Store.ExpireParked(ctx, r.Now().Add(-r.Config.ParkMaxAge))
	if err != nil {
		return err
	}
	r.metrics.unclaimed.Add(float64(n))
	if s.after, err = r.Store.SupersedeFinal(ctx, s.after); err != nil {
		return err
	}
	began := time.Now()
	if began.Before(s.count) {
		return nil
	}
	held, err := r.Store.CountHeld(ctx)
	if err == nil {
		err = r.countKept(ctx)
	}
	s.count = began.Add(countShare * time.Since(began))
	if err != nil {
		return err
	}
	r.metrics.setHeld(held)
	return nil
}
