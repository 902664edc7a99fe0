package stripe_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	stripego "github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"
	"pgregory.net/rapid"

	"waybill/internal/provider/stripe"
)

// construct is how stripe-go is meant to be used, but for the API version.
func construct(body, header, secret string) (stripego.Event, error) {
	return webhook.ConstructEventWithOptions([]byte(body), header, secret,
		webhook.ConstructEventOptions{Tolerance: stripe.Tolerance, IgnoreAPIVersionMismatch: true})
}

// drawEvent returns an event of the given kind and what changes of it.
func drawEvent(t *rapid.T, object string) map[string]any {
	word := rapid.StringMatching(`[a-z][a-z0-9_]{0,20}`)
	e := map[string]any{
		"id": "evt_" + word.Draw(t, "id"), "object": object,
		"type":     rapid.SampledFrom([]string{"customer.subscription.updated", "invoice.paid", "a.b"}).Draw(t, "type"),
		"livemode": rapid.Bool().Draw(t, "livemode"),
		"unread":   rapid.String().Draw(t, "unread"),
	}
	if rapid.Bool().Draw(t, "connected") {
		e["account"] = "acct_" + word.Draw(t, "account")
	}
	return e
}

func encode(t require.TestingT, e map[string]any) string {
	body, err := json.Marshal(e)
	require.NoError(t, err)
	return string(body)
}

// signEither signs with our own reading of the rule or with the oracle's.
func signEither(t *rapid.T, body string, at time.Time) string {
	if rapid.Bool().Draw(t, "by the oracle") {
		return webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: []byte(body), Secret: secret, Timestamp: at}).Header
	}
	return header(secret, at, body)
}

// Snapshot events are accepted and read alike, of whatever API version, and
// refused alike once a byte of them was changed.
func TestReadsWhatConstructEventReads(t *testing.T) {
	t.Parallel()
	s := stripe.New(stripe.Tolerance)
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t, "event")
		e["created"] = rapid.Int64Range(0, 4e9).Draw(t, "created")
		e["api_version"] = rapid.SampledFrom([]string{"", "2017-05-25", "2026-03-25.dahlia", "2026-09-30.preview"}).Draw(t, "version")
		e["data"] = map[string]any{
			"object":              map[string]any{"id": "sub_1", "customer": "cus_1", "status": "active"},
			"previous_attributes": map[string]any{"status": rapid.SampledFrom([]string{"trialing", "past_due"}).Draw(t, "previous")},
		}
		body, now := encode(t, e), time.Now()
		h := signEither(t, body, now)
		r := request(h, body)
		r.At = now

		want, err := construct(body, h, secret)
		require.NoError(t, err)
		v, err := s.Verify(t.Context(), r, registered())
		require.NoError(t, err)
		require.Equal(t, map[bool]string{true: "live", false: "test"}[want.Livemode], v.Signer)
		p, err := s.Parse(rawOf(v.Signer, body))
		require.NoError(t, err)
		got := p.Billing
		require.Equal(t, want.ID, got.StripeID)
		require.Equal(t, string(want.Type), got.Type)
		require.Equal(t, want.APIVersion, got.Version)
		require.Equal(t, want.Account, got.Account)
		require.Equal(t, want.Created, got.Created.Unix())
		require.Equal(t, want.GetObjectValue("id"), got.Object)
		if got.Subscription != nil {
			require.Equal(t, want.GetObjectValue("status"), got.Subscription.Status)
			require.Equal(t, want.GetObjectValue("customer"), got.Subscription.Customer)
			require.Equal(t, want.GetPreviousValue("status"), got.Subscription.Previous)
		}

		changed := []byte(body)
		changed[rapid.IntRange(0, len(changed)-1).Draw(t, "changed byte")] ^= byte(1 << rapid.IntRange(0, 7).Draw(t, "bit"))
		_, err = construct(string(changed), h, secret)
		require.Error(t, err)
		r.Body = changed
		_, err = s.Verify(t.Context(), r, registered())
		require.Error(t, err)
	})
}

// Thin events are accepted and read as ParseEventNotification does. They carry
// no object: the id of the one that they are about is all that there is.
func TestReadsWhatParseEventNotificationReads(t *testing.T) {
	t.Parallel()
	s, client := stripe.New(stripe.Tolerance), stripego.NewClient("sk_test_none")
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t, "v2.core.event")
		delete(e, "account")
		created := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).UTC()
		e["created"] = created.Format(time.RFC3339Nano)
		if rapid.Bool().Draw(t, "related") {
			e["related_object"] = map[string]any{"id": "mtr_1", "type": "billing.meter", "url": "/v1/billing/meters/mtr_1"}
		}
		if rapid.Bool().Draw(t, "within an account") {
			e["context"] = rapid.SampledFrom([]string{"acct_1", "org_1/acct_2"}).Draw(t, "context")
		}
		body, now := encode(t, e), time.Now()
		h := signEither(t, body, now)
		r := request(h, body)
		r.At = now

		container, err := client.ParseEventNotification([]byte(body), h, secret)
		require.NoError(t, err)
		want, ok := container.(*stripego.UnknownEventNotification) // none of the types above is a thin one that it knows
		require.True(t, ok)
		v, err := s.Verify(t.Context(), r, registered())
		require.NoError(t, err)
		p, err := s.Parse(rawOf(v.Signer, body))
		require.NoError(t, err)
		got := p.Billing
		require.Equal(t, want.ID, got.StripeID)
		require.Equal(t, want.Type, got.Type)
		require.True(t, want.Created.Equal(got.Created))
		require.Equal(t, want.Livemode, got.Mode == "live")
		if want.RelatedObject != nil {
			require.Equal(t, want.RelatedObject.ID, got.Object)
			require.Equal(t, want.RelatedObject.ID, v.Key)
		} else {
			require.Empty(t, got.Object)
			require.Equal(t, want.ID, v.Key)
		}
		if want.Context != nil {
			require.Equal(t, want.Context.Segments[len(want.Context.Segments)-1], got.Account)
		}
		require.Nil(t, got.Subscription)
	})
}

// TestStripeGoEventDefects lists what stripe-go v85.0.0 is known to refuse of
// well-signed requests: its reading goes by the API version and the kind of event,
// which a receiver that keeps what it gets must not. When a later one does better,
// its line fails and goes.
func TestStripeGoEventDefects(t *testing.T) {
	t.Parallel()
	now := time.Now()
	const snapshot = `{"id":"evt_1","object":"event","api_version":"2026-03-25.dahlia","type":"a.b"}`
	for _, c := range []struct{ name, body, theirs string }{ // "" = accepted; part of the error
		{"no defect", snapshot, ""},
		{"an API version of another release is refused", strings.Replace(snapshot, "2026-03-25.dahlia", "2020-08-27", 1), "API version"},
		{"a thin event is refused", strings.Replace(snapshot, `"event"`, `"v2.core.event"`, 1), "thin event"},
		{"what is signed but no JSON is refused", "hello", "parse webhook body"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := header(secret, now, c.body)
			_, theirs := webhook.ConstructEvent([]byte(c.body), h, secret)
			r := request(h, c.body)
			r.At = now
			_, ours := stripe.New(stripe.Tolerance).Verify(t.Context(), r, registered())
			require.NoError(t, ours)
			if c.theirs == "" {
				require.NoError(t, theirs)
			} else {
				require.ErrorContains(t, theirs, c.theirs)
			}
		})
	}
}
