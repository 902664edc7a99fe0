package billing_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/billing"
	"waybill/internal/events"
)

// payment returns an event of the given second after noon about an object of
// some kind.
func payment(kind, typ string, second int, status, previous string) *events.Billing {
	e := event(fmt.Sprintf("evt_%s_%d_%s_%s", typ, second, status, previous), second, status, previous)
	e.Type = typ
	e.Subscription, e.Payment = nil, e.Subscription
	e.Payment.Kind, e.Payment.ID = kind, "obj_1"
	return e
}

// What Stripe says of one object in one life, most of it within one second, in
// every order that it may come.
func TestPaymentsInEveryOrder(t *testing.T) {
	t.Parallel()
	invoice := func(typ string, second int, status, previous string) *events.Billing {
		return payment(events.ObjectInvoice, "invoice."+typ, second, status, previous)
	}
	charge := func(typ string, second int, status, previous string) *events.Billing {
		return payment(events.ObjectCharge, "charge."+typ, second, status, previous)
	}
	session := func(typ string, second int, status, previous string) *events.Billing {
		return payment(events.ObjectCheckout, "checkout.session."+typ, second, status, previous)
	}
	for _, c := range []struct {
		name, want string
		es         []*events.Billing
	}{
		{"an invoice paid at once", "paid", []*events.Billing{
			invoice("created", 0, "draft", ""), invoice("finalized", 0, "open", ""), invoice("updated", 0, "paid", "open"), invoice("paid", 0, "paid", ""),
		}},
		{"an invoice that is paid although a payment failed later", "paid", []*events.Billing{
			invoice("finalized", 0, "open", ""), invoice("paid", 1, "paid", ""), invoice("payment_failed", 2, "open", ""),
		}},
		{"an invoice given up, then paid", "paid", []*events.Billing{
			invoice("finalized", 0, "open", ""), invoice("marked_uncollectible", 1, "uncollectible", ""), invoice("paid", 2, "paid", ""),
		}},
		{"an invoice thrown away", "deleted", []*events.Billing{invoice("created", 0, "draft", ""), invoice("deleted", 0, "deleted", "")}},
		{"a charge refunded in parts", "refunded", []*events.Billing{
			charge("succeeded", 0, "succeeded", ""), charge("refunded", 1, "partially_refunded", "succeeded"), charge("refunded", 1, "refunded", "partially_refunded"),
		}},
		{"a refund that failed", "succeeded", []*events.Billing{
			charge("succeeded", 0, "succeeded", ""), charge("refunded", 1, "refunded", "succeeded"), charge("updated", 2, "succeeded", "refunded"),
		}},
		{"a charge that failed", "failed", []*events.Billing{charge("pending", 0, "pending", ""), charge("failed", 0, "failed", ""), charge("updated", 1, "pending", "")}},
		{"a session whose payment followed", "paid", []*events.Billing{session("completed", 0, "unpaid", ""), session("async_payment_succeeded", 0, "paid", "")}},
		{"a session that expired", "expired", []*events.Billing{session("expired", 0, "expired", "")}},
	} {
		permutations(c.es, func(es []*events.Billing) {
			s, _ := fold(es...)
			require.Equal(t, c.want, s.Status, c.name)
			require.Equal(t, c.es[0].Payment.Kind, s.Kind)
		})
	}
}

// The law of subscriptions holds for every kind: any order and any repetition
// ends in the same row, and an end is final.
func TestAnyOrderOfPaymentsEndsInTheSameRow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{events.ObjectInvoice, events.ObjectCharge, events.ObjectCheckout}).Draw(t, "kind")
		typ := map[string]string{
			events.ObjectInvoice: "invoice.updated", events.ObjectCharge: "charge.updated", events.ObjectCheckout: "checkout.session.completed",
		}[kind]
		statuses := append(billing.Statuses(kind), "invented")
		one := rapid.Custom(func(t *rapid.T) *events.Billing {
			return payment(kind, typ, rapid.IntRange(0, 2).Draw(t, "second"),
				rapid.SampledFrom(statuses).Draw(t, "status"), rapid.SampledFrom(append(statuses, "", "")).Draw(t, "previous"))
		})
		es := rapid.SliceOfN(one, 1, 6).Draw(t, "events")
		again := rapid.SliceOf(rapid.SampledFrom(es)).Draw(t, "repeated")
		want, _ := fold(es...)
		got, steps := fold(rapid.Permutation(append(append([]*events.Billing{}, es...), again...)).Draw(t, "order")...)
		ended := false
		for _, s := range steps {
			require.False(t, ended && !billing.Ended(kind, s.Status), "an end is final")
			ended = billing.Ended(kind, s.Status)
		}
		got.Version = want.Version
		require.Empty(t, cmp.Diff(want, got))
	})
}

func TestEveryEndIsAStatus(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{events.ObjectSubscription, events.ObjectInvoice, events.ObjectCharge, events.ObjectCheckout} {
		require.NotEmpty(t, billing.Ends(kind))
		require.Subset(t, billing.Statuses(kind), billing.Ends(kind))
	}
}
