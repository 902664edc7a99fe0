package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

// till applies Stripe's events.
type till struct {
	*world
	billing *postgres.Billing
	inspect *postgres.Inspect
	at      int64
}

func newTill(t testing.TB) *till {
	t.Helper()
	w := newWorld(t)
	db := w.open(t, testkit.Worker)
	require.NoError(t, postgres.NewLedger(db, events.GroupWorkers).Plant(t.Context(), events.TopicBilling, 0, 0))
	return &till{world: w, billing: postgres.NewBilling(db, events.GroupWorkers), inspect: postgres.NewInspect(w.open(t, testkit.Operator))}
}

func (c *till) apply(t testing.TB, batch ...events.Billing) events.Effect {
	t.Helper()
	fence := bus.Fence{Topic: events.TopicBilling, At: c.at, Next: c.at + int64(len(batch))}
	effect, err := c.billing.Apply(context.Background(), []bus.Fence{fence}, batch)
	require.NoError(t, err)
	c.at = fence.Next
	return effect
}

// statuses returns the status of everything on record about an id, by mode and id.
func (c *till) statuses(t testing.TB, id string) map[string]string {
	t.Helper()
	found, err := c.inspect.Find(context.Background(), history.Query{ID: id, Resources: 50, Events: 50, Held: 50})
	require.NoError(t, err)
	out := map[string]string{}
	for _, r := range found.Resources {
		out[r.Mode+" "+r.Kind+" "+r.ID] = r.Status
	}
	return out
}

// stripeEvent is an event about the object id of a customer. A kind other than
// a subscription is a payment's.
func stripeEvent(mode, kind, typ, id string, second int, status string) events.Billing {
	evt := fmt.Sprintf("evt_%s_%s_%d_%s", id, typ, second, status)
	e := events.Billing{
		EventID: events.NewEventID(events.Stripe, mode, events.KindStripe, evt), Receipt: events.NewReceiptID(), StripeID: evt,
		Mode: mode, Type: typ, Version: "2026-03-25.dahlia", Object: id, Created: time.Unix(1795420800+int64(second), 0).UTC(),
		ReceivedAt: time.Now().UTC().Truncate(time.Microsecond), Raw: events.Position{Topic: events.TopicRawStripe},
		Packed: events.Pack(&events.Record{Topic: events.TopicRawStripe, Value: []byte(`{"id":"` + evt + `"}`)}),
	}
	said := &events.ObjectChange{ID: id, Customer: "cus_1", Status: status}
	if kind == events.ObjectSubscription {
		e.Subscription = said
	} else {
		said.Kind = kind
		e.Payment = said
	}
	return e
}

// Everything that is charged for ends where it should, in any order and however
// it is cut into batches; test and live, and two kinds with one id, are apart.
func TestStripeObjectsEndTheSameInAnyOrder(t *testing.T) {
	t.Parallel()
	played := func() []events.Billing {
		var list []events.Billing
		for _, mode := range []string{"live", "test"} {
			list = append(list,
				stripeEvent(mode, events.ObjectSubscription, "customer.subscription.created", "sub_1", 0, "incomplete"),
				stripeEvent(mode, events.ObjectSubscription, "customer.subscription.updated", "sub_1", 1, "active"),
				stripeEvent(mode, events.ObjectInvoice, "invoice.created", "in_1", 0, "draft"),
				stripeEvent(mode, events.ObjectInvoice, "invoice.finalized", "in_1", 0, "open"),
				stripeEvent(mode, events.ObjectCharge, "charge.succeeded", "ch_1", 1, "succeeded"),
				stripeEvent(mode, events.ObjectCheckout, "checkout.session.completed", "cs_1", 1, "unpaid"),
				stripeEvent(mode, events.ObjectCheckout, "checkout.session.async_payment_succeeded", "cs_1", 1, "paid"),
			)
		}
		return append(list,
			stripeEvent("live", events.ObjectInvoice, "invoice.paid", "in_1", 1, "paid"),
			stripeEvent("live", events.ObjectInvoice, "invoice.payment_failed", "in_1", 2, "open"),
			stripeEvent("live", events.ObjectCharge, "charge.refunded", "ch_1", 1, "refunded"),
			stripeEvent("live", events.ObjectCharge, "charge.updated", "in_1", 5, "pending"), // one id, two kinds
			stripeEvent("live", events.ObjectInvoice, "invoice.invented", "in_1", 9, "void"), // no type that we know
		)
	}
	want := map[string]string{
		"live subscription sub_1": "active", "live invoice in_1": "paid", "live charge ch_1": "refunded",
		"live checkout_session cs_1": "paid", "live charge in_1": "pending",
		"test subscription sub_1": "active", "test invoice in_1": "open", "test charge ch_1": "succeeded", "test checkout_session cs_1": "paid",
	}
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c, list := newTill(t), played()
			random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a game
			random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			outcomes := map[events.Outcome]int{}
			for rest := list; len(rest) > 0; {
				n := 1 + random.IntN(len(rest))
				for outcome, count := range c.apply(t, rest[:n]...).Outcomes {
					outcomes[outcome] += count
				}
				rest = rest[n:]
			}
			require.Empty(t, cmp.Diff(want, c.statuses(t, "cus_1")))
			require.Equal(t, 1, outcomes[events.Ignored])
			require.Equal(t, len(list), outcomes[events.Applied]+outcomes[events.Stale]+outcomes[events.Ignored])

			again := played() // other receipts
			require.Equal(t, len(again), c.apply(t, again...).Duplicates)
			require.Empty(t, cmp.Diff(want, c.statuses(t, "cus_1")))
			var payloads int
			require.NoError(t, c.owner.QueryRow(t.Context(), "SELECT count(*) FROM billing_events WHERE payload <> ''").Scan(&payloads))
			require.Equal(t, len(list), payloads, "every payload is kept, also of what is ignored")
		})
	}
}
