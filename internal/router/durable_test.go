package router_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/router"
	"waybill/internal/tenantmap"
)

// publisher is the real one; for one topic it fails as often as it is told to.
type publisher struct {
	bus.Publisher
	topic  string
	only   events.Kind // if it is to fail for these alone
	fail   atomic.Int64
	failed chan struct{} // one for each failure
}

func failing(topic string, times int64) *publisher {
	p := &publisher{topic: topic, failed: make(chan struct{}, 100)}
	p.fail.Store(times)
	return p
}

func (p *publisher) wrap(o *router.Options) { p.Publisher, o.Publisher = o.Publisher, p }

func (p *publisher) Publish(ctx context.Context, records ...events.Record) error {
	if len(records) > 0 && records[0].Topic == p.topic && p.meant(&records[0]) && p.fail.Add(-1) >= 0 {
		p.failed <- struct{}{}
		return fault.New(fault.Unavailable, "away")
	}
	return p.Publisher.Publish(ctx, records...)
}

func (p *publisher) meant(rec *events.Record) bool {
	if p.only == "" {
		return true
	}
	m, err := events.DecodeMessage(rec)
	return err == nil && m.Kind == p.only
}

// A raw record is done once its event is durable on its domain topic, not before.
func TestWhatCannotBePassedOnIsRoutedAgain(t *testing.T) {
	t.Parallel()
	p := failing(events.TopicMessages, 0)
	g := newRig(t, p.wrap)
	g.publish(g.send(g.orgA, 1))
	next(g, g.messages)
	p.fail.Store(1)
	g.publish(status(g.signA, 1, "sent"))
	next(g, p.failed)
	g.publish(status(g.signA, 1, "delivered")) // it comes behind what failed
	require.Equal(t, "sent", next(g, g.messages).Status)
	require.Equal(t, "delivered", next(g, g.messages).Status)
}

// A held event is deleted once it is durable on its domain topic.
func TestWhatCannotBeReleasedStaysHeld(t *testing.T) {
	t.Parallel()
	p := failing(events.TopicMessages, 1)
	p.only = events.KindMessageStatus
	g := newRig(t, p.wrap)
	g.publish(status(g.signA, 1, "delivered"))
	g.held(events.Parked, "no_mapping")
	g.publish(g.send(g.orgA, 1))
	require.Equal(t, events.KindSend, next(g, g.messages).Kind)
	next(g, p.failed)
	g.until(func() string { // the lease of the release that failed is over
		g.exec("UPDATE held_events SET lease_until = now() - interval '1 second'")
		select {
		case m := <-g.messages:
			require.Equal(t, "delivered", m.Status)
			return ""
		case <-time.After(100 * time.Millisecond):
			return "the event does not come"
		}
	})
	g.held(events.Parked)
}

// store is the real one; a send is recorded behind its first look-up.
type store struct {
	router.Store
	once sync.Once
	late chan tenantmap.Send
	done chan struct{}
}

func (s *store) Lookup(ctx context.Context, keys []tenantmap.Key) (tenantmap.Facts, error) {
	facts, err := s.Store.Lookup(ctx, keys)
	s.once.Do(func() {
		_, _, failed := s.RecordSends(ctx, []tenantmap.Send{<-s.late})
		err = errors.Join(err, failed)
		close(s.done)
	})
	return facts, err
}

// A look-up is out of date as soon as it is read: what it does not find is
// decided once more under the locks of its keys, and that decision counts.
func TestAnEventWhoseSendIsRecordedAsItIsParkedGoesOn(t *testing.T) {
	t.Parallel()
	s := &store{late: make(chan tenantmap.Send, 1), done: make(chan struct{})}
	g := newRig(t, func(o *router.Options) { s.Store, o.Store = o.Store, s })
	s.late <- tenantmap.Send{
		Org: g.orgA, Resource: tenantmap.ResourceKey(events.Twilio, sid(1)), Provider: events.Twilio, ProviderID: sid(1), Account: g.signA, SentAt: time.Now(),
	}
	g.publish(status(g.signA, 1, "sent"))
	next(g, s.done)
	g.publish(status(g.signA, 1, "delivered")) // it comes behind the other one
	m := next(g, g.messages)
	require.Equal(t, g.orgA, m.Org)
	require.Equal(t, "sent", m.Status)
	require.Equal(t, "delivered", next(g, g.messages).Status)
	g.held(events.Parked)
}
