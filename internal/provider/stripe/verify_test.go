package stripe_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/stripe"
	"waybill/internal/tenants"
)

// The numbers are those of the table of bad inputs.
func TestBadInputs(t *testing.T) {
	t.Parallel()
	const body = subscriptionUpdated
	now := fmt.Sprint(received.Unix())
	good := v1(secret, now, body)
	times := func(d time.Duration) string { return header(secret, received.Add(d), body) }
	cases := []struct {
		name, header, body string
		reason             string // "" = accepted
	}{
		{"12 no header", "", body, "missing_signature"},
		{"12 only v0", "t=" + now + ",v0=" + good, body, "bad_signature"},
		{"12 v1 is not hexadecimal", "t=" + now + ",v1=" + strings.Repeat("zz", 32), body, "bad_signature"},
		{"12 v1 is too short", "t=" + now + ",v1=" + good[:62], body, "bad_signature"},
		{"12 v1 in capitals", "t=" + now + ",v1=" + strings.ToUpper(good), body, "bad_signature"},
		{"13 300 s old", times(-300 * time.Second), body, ""},
		{"13 301 s old", times(-301 * time.Second), body, "stale"},
		{"13 300 s ahead", times(300 * time.Second), body, ""},
		{"13 301 s ahead", times(301 * time.Second), body, "stale"},
		{"13 31,000 years ahead", "t=999999999999,v1=" + v1(secret, "999999999999", body), body, "stale"},
		{"13 old and false", header("other", received.Add(-time.Hour), body), body, "bad_signature"},
		{"14 t twice", "t=" + now + ",t=" + now + ",v1=" + good, body, "malformed_signature"},
		{"14 16 values", "t=" + now + strings.Repeat(",v1=potato", 15) + ",v1=" + good, body, ""},
		{"14 17 values", "t=" + now + strings.Repeat(",v1=potato", 16) + ",v1=" + good, body, "malformed_signature"},
		{"14 10,000 values", "t=" + now + strings.Repeat(",v1="+good, 10_000), body, "malformed_signature"},
		{"14 a header of 5,000 bytes", "t=" + now + ",v1=" + good + ",v0=" + strings.Repeat("0", 5000), body, "malformed_signature"},
		{"15 re-serialised", "t=" + now + ",v1=" + good, strings.ReplaceAll(body, ":", ": "), "bad_signature"},
		{"16 unknown type and version", header(secret, received, `{"id":"evt_1","object":"event","type":"new","api_version":"2099-01-01.x"}`), `{"id":"evt_1","object":"event","type":"new","api_version":"2099-01-01.x"}`, ""},
		{"17 not JSON", header(secret, received, "hello"), "hello", ""},
		{"no t", "v1=" + good, body, "malformed_signature"},
		{"empty t", "t=,v1=" + good, body, "malformed_signature"},
		{"t with a sign", "t=+" + now + ",v1=" + v1(secret, "+"+now, body), body, "malformed_signature"},
		{"t of another spelling", "t=0" + now + ",v1=" + good, body, "bad_signature"},
		{"t too long", "t=" + strings.Repeat("1", 13) + ",v1=" + good, body, "malformed_signature"},
		{"blank after the comma", "t=" + now + ", v1=" + good, body, "bad_signature"},
		{"a pair without a value", "v1,t=" + now, body, "malformed_signature"},
		{"a pair with two values", "t=" + now + ",v1=" + good + "=", body, "malformed_signature"},
		{"other schemes beside it", "v0=x,t=" + now + ",v9=y,v1=" + good, body, ""},
	}
	s := stripe.New(stripe.Tolerance)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Verify(t.Context(), request(c.header, c.body), registered())
			if c.reason == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, c.reason, fault.ReasonOf(err))
			require.Equal(t, fault.Unverified, fault.ClassOf(err))
		})
	}
}

func TestTwoHeaders(t *testing.T) {
	t.Parallel()
	r := request(header(secret, received, "{}"), "{}")
	r.Header.Add("Stripe-Signature", "t=1")
	_, err := stripe.New(stripe.Tolerance).Verify(t.Context(), r, registered())
	require.Equal(t, "malformed_signature", fault.ReasonOf(err))
}

// What no registered secret signed is false only if every endpoint that it may
// have come from could be asked.
func TestWhoMaySign(t *testing.T) {
	t.Parallel()
	several := providertest.Register("first", []byte("whsec_other"))
	several.Known["second"] = provider.Signer{Name: "second", Secrets: []provider.Secret{{Algorithm: "hmac-sha256", Value: []byte(secret)}}}
	broken := providertest.Register("first", []byte(secret))
	broken.Known["second"] = provider.Signer{Name: "second", Secrets: []provider.Secret{{}}}
	foreign := registered()
	foreign.Known[endpoint].Secrets[0].Algorithm = "hmac-sha1"

	cases := []struct {
		name    string
		signers provider.Signers
		with    string
		class   fault.Class
		reason  string
	}{
		{"any endpoint", several, secret, 0, ""},
		{"none of them", several, "whsec_none", fault.Unverified, "bad_signature"},
		{"nobody", providertest.Nobody(provider.Unknown), secret, fault.Unregistered, "no_secret"},
		{"perhaps nobody", providertest.Nobody(provider.Unsure), secret, fault.Unavailable, "unsure_secret"},
		{"perhaps more", incomplete{registered()}, "whsec_none", fault.Unavailable, "unsure_secret"},
		{"known before the rest", incomplete{registered()}, secret, 0, ""},
		{"one beside an empty one", broken, secret, 0, ""},
		{"perhaps the empty one", broken, "whsec_none", fault.Unavailable, "empty_secret"},
		{"another algorithm", foreign, secret, fault.Unavailable, "empty_secret"},
	}
	s := stripe.New(stripe.Tolerance)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Verify(t.Context(), request(header(c.with, received, "{}"), "{}"), c.signers)
			if c.reason == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, c.reason, fault.ReasonOf(err))
			require.Equal(t, c.class, fault.ClassOf(err))
		})
	}
}

// A secret of test mode cannot speak of live objects; every other one says what
// its body says. The secret, not the endpoint, is of a mode.
func TestTestModeSecret(t *testing.T) {
	t.Parallel()
	signers := registered()
	one := signers.Known[endpoint]
	one.Secrets = append(one.Secrets, provider.Secret{Algorithm: tenants.AlgorithmTestMode, Value: []byte("whsec_desk")})
	signers.Known[endpoint] = one
	both := registered()
	both.Known["again"] = provider.Signer{Name: "again", Secrets: []provider.Secret{{Algorithm: tenants.AlgorithmTestMode, Value: []byte(secret)}}}
	event := func(livemode string) string {
		return strings.Replace(subscriptionUpdated, `"livemode":true`, `"livemode":`+livemode, 1)
	}
	cases := []struct {
		name           string
		signers        provider.Signers
		with, body     string
		signer, reason string
	}{
		{"live", signers, secret, event("true"), "live", ""},
		{"test event of a live endpoint", signers, secret, event("false"), "test", ""},
		{"test", signers, "whsec_desk", event("false"), "test", ""},
		{"test that claims to be live", signers, "whsec_desk", event("true"), "test", "live_by_test_secret"},
		{"test that says nothing", signers, "whsec_desk", event("null"), "test", ""},
		{"test that is damaged", signers, "whsec_desk", "hello", "test", "undecodable"},
		{"registered both ways", both, secret, event("true"), "test", "live_by_test_secret"},
	}
	s := stripe.New(stripe.Tolerance)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, err := s.Verify(t.Context(), request(header(c.with, received, c.body), c.body), c.signers)
			require.NoError(t, err)
			require.Equal(t, c.signer, v.Signer)
			p, err := s.Parse(rawOf(v.Signer, c.body))
			if c.reason == "" {
				require.NoError(t, err)
			} else {
				require.Equal(t, c.reason, fault.ReasonOf(err))
			}
			require.False(t, strings.HasPrefix(string(p.EventID), "stripe/live/") && c.signer == "test", "the id is not one of live")
		})
	}
}

// incomplete is a snapshot that was not read to its end.
type incomplete struct{ snapshot }

type snapshot = providertest.Signers

func (s incomplete) Signers(p events.Provider) ([]provider.Signer, provider.Knowledge) {
	all, _ := s.snapshot.Signers(p)
	return all, provider.Unsure
}

func TestVerified(t *testing.T) {
	t.Parallel()
	s := stripe.New(stripe.Tolerance)
	long := strings.Repeat("x", 256)
	for _, c := range []struct{ body, signer, key string }{
		{subscriptionUpdated, "live", "sub_1"},
		{`{"id":"evt_1","livemode":false,"related_object":{"id":"mtr_1"}}`, "test", "mtr_1"},
		{`{"id":"evt_1","livemode":false,"data":{"object":{"id":5}}}`, "test", "evt_1"},
		{`{"id":"evt_1","livemode":false,"data":[1]}`, "test", "evt_1"},
		{`{"id":"` + long + `","livemode":"true"}`, "unknown", "stripe/unknown"},
		{`{"id":"a b","livemode":true}`, "live", "stripe/live"},
		{`[]`, "unknown", "stripe/unknown"},
		{`not JSON`, "unknown", "stripe/unknown"},
		{``, "unknown", "stripe/unknown"},
	} {
		signature := header(secret, received, c.body)
		v, err := s.Verify(t.Context(), request(signature, c.body), registered())
		require.NoError(t, err)
		want := provider.Verified{Signer: c.signer, Key: c.key, Headers: []events.Header{
			{Key: "stripe-signature", Value: []byte(signature)},
			{Key: "content-type", Value: []byte("application/json; charset=utf-8")},
		}}
		require.Empty(t, cmp.Diff(want, v))
	}
}
