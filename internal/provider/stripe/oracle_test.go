package stripe_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/stripe/stripe-go/v85/webhook"
	"pgregory.net/rapid"

	"waybill/internal/provider/stripe"
)

// Stripe's own Go library is the oracle of the signature, save for its known
// defects, which the generators below never make: see [TestStripeGoDefects].
//
// It reads the wall clock, so times stay away from the edge of the tolerance;
// the edge itself has its own test.
func TestAgreesWithStripeGo(t *testing.T) {
	t.Parallel()
	s := stripe.New(stripe.Tolerance)
	verdicts := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		age := rapid.SampledFrom([]int64{0, 1, 100, 250, 400, 100_000}).Draw(t, "age")
		at := fmt.Sprint(now.Unix() - age)
		body := rapid.String().Draw(t, "body")
		part := rapid.SampledFrom([]string{
			"v1=" + v1(secret, at, body), "v1=" + v1(secret, at, body), "v1=" + v1("other", at, body), "v1=" + v1(secret, "1", body),
			"v1=" + v1(secret, at, body+" "), "v0=" + v1(secret, at, body), "v1=potato", "v1=", "v1=00", "=", "x=y", " v1=" + v1(secret, at, body),
		})
		parts := rapid.SliceOfN(part, 0, 4).Draw(t, "parts")
		if rapid.IntRange(0, 9).Draw(t, "with t") > 0 {
			parts = append(parts, "t="+at)
		}
		if rapid.IntRange(0, 9).Draw(t, "malformed") == 0 {
			parts = append(parts, rapid.SampledFrom([]string{"v1", "", "a=b=c", "v1=a="}).Draw(t, "odd"))
		}
		h := strings.Join(rapid.Permutation(parts).Draw(t, "order"), ",")

		r := request(h, body)
		r.At = now
		_, err := s.Verify(t.Context(), r, registered())
		want := webhook.ValidatePayloadWithTolerance([]byte(body), h, secret, stripe.Tolerance)
		require.Equal(t, want == nil, err == nil, "oracle: %v, ours: %v", want, err)
		verdicts[want == nil]++
	})
	require.Greater(t, verdicts[true], 5, "the generator makes genuine requests")
	require.Greater(t, verdicts[false], 5, "the generator makes false ones")
}

// What the oracle signs, we accept.
func TestAcceptsWhatStripeGoSigns(t *testing.T) {
	t.Parallel()
	s := stripe.New(stripe.Tolerance)
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: body, Secret: secret, Timestamp: received})
		_, err := s.Verify(t.Context(), request(signed.Header, string(body)), registered())
		require.NoError(t, err)
	})
}
