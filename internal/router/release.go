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
	releasePace  = 50 * time.Millisecond  // the least between two claims
	releaseEvery = 200 * time.Millisecond // how soon an operator's release is seen
	// While dead rows that cannot be cleared yet lie in the way, looking for ready
	// events takes one part in five of a router's time.
	releaseShare  = 4
	releaseRarest = 2 * time.Second
	releaseBatch  = 500 // the store bounds their bytes
	// A router that dies holds up what it claimed for so long. One that is slower
	// releases in vain: another claims the same, and neither may let go of it.
	releaseLease = 10 * time.Second
	sweepEvery   = 10 * time.Second
	dueEvery     = time.Second
)

// release processes ready events anew, as if they had just arrived, and deletes
// them once what came of it is durable. They do not go through their raw topics
// again, where they would wait behind what arrives now (docs/decisions/0040).
func (r *Router) release(ctx context.Context) error {
	var round releasing
	pace := rate.NewLimiter(rate.Every(releasePace), 1)
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
type releasing struct {
	after events.EventID
	wake  time.Time // not before then is looked for keys that very many wait for
}

// releaseRound releases a batch. It returns true if the next one need not wait:
// there may be more to release, or the round begins anew.
func (r *Router) releaseRound(ctx context.Context, round *releasing) (more bool, err error) {
	var woken int64
	if now := time.Now(); !now.Before(round.wake) {
		if woken, err = r.Store.WakeHeld(ctx); err != nil {
			return false, err
		}
		if woken == 0 {
			round.wake = now.Add(releaseEvery)
		}
	}
	began := round.after == ""
	_, more, err = r.releaseNext(ctx, round)
	return more || woken > 0 || !began, err
}

// Release processes up to a batch of ready events anew, and returns how many
// were claimed.
func (r *Router) Release(ctx context.Context) (int, error) {
	n, _, err := r.releaseNext(ctx, &releasing{})
	return n, err
}

// releaseNext releases a batch, and tells whether there may be more behind it.
func (r *Router) releaseNext(ctx context.Context, round *releasing) (n int, more bool, err error) {
	claimed, err := r.Store.ClaimReady(ctx, round.after, releaseBatch, releaseLease)
	claims := claimed.Claims
	round.after = ""
	if claimed.More {
		round.after = claims[len(claims)-1].EventID
	}
	if err != nil || len(claims) == 0 {
		return 0, false, err
	}
	r.caps.released(claims)
	return len(claims), claimed.More, r.releaseClaimed(ctx, claimed.Token, claims)
}

func (r *Router) releaseClaimed(ctx context.Context, token string, claims []tenantmap.Claim) error {
	var requests, sends released
	spoilt := map[events.EventID]string{}
	for i := range claims {
		rec, err := r.original(ctx, &claims[i])
		switch {
		case fault.ClassOf(err) == fault.Invalid:
			spoilt[claims[i].EventID] = fault.ReasonOf(err)
		case err != nil:
			return err
		case rec.Topic == events.TopicSends:
			sends.add(&claims[i], rec)
		default:
			requests.add(&claims[i], rec)
		}
	}
	if err := r.releaseAll(ctx, token, &requests, r.route); err != nil {
		return err
	}
	if err := r.releaseAll(ctx, token, &sends, r.record); err != nil {
		return err
	}
	if len(spoilt) > 0 {
		r.metrics.lost.Add(float64(len(spoilt)))
		r.Log.Error("held events cannot be released and stay until an operator has looked", "events", len(spoilt))
		if err := r.Store.Spoil(ctx, token, spoilt); err != nil {
			return err
		}
	}
	return nil
}

// released are claimed events and their records.
type released struct {
	ids     []events.EventID
	readyAt []*time.Time
	records []events.Record
}

func (l *released) add(c *tenantmap.Claim, rec events.Record) {
	l.ids, l.readyAt, l.records = append(l.ids, c.EventID), append(l.readyAt, c.ReadyAt), append(l.records, rec)
}

// releaseAll handles records as if they had just arrived, and lets go of the
// events that are not held again: those have lost the lease.
func (r *Router) releaseAll(ctx context.Context, token string, l *released, handle handler) error {
	if len(l.records) == 0 {
		return nil
	}
	if err := r.isolate(ctx, l.records, handle); err != nil {
		return fmt.Errorf("processing held events anew: %w", err)
	}
	failpoint.Reach(failpoint.RouterAfterRelease)
	if err := r.Store.DeleteReleased(ctx, token, l.ids); err != nil {
		return err
	}
	r.metrics.released.Add(float64(len(l.ids)))
	now := r.Now()
	for _, at := range l.readyAt {
		if at != nil {
			r.metrics.release.Observe(max(now.Sub(*at).Seconds(), 0))
		}
	}
	return nil
}

// original returns the record that a held event came in. An error of class
// Invalid means that it will never be had.
func (r *Router) original(ctx context.Context, c *tenantmap.Claim) (events.Record, error) {
	if len(c.Record) > 0 {
		rec, err := events.Unpack(c.Record)
		rec.Partition, rec.Offset, rec.Time = c.Raw.Partition, c.Raw.Offset, r.Now()
		return rec, fault.Wrap(fault.Invalid, tenantmap.ReasonRecordDamaged, err)
	}
	rec, err := r.Follower.Read(ctx, c.Raw)
	if errors.Is(err, bus.ErrNotFound) {
		return rec, fault.Wrap(fault.Invalid, tenantmap.ReasonRecordLost, err)
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

// retryRounds bounds what one tick tries again: between routers whose clocks
// differ an event may be due here and not yet old enough there, again and again.
const retryRounds = 20

// RetryDue sets events ready whose time to be tried again has come, up to
// retryRounds times what the store takes at once.
func (r *Router) RetryDue(ctx context.Context) error {
	for range retryRounds {
		n, err := r.Store.RetryDue(ctx, r.Now())
		r.wake(n)
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
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
