package sns_test

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/sns"
)

const (
	topicARN = "arn:aws:sns:eu-west-1:123456789012:ses-events"
	certFile = providertest.SNSCertFile
	certURL  = providertest.SNSCertURL
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

var leafKey, otherKey = providertest.SNSKey, providertest.SNSOtherKey

// fields is an envelope that can be changed, member by member.
type fields = providertest.Envelope

// leaf returns the PEM text of a certificate for leafKey.
func leaf(t testing.TB, change func(c *x509.Certificate)) []byte {
	t.Helper()
	return providertest.SNSCertificate(t, now, change)
}

// keyPEM returns leafKey as text.
func keyPEM(t testing.TB) []byte {
	t.Helper()
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(leafKey())})
}

// sent is when the envelopes were, 30 seconds ago.
var sent = now.Add(-30*time.Second + time.Millisecond)

// notification and confirmation are envelopes before they are signed.
func notification() fields {
	return providertest.SNSNotification(topicARN, "{\"a\":\"<ü\u2028>\"}\n\t", sent).With(
		"Subject", "My First Message", "UnsubscribeURL", "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe")
}

func confirmation(kind string) fields { return providertest.SNSConfirmation(kind, topicARN, sent) }

// house is a verifier with its surroundings.
type house struct {
	options             sns.Options
	registered, certain bool
	verifier            *sns.Verifier

	mu      sync.Mutex
	fetched []string
}

// newHouse returns one whose AWS serves a certificate text, or an error.
func newHouse(t testing.TB, text []byte, err error, change func(o *sns.Options)) *house {
	t.Helper()
	h := &house{registered: true, certain: true}
	h.options = sns.Options{
		MaxAge: 24 * time.Hour,
		Now:    func() time.Time { return now },
		Fetch: func(_ context.Context, url string) ([]byte, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.fetched = append(h.fetched, url)
			return text, err
		},
	}
	if change != nil {
		change(&h.options)
	}
	h.verifier = sns.New(h.options)
	return h
}

func (h *house) verify(t testing.TB, kind string, body []byte) (sns.Message, error) {
	t.Helper()
	return h.verifier.Verify(t.Context(), http.Header{"X-Amz-Sns-Message-Type": {kind}}, body, h.topics)
}

func (h *house) topics(string) (registered, certain bool) { return h.registered, h.certain }

func (h *house) fetches() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.fetched)
}

// refused requires a refusal that says its reason, one of the closed set, and nothing else.
func refused(t testing.TB, err error, class fault.Class, reason string) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, reason, err.Error())
	require.Equal(t, class.String(), fault.ClassOf(err).String())
	require.Contains(t, sns.Reasons(), reason)
}
