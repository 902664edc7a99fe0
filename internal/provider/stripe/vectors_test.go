package stripe_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/stripe"
)

// vector is one signed payload with the claim of its source.
type vector struct {
	ID        string `json:"id"`
	Secret    string `json:"auth_secret"`
	Payload   string `json:"payload"`
	File      string `json:"payload_file"`
	Header    string `json:"header"`
	Now       int64  `json:"now"`
	Tolerance int64  `json:"tolerance"`
	Valid     *bool  `json:"valid"`
}

// listed is an event of the manifest.
type listed struct {
	File    string `json:"file"`
	Type    string `json:"type"`
	Version string `json:"api_version"`
	ID      string `json:"id"`
	Object  string `json:"object"`
}

// decided lists the vectors that their source leaves open and we do not.
var decided = map[string]string{
	"dotnet-future": "stale", // the tolerance holds on both sides
}

// payments is what the events say that are about an invoice, a charge or a
// checkout session; nothing is said of disputes, refunds and payment intents.
var payments = map[string]string{
	"invoice.created.json":                         "invoice draft",
	"invoice.finalized.json":                       "invoice paid", // that is how it was rendered
	"invoice.paid.json":                            "invoice paid",
	"derived.invoice.paid.connect-account.json":    "invoice paid",
	"derived.invoice.paid.livemode-flipped.json":   "invoice paid",
	"invoice.payment_failed.json":                  "invoice open",
	"invoice.payment_succeeded.json":               "invoice paid",
	"charge.failed.json":                           "charge failed",
	"charge.refunded.json":                         "charge refunded, succeeded before",
	"checkout.session.completed.json":              "checkout_session paid",
	"checkout.session.completed.payment_mode.json": "checkout_session paid",
	"checkout.session.completed.setup_mode.json":   "checkout_session no_payment_required",
}

func paymentOf(b *events.Billing) string {
	if b.Payment == nil {
		return ""
	}
	said := b.Payment.Kind + " " + b.Payment.Status
	if b.Payment.Previous != "" {
		said += ", " + b.Payment.Previous + " before"
	}
	return said
}

func TestVectors(t *testing.T) {
	t.Parallel()
	dir := providertest.Vectors(t, "stripe")
	var n providertest.Tally
	count := func(ok bool) {
		n.Claimed++
		if ok {
			n.AsIs++
		}
	}
	var vectors []vector
	providertest.ReadJSON(t, filepath.Join(dir, "signatures.json"), &vectors)
	require.NotEmpty(t, vectors)
	for _, v := range vectors {
		if v.File != "" {
			v.Payload = string(readFile(t, filepath.Join(dir, v.File)))
		}
		if v.Valid == nil {
			n.Open++
			t.Run(v.ID, func(t *testing.T) {
				_, err := v.verify(t)
				require.Equal(t, decided[v.ID], fault.ReasonOf(err))
			})
			continue
		}
		count(t.Run(v.ID, v.check))
	}
	var manifest []listed
	providertest.ReadJSON(t, filepath.Join(dir, "manifest.json"), &manifest)
	require.NotEmpty(t, manifest)
	for _, l := range manifest {
		count(t.Run(l.File, func(t *testing.T) { l.check(t, readFile(t, filepath.Join(dir, l.File))) }))
	}
	n.Log(t, "stripe")
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return b
}

func (v *vector) verify(t *testing.T) (provider.Verified, error) {
	r := request(v.Header, v.Payload)
	r.At = time.Unix(v.Now, 0)
	s := stripe.New(time.Duration(v.Tolerance) * time.Second)
	return s.Verify(t.Context(), r, providertest.Register(endpoint, []byte(v.Secret)))
}

func (v *vector) check(t *testing.T) {
	got, err := v.verify(t)
	if !*v.Valid {
		require.Equal(t, fault.Unverified, fault.ClassOf(err))
		return
	}
	require.NoError(t, err)
	p, err := stripe.Parser{}.Parse(rawOf(got.Signer, v.Payload))
	require.NoError(t, err)
	require.Contains(t, v.Payload, p.Billing.StripeID)
}

// check signs an event of the manifest with the oracle's rule, and reads it.
func (l *listed) check(t *testing.T, body []byte) {
	s := stripe.New(stripe.Tolerance)
	r := request(header(secret, received, string(body)), string(body))
	require.Equal(t, http.MethodPost, r.Method)
	v, err := s.Verify(t.Context(), r, registered())
	require.NoError(t, err)
	p, err := s.Parse(rawOf(v.Signer, string(body)))
	require.NoError(t, err)
	require.Equal(t, events.NewEventID(events.Stripe, v.Signer, events.KindStripe, l.ID), p.EventID)
	b := p.Billing
	require.Equal(t, l.ID, b.StripeID)
	require.Equal(t, l.Type, b.Type)
	require.Equal(t, l.Version, b.Version)
	require.False(t, b.Created.IsZero())
	require.Equal(t, v.Signer, b.Mode)
	if l.Object == "event" {
		require.Equal(t, v.Key, b.Object)
	}
	subscription := len(l.Type) > 22 && l.Type[:22] == "customer.subscription."
	require.Equal(t, subscription, b.Subscription != nil)
	require.Equal(t, payments[strings.TrimPrefix(l.File, "events/")], paymentOf(b))
	if subscription {
		require.Equal(t, b.Object, b.Subscription.ID)
		require.NotEmpty(t, b.Subscription.Customer)
	}
}
