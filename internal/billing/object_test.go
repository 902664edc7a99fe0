package billing_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/billing"
	"waybill/internal/events"
	"waybill/internal/testkit"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// event returns a Stripe event of the given second after noon that names the
// status, and the previous one if it changed.
func event(id string, second int, status, previous string) *events.Billing {
	return &events.Billing{
		StripeID: id, Mode: "live", Type: "customer.subscription.updated", Object: "sub_1",
		Created: noon.Add(time.Duration(second) * time.Second),
		Subscription: &events.ObjectChange{
			ID: "sub_1", Customer: "cus_1", Status: status, Previous: previous,
		},
	}
}

func fold(es ...*events.Billing) (billing.Object, []billing.Step) {
	var s billing.Object
	steps := make([]billing.Step, len(es))
	exists := false
	for i, e := range es {
		s, steps[i] = billing.Fold(s, exists, e)
		exists = exists || steps[i].Outcome != events.Ignored
	}
	return s, steps
}

// permutations calls fn with every order of the events.
func permutations(es []*events.Billing, fn func([]*events.Billing)) {
	if len(es) < 2 {
		fn(es)
		return
	}
	for i := range es {
		rest := append(append([]*events.Billing{}, es[:i]...), es[i+1:]...)
		permutations(rest, func(p []*events.Billing) { fn(append([]*events.Billing{es[i]}, p...)) })
	}
}

func TestFirstEventMakesTheRow(t *testing.T) {
	t.Parallel()
	e := event("evt_1", 0, "incomplete", "")
	e.Created = noon.Add(300 * time.Millisecond)
	s, step := billing.Fold(billing.Object{Version: 7, Status: "not looked at"}, false, e)
	require.Empty(t, cmp.Diff(billing.Object{
		Kind: "subscription", ID: "sub_1", Mode: "live", Customer: "cus_1", Status: "incomplete", Newest: noon,
		Latest: []billing.Seen{{StripeID: "evt_1", Status: "incomplete"}}, Version: 1,
	}, s))
	require.Equal(t, billing.Step{Outcome: events.Applied, Transition: true, Version: 1, Status: "incomplete"}, step)
}

func TestRegressionUpdatedArrivesBeforeCreatedOfTheSameSecond(t *testing.T) {
	t.Parallel()
	created := event("evt_b", 0, "incomplete", "")
	created.Type = "customer.subscription.created"
	updated := event("evt_a", 0, "active", "incomplete")

	s, steps := fold(updated, created)
	require.Equal(t, "active", s.Status)
	require.EqualValues(t, 1, s.Version)
	require.Equal(t, billing.Step{Outcome: events.Applied, Version: 1, Status: "active"}, steps[1], "the set grew")

	s, _ = fold(created, updated)
	require.Equal(t, "active", s.Status)
	require.EqualValues(t, 2, s.Version)
}

// An update that came before the creation was dropped, for want of a row, and
// the creation then stood as the last word.
func TestRegressionASubscriptionUpdatedBeforeCreated(t *testing.T) {
	t.Parallel()
	created := event("evt_1", 0, "incomplete", "")
	created.Type = "customer.subscription.created"
	for _, second := range []int{0, 1, 3600} {
		updated := event("evt_2", second, "active", "incomplete")
		s, steps := fold(updated, created)
		require.Equal(t, "active", s.Status)
		require.Equal(t, []bool{true, false}, []bool{steps[0].Transition, steps[1].Transition}, "the update makes the row, the creation changes nothing")
		require.EqualValues(t, 1, s.Version)

		inOrder, _ := fold(created, updated)
		inOrder.Version = s.Version
		require.Empty(t, cmp.Diff(inOrder, s), "the row is that of the right order")
	}
}

func TestDiagram(t *testing.T) {
	t.Parallel()
	testkit.Golden(t, "life.mmd", []byte(billing.Diagram()))
	for _, status := range billing.Statuses(events.ObjectSubscription) {
		require.Contains(t, billing.Diagram(), " "+status+"\n")
	}
	billing.Statuses(events.ObjectSubscription)[0] = "changed"
	require.Equal(t, "incomplete", billing.Statuses(events.ObjectSubscription)[0], "the list is not the caller's")
}

func TestRegressionThreeUpdatesOfOneSecondInEveryOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want string
		es   []*events.Billing
	}{
		{"unpaid", []*events.Billing{
			event("evt_1", 0, "active", "trialing"), event("evt_2", 0, "past_due", "active"), event("evt_3", 0, "unpaid", "past_due"),
		}},
		{"active", []*events.Billing{ // there and back: active is left once and entered twice
			event("evt_1", 0, "active", "trialing"), event("evt_2", 0, "past_due", "active"), event("evt_3", 0, "active", "past_due"),
		}},
		{"past_due", []*events.Billing{ // updates that say nothing of the status
			event("evt_1", 0, "active", ""), event("evt_2", 0, "past_due", "active"), event("evt_3", 0, "active", ""),
		}},
		{"unpaid", []*events.Billing{ // a ring has no end: the furthest along
			event("evt_1", 0, "past_due", "active"), event("evt_2", 0, "unpaid", "past_due"), event("evt_3", 0, "active", "unpaid"),
		}},
	} {
		permutations(c.es, func(es []*events.Billing) {
			s, _ := fold(es...)
			require.Equal(t, c.want, s.Status)
			require.Len(t, s.Latest, 3)
		})
	}
}

func TestRegressionDeletedArrivesBeforeUpdated(t *testing.T) {
	t.Parallel()
	deleted := event("evt_2", 0, "canceled", "")
	deleted.Type = "customer.subscription.deleted"
	for _, second := range []int{-1, 0, 1} { // even a newer one: it has ended
		s, steps := fold(deleted, event("evt_1", second, "active", "past_due"))
		require.Equal(t, "canceled", s.Status)
		require.Equal(t, billing.Step{Outcome: events.Stale, Version: 1, Status: "canceled"}, steps[1])
		require.Equal(t, noon, s.Newest)
	}
}

func TestTwoEndsAreDecidedTheSameInEitherOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expired, canceled int
		want              string
	}{{0, 0, "canceled"}, {1, 0, "incomplete_expired"}, {0, 1, "canceled"}} {
		permutations([]*events.Billing{
			event("evt_1", c.expired, "incomplete_expired", "incomplete"), event("evt_2", c.canceled, "canceled", "active"),
			event("evt_3", 9, "active", ""),
		}, func(es []*events.Billing) {
			s, _ := fold(es...)
			require.Equal(t, c.want, s.Status)
		})
	}
}

func TestTheNewerSecondWins(t *testing.T) {
	t.Parallel()
	s, steps := fold(event("evt_2", 1, "past_due", "active"), event("evt_1", 0, "active", "trialing"))
	require.Equal(t, "past_due", s.Status)
	require.Equal(t, events.Stale, steps[1].Outcome)

	s, steps = fold(event("evt_1", 0, "active", "trialing"), event("evt_2", 1, "active", ""))
	require.Equal(t, billing.Step{Outcome: events.Applied, Version: 1, Status: "active"}, steps[1], "newer, but no transition")
	require.Equal(t, []billing.Seen{{StripeID: "evt_2", Status: "active"}}, s.Latest)
}

func TestStatusesThatStripeInventsLater(t *testing.T) {
	t.Parallel()
	s, _ := fold(event("evt_1", 0, "active", "trialing"), event("evt_2", 1, "hibernating", "active"))
	require.Equal(t, "hibernating", s.Status)
	s, _ = fold(event("evt_1", 0, "hibernating", ""), event("evt_2", 0, "incomplete", ""))
	require.Equal(t, "incomplete", s.Status, "where nothing decides, one that we know")
	s, _ = fold(event("evt_1", 0, "hibernating", ""), event("evt_2", 0, "resting", ""))
	require.Equal(t, "resting", s.Status)
}

func TestHandled(t *testing.T) {
	t.Parallel()
	for _, typ := range []string{
		"created", "updated", "deleted", "paused", "resumed", "trial_will_end", "pending_update_applied", "pending_update_expired",
	} {
		require.True(t, billing.Handled(events.ObjectSubscription, "customer.subscription."+typ), typ)
	}
	for _, typ := range []string{"", "customer.updated", "invoice.paid", "customer.subscription", "customer.subscription.invented"} {
		require.False(t, billing.Handled(events.ObjectSubscription, typ), typ)
	}
	require.True(t, billing.Handled(events.ObjectInvoice, "invoice.paid"))
	require.True(t, billing.Handled(events.ObjectCharge, "charge.refunded"))
	require.True(t, billing.Handled(events.ObjectCheckout, "checkout.session.expired"))
	for _, typ := range []string{"invoice.upcoming", "invoice.invented", "charge.dispute.created", "charge.refund.updated", "customer.subscription.created"} {
		for _, kind := range []string{"", "dispute", events.ObjectInvoice, events.ObjectCharge, events.ObjectCheckout} {
			require.False(t, billing.Handled(kind, typ), typ)
		}
	}
}

func TestIgnoredEventsChangeNothing(t *testing.T) {
	t.Parallel()
	before, _ := fold(event("evt_1", 0, "active", ""))
	other := event("evt_2", 1, "canceled", "active")
	other.Type = "customer.updated"
	empty := event("evt_2", 1, "", "")
	none := event("evt_2", 1, "", "")
	none.Subscription = nil
	for _, e := range []*events.Billing{other, empty, none} {
		after, step := billing.Fold(before, true, e)
		require.Empty(t, cmp.Diff(before, after))
		require.Equal(t, billing.Step{Outcome: events.Ignored, Version: 1, Status: "active"}, step)
	}
}

func TestTheSameEventAgainIsStale(t *testing.T) {
	t.Parallel()
	e := event("evt_1", 0, "active", "trialing")
	before, _ := fold(e)
	after, step := billing.Fold(before, true, e)
	require.Empty(t, cmp.Diff(before, after))
	require.Equal(t, billing.Step{Outcome: events.Stale, Version: 1, Status: "active"}, step)
}

// Any order and any repetition of the same events ends in the same row.
func TestAnyOrderAndRepetitionEndsInTheSameRow(t *testing.T) {
	t.Parallel()
	statuses := []string{"incomplete", "trialing", "active", "past_due", "hibernating", "canceled", "incomplete_expired"}
	anyEvent := rapid.Custom(func(t *rapid.T) *events.Billing {
		e := event(
			fmt.Sprintf("evt_%d", rapid.IntRange(1, 9).Draw(t, "id")), rapid.IntRange(0, 2).Draw(t, "second"),
			rapid.SampledFrom(statuses).Draw(t, "status"), rapid.SampledFrom(append(statuses, "", "", "")).Draw(t, "previous"),
		)
		e.Subscription.Customer = rapid.SampledFrom([]string{"", "cus_1", "cus_2"}).Draw(t, "customer")
		return e
	})
	rapid.Check(t, func(t *rapid.T) {
		es := rapid.SliceOfN(anyEvent, 1, 7).Draw(t, "events")
		again := rapid.SliceOf(rapid.SampledFrom(es)).Draw(t, "repeated")
		other := rapid.Permutation(append(append([]*events.Billing{}, es...), again...)).Draw(t, "order")

		want, _ := fold(es...)
		got, steps := fold(other...)
		version, status, ended := int64(0), "", false
		for i, s := range steps {
			require.Equal(t, i == 0 || s.Status != status, s.Transition)
			if s.Transition {
				version++
			}
			require.Equal(t, version, s.Version)
			require.False(t, ended && !billing.Ended(events.ObjectSubscription, s.Status), "an end is final")
			status, ended = s.Status, billing.Ended(events.ObjectSubscription, s.Status)
		}
		require.Equal(t, version, got.Version)
		got.Version = want.Version
		require.Empty(t, cmp.Diff(want, got))
	})
}

func TestAnUnknownVersionIsIgnored(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for version, known := range map[string]bool{
		"": true, "2011-01-01": true, "2020-08-27": true, "2026-10-28.dahlia": true, "2026-11-24": true,
		"2026-12-01": false, "2099-01-01.future": false, "2020-13-01": false, "2020-08-27.": false, "v2": false, "unknown": false,
	} {
		require.Equal(t, known, billing.Known(version, at), version)
		e := events.Billing{
			StripeID: "evt_1", Type: "customer.subscription.created", Mode: "test", Version: version, Created: at, ReceivedAt: at,
			Subscription: &events.ObjectChange{ID: "sub_1", Status: "active"},
		}
		_, step := billing.Fold(billing.Object{}, false, &e)
		require.Equal(t, known, step.Outcome == events.Applied, version)
	}
}
