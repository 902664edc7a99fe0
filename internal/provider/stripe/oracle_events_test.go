package stripe_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	stripego "github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"
	"pgregory.net/rapid"

	"waybill/internal/provider"
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

// TestStripeGoDefects lists what stripe-go v85.0.0 is known to do otherwise.
// When a later one does better, its line fails and goes.
func TestStripeGoDefects(t *testing.T) {
	t.Parallel()
	now := time.Now()
	at := fmt.Sprint(now.Unix())
	far := now.Add(time.Hour)
	const snapshot = `{"id":"evt_1","object":"event","api_version":"2026-03-25.dahlia","type":"a.b"}`
	older := strings.Replace(snapshot, "2026-03-25.dahlia", "2020-08-27", 1)
	thin := strings.Replace(snapshot, `"event"`, `"v2.core.event"`, 1)
	for _, c := range []struct {
		name, secret, header, body string
		theirs, ours               string // "" = accepted; theirs is part of the error
	}{
		{"no defect", secret, header(secret, now, snapshot), snapshot, "", ""},
		{"any time to come is fresh", secret, header(secret, far, snapshot), snapshot, "", "stale"},
		{"an empty secret verifies", "", header("", now, snapshot), snapshot, "", "empty_secret"},
		{"capitals are digits too", secret, "t=" + at + ",v1=" + strings.ToUpper(v1(secret, at, snapshot)), snapshot, "", "bad_signature"},
		{"the last of two times counts", secret, "t=1," + header(secret, now, snapshot), snapshot, "", "malformed_signature"},
		{"the number of the time is signed, not its text", secret, "t=+0" + at + ",v1=" + v1(secret, at, snapshot), snapshot, "", "malformed_signature"},
		{"any number of values", secret, header(secret, now, snapshot) + strings.Repeat(",v1=00", 100), snapshot, "", "malformed_signature"},
		{"an API version of another release is refused", secret, header(secret, now, older), older, "API version", ""},
		{"a thin event is refused", secret, header(secret, now, thin), thin, "thin event", ""},
		{"what is signed but no JSON is refused", secret, header(secret, now, "hello"), "hello", "parse webhook body", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, theirs := webhook.ConstructEvent([]byte(c.body), c.header, c.secret)
			r := request(c.header, c.body)
			r.At = now
			signers := registered()
			if c.secret == "" {
				signers.Known[endpoint] = provider.Signer{Name: endpoint, Secrets: []provider.Secret{{}}}
			}
			_, ours := stripe.New(stripe.Tolerance).Verify(t.Context(), r, signers)
			if c.theirs == "" {
				require.NoError(t, theirs)
			} else {
				require.ErrorContains(t, theirs, c.theirs)
			}
			if c.ours == "" {
				require.NoError(t, ours)
			} else {
				require.EqualError(t, ours, c.ours)
			}
		})
	}
}
