package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/simulate"
)

// orders returns every order of three things.
func orders[T any](a, b, c T) [][]T {
	return [][]T{{a, b, c}, {a, c, b}, {b, a, c}, {b, c, a}, {c, a, b}, {c, b, a}}
}

// The callbacks of a message end in the same row in whatever order they come,
// and its campaign counts what the rows say.
func TestEveryOrderOfCallbacksEndsTheSame(t *testing.T) {
	h := open(t)
	campaign := uuid.NewString()
	type callback struct{ status, code string }
	all := orders(callback{"queued", ""}, callback{"sent", ""}, callback{"undelivered", "30003"})
	sids := make([]string, len(all))
	for i, order := range all {
		sids[i] = h.id("SM")
		h.send(events.Send{
			Org: events.OrgID(h.a.org), Account: h.a.Account, ProviderID: sids[i], From: h.a.number, To: person, CampaignID: campaign,
		})
		for _, c := range order {
			h.status(h.a, sids[i], c.status, c.code)
		}
	}
	for i := range sids {
		h.settled(sids[i], 4)
		r := h.row(sids[i], "undelivered")
		require.Equal(t, "30003", r.ErrorCode, all[i])
		require.Equal(t, h.a.org, string(r.Org))
	}
	n, err := operate.ShowCampaign(t.Context(), h.inspect, campaign, h.a.org)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"undelivered": 6}, n.Counters)
	require.Equal(t, n.Counters, n.Recounted)
	require.EqualValues(t, 6, n.Reached["queued"], "a late status is still counted as reached")
}

// Stripe's clock ticks once a second: events of one second say by what they
// changed which came last.
func TestEveryOrderOfStripeEventsOfOneSecondEndsTheSame(t *testing.T) {
	h := open(t)
	now := time.Now()
	all := orders(
		simulate.SubscriptionEvent{Type: "customer.subscription.created", Status: "incomplete"},
		simulate.SubscriptionEvent{Type: "customer.subscription.updated", Status: "past_due", Previous: "incomplete"},
		simulate.SubscriptionEvent{Type: "customer.subscription.updated", Status: "active", Previous: "past_due"},
	)
	for i, order := range all {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			h := open(t)
			sub := h.id("sub_")
			for _, e := range order {
				e.EventID, e.Subscription, e.Customer, e.Created = h.id("evt_"), sub, "cus_1", now
				r, err := h.stripe.Subscription(e, time.Now())
				require.NoError(t, err)
				h.call(r, http.StatusOK)
			}
			h.settled(sub, 3)
			h.row(sub, "active")
		})
	}
	h.good()
}

// A sender that puts its own message id into the callback's URL need not tell
// the provider's id: the callback brings it.
func TestACallbackFindsAnIntendedSendByItsEcho(t *testing.T) {
	for _, early := range []bool{false, true} {
		t.Run(fmt.Sprintf("callback first %t", early), func(t *testing.T) {
			h := open(t)
			message, sid := uuid.NewString(), h.id("SM")
			r := h.a.Sign(statusPath+"?wb="+message, callback(h.a, sid, "sent"))
			intend := func() {
				h.send(events.Send{Org: events.OrgID(h.a.org), Account: h.a.Account, MessageID: message, From: h.a.number, To: person})
			}
			if early {
				h.call(r, http.StatusNoContent)
				h.event(sid, func(e *history.Event) bool { return e.Outcome == events.Parked })
				intend()
			} else {
				intend()
				h.row(message, events.Intended)
				h.call(r, http.StatusNoContent)
			}
			row := h.row(message, "sent")
			require.Equal(t, message, row.ID)
			require.Equal(t, sid, row.ProviderID)
			require.Equal(t, h.a.org, string(row.Org))
			e := h.event(sid, func(e *history.Event) bool { return e.Status == "sent" && e.Outcome == events.Applied })
			require.Equal(t, "echo", e.ResolvedBy)
			h.call(h.a.Sign(statusPath+"?wb="+message, callback(h.a, sid, "delivered")), http.StatusNoContent)
			require.Equal(t, row.ID, h.row(sid, "delivered").ID)
		})
	}
}

// The echo stands in the URL, which is signed, but any account can sign a URL.
func TestAnEchoOfAnotherOrgsMessageIsQuarantined(t *testing.T) {
	h := open(t)
	message := uuid.NewString()
	h.send(events.Send{Org: events.OrgID(h.b.org), Account: h.b.Account, MessageID: message, From: h.b.number, To: person})
	row := h.row(message, events.Intended)
	sid := h.id("SM")
	h.moves(func() {
		h.call(h.a.Sign(statusPath+"?"+url.Values{"wb": {message}}.Encode(), callback(h.a, sid, "delivered")), http.StatusNoContent)
		h.event(sid, func(e *history.Event) bool { return e.Outcome == events.Quarantined })
	}, `waybill_org_boundary_violations_total{kind="signer_not_entitled"}`, `waybill_router_held_total{provider="twilio",state="quarantined"}`)
	require.Equal(t, row, h.row(message, events.Intended))
}
