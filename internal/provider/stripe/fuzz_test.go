package stripe_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v85/webhook"

	"waybill/internal/events"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/stripe"
)

// bodies returns seeds: ours, and the vectors' where they are present.
func bodies(f *testing.F) []string {
	out := []string{
		subscriptionUpdated, `{"id":"evt_1","object":"v2.core.event","created":"2025-10-04T15:13:32.232083866Z"}`,
		`{"id":"evt_1","object":"event","created":1e999}`, "", "[]", "hello",
	}
	dir, _ := providertest.TryVectors("stripe")
	files, err := filepath.Glob(filepath.Join(dir, "events", "*.json"))
	require.NoError(f, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(f, err)
		out = append(out, string(b))
	}
	return out
}

// FuzzVerify changes genuine requests. Nothing can be accepted but the bodies
// that were signed, with the values that were made for them: the fuzzer does
// not hold the secret.
func FuzzVerify(f *testing.F) {
	s := stripe.New(stripe.Tolerance)
	signed := map[string]bool{}
	for _, body := range bodies(f) {
		signed[body] = true
		h := header(secret, received, body)
		f.Add(h, []byte(body))
		f.Add("v0=00,"+h+",v1=potato", []byte(body))
	}
	f.Fuzz(func(t *testing.T, h string, body []byte) {
		v, err := s.Verify(t.Context(), request(h, string(body)), registered())
		if err != nil {
			require.Contains(t, s.Reasons(), err.Error())
			return
		}
		require.True(t, signed[string(body)], "a changed body was accepted")
		require.Contains(t, h, header(secret, received, string(body))[2:12], "a changed time was accepted")
		require.Contains(t, h, header(secret, received, string(body))[13:], "a changed value was accepted")
		require.NotEmpty(t, v.Key)
		require.LessOrEqual(t, len(v.Key), 255)
	})
}

// FuzzParse feeds the parser what a holder of the secret could sign.
func FuzzParse(f *testing.F) {
	for _, body := range bodies(f) {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		raw := rawOf("live", string(body))
		p, err := stripe.Parser{}.Parse(raw)
		providertest.Sound(t, p, err)
		require.LessOrEqual(t, len(p.EventID), 300)
		if p.Billing != nil {
			rec, err := p.Billing.Record()
			require.NoError(t, err)
			b, err := events.DecodeBilling(&rec)
			require.Error(t, err, "the router fills in the event id and receipt")
			require.Equal(t, p.Billing.Created, b.Created, "times survive")
		}
		again, _ := stripe.Parser{}.Parse(raw)
		require.Equal(t, p, again)
	})
}

// FuzzName holds the quick reading of a body to encoding/json's.
func FuzzName(f *testing.F) {
	for _, body := range bodies(f) {
		f.Add([]byte(body))
	}
	f.Add([]byte(`{"data":{"object":{"id":"a"},"x":["\\\"",{}]},"LIVEMODE":true,"livemode":false,"related_object":{"id":"b"}}`))
	f.Fuzz(func(t *testing.T, body []byte) { sameName(t, string(body)) })
}

// FuzzHeader reads headers over one body. What is accepted is one of the values
// that were made for it, at its time, and stripe-go accepts it too: ours is the
// narrower reading.
func FuzzHeader(f *testing.F) {
	s := stripe.New(stripe.Tolerance)
	good := header(secret, received, subscriptionUpdated)
	at, value := good[:12], good[13:] // "t=..." and "v1=..."
	for _, h := range []string{
		good, value + "," + at, good + ",v0=00", "v1=potato," + good, good + "," + value, at, value, "t=1," + good, good + "=", good + ",",
		strings.ToUpper(good), "t=+" + good[2:], strings.Repeat("v1=,", 16) + good, strings.Repeat("v1=,", 17) + good,
	} {
		f.Add(h)
	}
	if dir, ok := providertest.TryVectors("stripe"); ok {
		var vectors []vector
		providertest.ReadJSON(f, filepath.Join(dir, "signatures.json"), &vectors)
		for _, v := range vectors {
			f.Add(v.Header)
		}
	}
	f.Fuzz(func(t *testing.T, h string) {
		_, err := s.Verify(t.Context(), request(h, subscriptionUpdated), registered())
		if err != nil {
			require.Contains(t, s.Reasons(), err.Error())
			return
		}
		require.Contains(t, strings.Split(h, ","), at)
		require.Contains(t, strings.Split(h, ","), value)
		require.NoError(t, webhook.ValidatePayloadIgnoringTolerance([]byte(subscriptionUpdated), h, secret))
	})
}
