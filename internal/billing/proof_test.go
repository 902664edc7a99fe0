package billing_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"waybill/internal/billing"
	"waybill/internal/events"
)

// TestProofSubscriptionJoin checks the three laws of a join for every pair and
// triple of rows made of none, one or two of a set of events that meet in every
// way: same second or not, ended or not, a chain, a ring, one id twice.
func TestProofSubscriptionJoin(t *testing.T) {
	t.Parallel()
	es := []*events.Billing{
		event("evt_1", 0, "incomplete", ""), event("evt_2", 0, "active", "incomplete"), event("evt_3", 0, "past_due", "active"),
		event("evt_4", 0, "active", "past_due"), event("evt_4", 0, "active", ""), event("evt_5", 1, "past_due", "active"),
		event("evt_6", 1, "canceled", "active"), event("evt_7", 0, "canceled", ""), event("evt_8", 1, "incomplete_expired", "incomplete"),
	}
	es[1].Subscription.Customer, es[5].Subscription.Customer = "", "cus_0"
	all := []billing.Object{{}}
	for i := range es {
		for j := i; j < len(es); j++ {
			s, _ := fold(es[i], es[j])
			s.Version = 0
			all = append(all, s)
		}
	}
	join, pairs, triples := billing.Join, 0, 0
	for _, a := range all {
		require.True(t, same(a, join(a, a)), "idempotent")
		for _, b := range all {
			ab := join(a, b)
			if !same(ab, join(b, a)) {
				t.Fatalf("not commutative: %+v, %+v", a, b)
			}
			pairs++
			for _, c := range all {
				if !same(join(ab, c), join(a, join(b, c))) {
					t.Fatalf("not associative: %+v, %+v, %+v", a, b, c)
				}
				triples++
			}
		}
	}
	t.Log(message.NewPrinter(language.English).Sprintf("billing: %d pairs, %d triples: all equal", pairs, triples))
}

func same(a, b billing.Object) bool {
	return a.Kind == b.Kind && a.ID == b.ID && a.Mode == b.Mode && a.Customer == b.Customer && a.Status == b.Status &&
		a.Newest.Equal(b.Newest) && a.Version == b.Version && slices.Equal(a.Latest, b.Latest)
}

// TestProofTrails walks every trail of up to four changes over four statuses
// within one second and folds its events in every order: unless the trail is a
// ring, the row ends where the trail ends, though the clock tells nothing.
func TestProofTrails(t *testing.T) {
	t.Parallel()
	statuses := []string{"trialing", "active", "past_due", "unpaid"}
	trails, orders := 0, 0
	var walk func(trail []string)
	walk = func(trail []string) {
		first, last := trail[0], trail[len(trail)-1]
		if first != last {
			trails++
			// The greatest event id first, so that ids do not give the order away.
			es := []*events.Billing{}
			for i := 1; i < len(trail); i++ {
				es = append(es, event(fmt.Sprintf("evt_%d", 9-i), 0, trail[i], trail[i-1]))
			}
			permutations(es, func(p []*events.Billing) {
				orders++
				if s, _ := fold(p...); s.Status != last {
					t.Fatalf("%v ended as %s", trail, s.Status)
				}
			})
		}
		if len(trail) == 5 {
			return
		}
		for _, next := range statuses {
			if next != last {
				walk(append(slices.Clone(trail), next))
			}
		}
	}
	for _, s := range statuses {
		walk([]string{s})
	}
	t.Log(message.NewPrinter(language.English).Sprintf("billing: %d trails in %d orders: all end where they should", trails, orders))
}
