package router

import (
	"context"

	"waybill/internal/events"
	"waybill/internal/provider/sns"
	"waybill/internal/tenantmap"
)

// ignore makes final what is about no organisation, after the work that it asks
// for was published: a crash between the two repeats that work, which is
// harmless, and never loses it. It counts them, and raises their alarms, when they
// are final.
func (r *Router) ignore(ctx context.Context, items []item) error {
	var work []events.Record
	var ignored []tenantmap.Ignored
	for i := range items {
		it := &items[i]
		if it.Outcome != events.Ignored {
			continue
		}
		ignored = append(ignored, tenantmap.Ignored{EventID: it.id, Receipt: it.raw.Receipt, ReceivedAt: it.raw.ReceivedAt})
		if it.parsed.Confirm == nil {
			continue
		}
		rec, err := it.parsed.Confirm.Record()
		if err != nil {
			return err
		}
		work = append(work, rec)
	}
	if len(ignored) == 0 {
		return nil
	}
	if err := r.passOn(ctx, work); err != nil {
		return err
	}
	if err := r.Store.Ignore(ctx, ignored); err != nil {
		return err
	}
	for i := range items {
		if it := &items[i]; it.Outcome == events.Ignored {
			r.observe(it)
			r.alarm(it)
		}
	}
	return nil
}

// alarm tells an operator that a topic delivers no more: whoever ended its
// subscription may have meant it, and nobody takes it up again by itself.
func (r *Router) alarm(it *item) {
	if it.Reason != sns.IgnoredUnsubscribe {
		return
	}
	r.metrics.unsubscribed.WithLabelValues(string(it.raw.Provider)).Inc()
	r.Log.Error("a topic's subscription was ended, its events do not come any more: subscribe it again if nobody meant that",
		"event_id", it.id, "provider", it.raw.Provider, "topic_arn", it.parsed.Evidence.ProviderID)
}
