package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/simulate"
	"waybill/internal/tenants"
)

// badInput is a row of the table of bad inputs, by its number there, whose
// outcome lies behind the answer.
type badInput struct {
	name    string
	request simulate.Request
	answer  int
	about   string         // the id under which the event is found
	outcome events.Outcome // "" = refused
	reason  string
	moved   []string // counters that go up by one
	check   func(t *testing.T, h *house)
}

const (
	statusPath  = "/api/webhooks/sms/status"
	inboundPath = "/api/webhooks/sms"

	deadTwilio = `waybill_router_held_total{provider="twilio",state="dead"}`
	deadStripe = `waybill_router_held_total{provider="stripe",state="dead"}`
)

// callback is the form of a genuine status callback.
func callback(from tenant, sid, status string) url.Values {
	return url.Values{
		"MessageSid": {sid}, "AccountSid": {from.Account}, "From": {from.number}, "To": {person}, "MessageStatus": {status},
	}
}

// with returns the form with some of its values replaced.
func with(form url.Values, pairs ...string) url.Values {
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

func inbound(to tenant, sid string) url.Values {
	return url.Values{
		"MessageSid": {sid}, "AccountSid": {to.Account}, "From": {person}, "To": {to.number}, "SmsStatus": {"received"}, "NumMedia": {"0"},
	}
}

// statusInputs are callbacks under a good signature of a message on record.
func statusInputs(h *house) []badInput {
	var list []badInput
	dead := func(name, reason string, change func(url.Values)) {
		sid := h.sent(h.a)
		form := callback(h.a, sid, "delivered")
		change(form)
		list = append(list, badInput{
			name: name, request: h.a.Sign(statusPath, form), answer: http.StatusNoContent,
			about: sid, outcome: events.Dead, reason: reason, moved: []string{deadTwilio},
		})
	}
	applied := func(name string, change func(url.Values)) {
		sid := h.sent(h.a)
		form := callback(h.a, sid, "delivered")
		change(form)
		list = append(list, badInput{name: name, request: h.a.Sign(statusPath, form), answer: http.StatusNoContent, about: sid, outcome: events.Applied})
	}
	dead("4 MessageStatus twice", "repeated_parameter", func(f url.Values) { f.Add("MessageStatus", "failed") })
	dead("4 MessageStatus twice and equal", "repeated_parameter", func(f url.Values) { f.Add("MessageStatus", "delivered") })
	dead("35 NUL in a status", "unknown_status", func(f url.Values) { f.Set("MessageStatus", "delivered\x00") })
	dead("35 invalid UTF-8 in an error code", "bad_error_code", func(f url.Values) { f.Set("ErrorCode", "300\xff03") })
	dead("35 an address of 100 KiB", "oversized_address", func(f url.Values) { f.Set("To", strings.Repeat("1", 100<<10)) })
	applied("35 NUL and invalid UTF-8 in an address", func(f url.Values) { f.Set("To", "+1\x00202\xff") })
	applied("35 right-to-left marks in an address", func(f url.Values) { f.Set("From", "\u202e+12025550101\u200f") })
	applied("35 an unread field of 100 KiB", func(f url.Values) { f.Set("RawDlrDoneDate", strings.Repeat("\x00\xff", 50<<10)) })
	return list
}

// inboundInputs are messages that somebody wrote.
func inboundInputs(h *house) []badInput {
	list := []badInput{{
		name: "35 a text of 300 KiB", about: h.id("SM"), outcome: events.Dead, reason: "oversized_body", moved: []string{deadTwilio},
		answer: http.StatusOK,
	}}
	list[0].request = h.a.Sign(inboundPath, with(inbound(h.a, list[0].about), "Body", strings.Repeat("x", 300<<10)))
	for _, c := range []struct{ name, sent, kept string }{
		{"NUL in a text", "a\x00b", "a\uFFFDb"},
		{"invalid UTF-8 in a text", "a\xff\xfeb\xc3", "a\uFFFDb\uFFFD"},
		{"right-to-left marks in a text", "\u202eabc\u200f", "\u202eabc\u200f"},
		{"a text of 100 KiB", strings.Repeat("é", 50<<10), strings.Repeat("é", 50<<10)},
	} {
		sid := h.id("SM")
		list = append(list, badInput{
			name: "35 " + c.name, request: h.a.Sign(inboundPath, with(inbound(h.a, sid), "Body", c.sent)), answer: http.StatusOK,
			about: sid, outcome: events.Applied, check: func(t *testing.T, h *house) {
				t.Helper()
				var body string
				require.NoError(t, h.sql.QueryRow(t.Context(), "SELECT body FROM sms_messages WHERE provider_id = $1", sid).Scan(&body))
				require.Equal(t, c.kept, body)
			},
		})
	}
	return list
}

// stripeEvent is the body of an event about a subscription. more is JSON that
// is put into its object.
func stripeEvent(evt, sub, typ, version, created, more string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"object":"event","api_version":%q,"created":%s,"livemode":false,"type":%q,`+
		`"data":{"object":{"id":%q,"object":"subscription","customer":"cus_1","status":"active"%s}}}`, evt, version, created, typ, sub, more)
}

// stripeInputs are bodies that Stripe's signature covers.
func stripeInputs(h *house) []badInput {
	var list []badInput
	add := func(name string, body []byte, about string, outcome events.Outcome, reason string) *badInput {
		in := badInput{
			name: name, request: h.stripe.Sign(body, time.Now()), answer: http.StatusOK, about: about, outcome: outcome, reason: reason,
		}
		if outcome == events.Dead {
			in.moved = []string{deadStripe}
		}
		list = append(list, in)
		return &list[len(list)-1]
	}
	const update, version = "customer.subscription.updated", "2025-09-30.clover"
	now := fmt.Sprint(time.Now().Unix())
	for _, c := range []struct{ name, typ, version string }{
		{"16 Stripe type that nobody knows", "customer.subscription.teleported", version},
		{"16 Stripe type and version that nobody knows", "payment_portal.opened", "2999-01-01.zinnia"},
		{"16 Stripe version that nobody knows", update, "2999-01-01.zinnia"},
		{"35 NUL in a Stripe type", "a\u0000b", version},
	} {
		evt, sub := h.id("evt_"), h.id("sub_")
		typ, err := json.Marshal(c.typ)
		require.NoError(h.t, err)
		body := bytes.Replace(stripeEvent(evt, sub, "TYPE", c.version, now, ""), []byte(`"TYPE"`), typ, 1)
		in := add(c.name, body, sub, events.Ignored, "")
		in.check = func(t *testing.T, h *house) {
			t.Helper()
			var payload []byte
			require.NoError(t, h.sql.QueryRow(t.Context(), "SELECT payload FROM billing_events WHERE stripe_id = $1", evt).Scan(&payload))
			require.Equal(t, string(body), string(payload))
		}
	}
	evt := func() string { return h.id("evt_") }
	sub := func() string { return h.id("sub_") }
	add("17 Stripe, not JSON", []byte("surely no JSON"), "", events.Dead, "undecodable")
	add("17 Stripe, no body", nil, "", events.Dead, "undecodable")
	add("17 Stripe, two documents", []byte("{} {}"), "", events.Dead, "undecodable")
	add("35 JSON 20,000 deep", stripeEvent(evt(), sub(), update, version, now,
		`,"metadata":`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)), "", events.Dead, "undecodable")
	add("35 1e999 as the time", stripeEvent(evt(), sub(), update, version, "1e999", ""), "", events.Dead, "bad_created")
	add("35 NUL in an event's id", stripeEvent("evt_TEN", sub(), update, version, now, ""), "", events.Dead, "bad_id")
	last := &list[len(list)-1]
	last.request = h.stripe.Sign(bytes.Replace(last.request.Body, []byte("evt_TEN"), []byte(`evt_\u0000`), 1), time.Now())
	for _, c := range []struct{ name, more string }{
		{"1e999 in an unread field", `,"quantity":1e999`},
		{"invalid UTF-8, NUL and marks in an unread field", ",\"description\":\"\xff\xfe\\u0000\\ud800\u202e\""},
		{"an unread field of 100 KiB", `,"description":"` + strings.Repeat("x", 100<<10) + `"`},
	} {
		id := sub()
		in := add("35 "+c.name, stripeEvent(evt(), id, update, version, now, c.more), id, events.Applied, "")
		in.check = func(t *testing.T, h *house) { t.Helper(); require.Equal(t, "active", h.story(id).Resource.Status) }
	}
	return list
}

// borderMoved is a callback whose ErrorCode was merged into its AccountSid:
// Twilio's signature has no separators, so it still verifies over the bytes.
func borderMoved(h *house) badInput {
	form := with(callback(h.a, h.id("SM"), "failed"), "ErrorCode", "30003")
	r := h.a.Sign(statusPath, form)
	form.Set("AccountSid", h.a.Account+"ErrorCode30003")
	form.Del("ErrorCode")
	r.Body = []byte(form.Encode())
	return badInput{
		name: "5 the border between key and value moved", request: r, answer: http.StatusForbidden,
		moved: []string{`waybill_ingest_refused_total{provider="twilio",reason="unknown_account"}`},
	}
}

func badInputs(h *house) []badInput {
	list := append(statusInputs(h), borderMoved(h))
	list = append(list, inboundInputs(h)...)
	return append(list, stripeInputs(h)...)
}

func TestBadInputs(t *testing.T) {
	for _, in := range badInputs(open(t)) {
		t.Run(in.name, func(t *testing.T) {
			h := open(t)
			before := h.held()
			h.moves(func() { h.call(in.request, in.answer); in.cameTrue(h, before) }, in.moved...)
			if in.outcome != events.Dead {
				require.Len(t, h.held(), len(before), "nothing is held")
			}
		})
	}
}

// cameTrue waits until the input has the outcome that the table names.
func (in *badInput) cameTrue(h *house, before map[events.EventID]history.Held) {
	h.t.Helper()
	switch in.outcome {
	case "":
	case events.Dead:
		h.becomesHeld(before, events.Dead, in.reason)
	default:
		h.event(in.about, func(e *history.Event) bool { return e.Outcome == in.outcome && e.Type != string(events.KindSend) })
	}
	if in.outcome == events.Dead && in.about != "" {
		h.event(in.about, func(e *history.Event) bool { return e.Outcome == events.Dead && e.Reason == in.reason })
	}
	if in.check != nil {
		in.check(h.t, h)
	}
}

// becomesHeld waits until something is held that was not before.
func (h *house) becomesHeld(before map[events.EventID]history.Held, state events.Outcome, reason string) {
	h.t.Helper()
	h.until(func() error {
		for id, held := range h.held() {
			if _, old := before[id]; !old && held.State == state && held.Reason == reason {
				return nil
			}
		}
		return fmt.Errorf("no event is %s for %s", state, reason)
	})
}

// Row 7: organisation A signs for a message of organisation B.
func TestBadInput7ForeignSignature(t *testing.T) {
	h := open(t)
	sid := h.sent(h.b)
	h.status(h.b, sid, "sent", "")
	row := h.row(sid, "sent")
	h.moves(func() {
		h.status(h.a, sid, "undelivered", "30003")
		e := h.event(sid, func(e *history.Event) bool { return e.Outcome == events.Quarantined })
		require.Equal(t, "signer_not_entitled", e.Reason)
		require.Equal(t, h.a.Account, e.VerifiedAs)
	}, `waybill_org_boundary_violations_total{kind="signer_not_entitled"}`, `waybill_router_held_total{provider="twilio",state="quarantined"}`)
	require.Equal(t, row, h.row(sid, "sent"), "the row of B is untouched")
	h.status(h.b, sid, "undelivered", "30003")
	require.Equal(t, row.Version+1, h.row(sid, "undelivered").Version, "the same words of B apply")
}

// Row 8: Twilio's scheme has no clock, so a captured request verifies for ever.
func TestBadInput8Replay(t *testing.T) {
	h := open(t)
	sid := h.sent(h.a)
	captured := h.a.Status(sid, h.a.number, person, "sent", "")
	h.call(captured, http.StatusNoContent)
	h.row(sid, "sent")
	h.status(h.a, sid, "delivered", "")
	row := h.row(sid, "delivered")
	for n := 1; n <= 3; n++ {
		h.moves(func() {
			h.call(captured, http.StatusNoContent)
			h.event(sid, func(e *history.Event) bool {
				return e.Status == "sent" && e.Outcome == events.Applied && e.Duplicates == n
			})
		}, `waybill_worker_duplicates_total{domain="messages"}`)
	}
	require.Equal(t, row, h.row(sid, "delivered"))
}

// Row 10: an empty secret is refused, and one that is found all the same makes
// its account alone answer 503.
func TestBadInput10EmptySecret(t *testing.T) {
	h := open(t)
	for _, secret := range []string{"", " \n"} {
		_, err := h.onboard.SignUp(t.Context(), operate.Account{
			Provider: tenants.Twilio, Name: h.id("AC"), Orgs: []string{h.a.org}, Secrets: []operate.Secret{{Value: []byte(secret)}},
		})
		require.ErrorContains(t, err, "the secret is empty")
	}
	for _, c := range []struct {
		name string
		seal func(id string) []byte
	}{
		{"empty", func(id string) []byte { return h.onboard.Key.Seal(nil, id) }},
		{"sealed for another token", func(string) []byte { return h.onboard.Key.Seal([]byte("a token"), "another") }},
		{"no seal", func(string) []byte { return []byte("rubbish") }},
	} {
		t.Run("10 "+c.name, func(t *testing.T) {
			h := open(t)
			before := h.unusable()
			broken := h.a
			broken.Account, broken.Token = h.id("AC"), ""
			id := uuid.NewString()
			added, err := h.onboard.AddAccounts(t.Context(), []tenants.NewAccount{{
				Provider: tenants.Twilio, Name: broken.Account, Orgs: []events.OrgID{events.OrgID(h.a.org)},
				Tokens: []tenants.SealedToken{{ID: id, Sealed: c.seal(id)}},
			}})
			require.NoError(t, err)
			h.becomesUnusable(before + 1)
			sid := h.sent(h.a)
			h.moves(func() { h.call(broken.Status(sid, h.a.number, person, "failed", ""), http.StatusServiceUnavailable) },
				`waybill_ingest_refused_total{provider="twilio",reason="empty_secret"}`)
			h.row(sid, "accepted")
			require.NoError(t, h.onboard.RemoveAccount(t.Context(), added[0].ID, ""))
			h.becomesUnusable(before)
		})
	}
}

// unusable is the gauge that an alarm hangs on.
func (h *house) unusable() float64 {
	h.t.Helper()
	const gauge = "waybill_ingest_signers_unusable"
	return h.figures(gauge)[gauge]
}

func (h *house) becomesUnusable(n float64) {
	h.t.Helper()
	h.until(func() error {
		if now := h.unusable(); now != n {
			return fmt.Errorf("%v signers are unusable, not %v", now, n)
		}
		return nil
	})
}
