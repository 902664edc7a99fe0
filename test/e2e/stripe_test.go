package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/simulate"
	"waybill/internal/tenants"
)

// endpoint registers a Stripe endpoint's secret and waits until it verifies.
func (h *house) endpoint(name string, algorithm string) simulate.Stripe {
	h.t.Helper()
	s := simulate.Stripe{Secret: h.id("whsec_")}
	_, err := h.onboard.SignUp(h.t.Context(), operate.Account{
		Provider: tenants.Stripe, Name: name, Secrets: []operate.Secret{{Algorithm: algorithm, Value: []byte(s.Secret)}},
	})
	require.NoError(h.t, err)
	ping := fmt.Appendf(nil, `{"id":%q,"object":"event","livemode":false,"type":"ping"}`, h.id("evt_"))
	h.until(func() error {
		if got := h.answer(s.Sign(ping, time.Now())); got != http.StatusOK {
			return fmt.Errorf("a new secret is answered %d", got)
		}
		return nil
	})
	return s
}

func (h *house) charged(kind, typ, id, status string, live bool) []byte {
	return fmt.Appendf(nil, `{"id":%q,"object":"event","api_version":"2026-03-25.dahlia","created":%d,"livemode":%t,"type":%q,`+
		`"data":{"object":{"id":%q,"object":%q,"customer":"cus_1","status":%q}}}`, h.id("evt_"), time.Now().Unix(), live, typ, id, kind, status)
}

// A secret of test mode changes nothing live, although one path takes all: its
// live events are dead letters, its test ones are applied beside the live row.
func TestStripeTestModeCannotSpeakOfLiveObjects(t *testing.T) {
	h := open(t)
	live, desk := h.endpoint("live", ""), h.endpoint("desk", tenants.AlgorithmTestMode)
	sub := h.id("sub_")
	h.call(live.Sign(h.charged("subscription", "customer.subscription.created", sub, "active", true), time.Now()), http.StatusOK)
	h.row(sub, "active")

	before := h.held()
	h.moves(func() {
		h.call(desk.Sign(h.charged("subscription", "customer.subscription.deleted", sub, "canceled", true), time.Now()), http.StatusOK)
		h.until(func() error {
			for id, held := range h.held() {
				if _, old := before[id]; !old && held.State == events.Dead && held.Reason == "live_by_test_secret" && strings.HasPrefix(string(id), "stripe/test/") {
					return nil
				}
			}
			return fmt.Errorf("the forged event is not dead")
		})
	}, deadStripe)
	require.Equal(t, "active", h.row(sub, "active").Status)

	h.call(desk.Sign(h.charged("subscription", "customer.subscription.created", sub, "trialing", false), time.Now()), http.StatusOK)
	h.settled(sub, 2)
	modes := map[string]string{}
	for _, r := range h.story(sub).Resources {
		modes[r.Mode] = r.Status
	}
	require.Equal(t, map[string]string{"live": "active", "test": "trialing"}, modes)
	h.good()
}

// Invoices, charges and checkout sessions have rows; a thin event has none, and
// is on record under the id of what it is about, with its payload.
func TestStripePaymentsAndThinEvents(t *testing.T) {
	h := open(t)
	for _, c := range []struct{ kind, typ, prefix, status string }{
		{"invoice", "invoice.paid", "in_", "paid"},
		{"charge", "charge.failed", "ch_", "failed"},
		{"checkout.session", "checkout.session.expired", "cs_", "expired"},
	} {
		id := h.id(c.prefix)
		h.call(h.stripe.Sign(h.charged(c.kind, c.typ, id, c.status, false), time.Now()), http.StatusOK)
		require.Equal(t, strings.ReplaceAll(c.kind, ".", "_"), h.row(id, c.status).Kind)
	}
	meter := h.id("mtr_")
	thin := fmt.Appendf(nil, `{"id":%q,"object":"v2.core.event","type":"v1.billing.meter.error_report_triggered","livemode":false,`+
		`"created":"2024-09-17T06:20:52.246123456Z","related_object":{"id":%q,"type":"billing.meter"}}`, h.id("evt_"), meter)
	h.call(h.stripe.Sign(thin, time.Now()), http.StatusOK)
	h.settled(meter, 1)
	story := h.story(meter)
	require.Nil(t, story.Resource)
	require.Equal(t, events.Ignored, story.Events[0].Outcome)
	var payload []byte
	require.NoError(t, h.sql.QueryRow(t.Context(), "SELECT payload FROM billing_events WHERE object_id = $1", meter).Scan(&payload))
	require.Equal(t, string(thin), string(payload))
	h.good()
}
