package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/provider/providertest"
	"waybill/internal/seal"
	"waybill/internal/tenants"
)

const (
	emailPath   = "/api/webhooks/email"
	connectPath = "/api/webhooks/connect"
	recordsPath = "/api/webhooks/connect/records"

	sesTopic     = "arn:aws:sns:eu-west-1:123456789012:ses-events"
	connectTopic = "arn:aws:sns:eu-west-1:123456789012:connect-events"
	unboundTopic = "arn:aws:sns:eu-west-1:123456789012:connect-nobody"
	strangeTopic = "arn:aws:sns:eu-west-1:999999999999:somebody-elses"
	instanceARN  = "arn:aws:connect:eu-west-1:123456789012:instance/12345678-1234-1234-1234-123456789012"
	apiKey       = "the-key-of-an-api-destination"
	firehoseKey  = "the-access-key-of-a-firehose"
	delivery     = "ed4acda5-034f-9f42-bba1-f29aea6d7d8f"
	textType     = "text/plain; charset=UTF-8"
	emailID      = "0102018f3c9d4e5a-6f1b2c3d-0000-4a4b-8c8d-0123456789ab-000000"
	contactID    = "22222222-2222-4222-8222-222222222222"
	emailEvent   = `{"eventType":"Send","mail":{"messageId":"` + emailID + `","destination":["+15550100002@example.com"]}}` + "\n"
	contactEvent = `{"id":"e-1","source":"aws.connect","detail-type":"Amazon Connect Contact Event","detail":{"contactId":"` + contactID + `"}}`
	contactCTR   = `{"ContactId":"` + contactID + `","CustomerEndpoint":{"Address":"+15550100002"}}`
)

// aws is what fetches of certificates meet.
type aws struct {
	mu      sync.Mutex
	fetched []string
	answer  func(ctx context.Context, url string) ([]byte, error)
}

func newAWS(t *testing.T) *aws {
	t.Helper()
	return &aws{answer: providertest.ServeSNS(providertest.SNSCertificate(t, time.Now(), nil))}
}

func (a *aws) fetch(ctx context.Context, url string) ([]byte, error) {
	a.mu.Lock()
	a.fetched = append(a.fetched, url)
	answer := a.answer
	a.mu.Unlock()
	return answer(ctx, url)
}

// serve changes what fetches meet.
func (a *aws) serve(answer func(ctx context.Context, url string) ([]byte, error)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

func (a *aws) urls() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.fetched...)
}

// notice and confirm are signed envelopes; change may be nil, and comes before
// the signature.
func notice(t *testing.T, topic, message string, change ...any) providertest.Envelope {
	t.Helper()
	return providertest.SNSNotification(topic, message, time.Now()).With(change...).Signed(t, providertest.SNSKey())
}

func confirm(t *testing.T, topic string) providertest.Envelope {
	t.Helper()
	return providertest.SNSConfirmation("SubscriptionConfirmation", topic, time.Now()).Signed(t, providertest.SNSKey())
}

// snsPost sends an envelope as SNS does.
func snsPost(t *testing.T, path string, e providertest.Envelope) request {
	t.Helper()
	kind, _ := e["Type"].(string)
	return request{
		method: http.MethodPost, uri: path, body: string(e.Body(t)),
		header: [][2]string{{"Content-Type", textType}, {"X-Amz-Sns-Message-Type", kind}, {"X-Amz-Sns-Message-Id", "m-1"}},
	}
}

// destinationPost sends an event as an API destination does.
func destinationPost(body string) request {
	return request{
		method: http.MethodPost, uri: connectPath, body: body,
		header: [][2]string{{"Content-Type", "application/json; charset=utf-8"}, {"X-Waybill-Api-Key", apiKey}},
	}
}

// firehoseBody returns a request with these records.
func firehoseBody(records ...string) string {
	var b strings.Builder
	b.WriteString(`{"requestId":"` + delivery + `","timestamp":1578090901599,"records":[`)
	for i, r := range records {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"data":"` + base64.StdEncoding.EncodeToString([]byte(r)) + `"}`)
	}
	b.WriteString(`]}`)
	return b.String()
}

// firehosePost sends a body as Firehose does.
func firehosePost(body string) request { return firehosePostWith(firehoseKey, body) }

func firehosePostWith(key, body string) request {
	return request{
		method: http.MethodPost, uri: recordsPath, body: body, header: [][2]string{
			{"Content-Type", jsonType},
			{"X-Amz-Firehose-Protocol-Version", "1.0"},
			{"X-Amz-Firehose-Request-Id", delivery},
			{"X-Amz-Firehose-Access-Key", key},
		},
	}
}

func packed(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(body))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.String()
}

// topicRecord registers a topic.
func topicRecord(t *testing.T, _ *seal.Key, purpose, arn string, tokens ...events.ConfigToken) events.Record {
	t.Helper()
	c := events.ConfigSigner{Provider: "sns", Purpose: purpose, Name: arn, Tokens: tokens}
	r, err := events.ConfigRecord(c.Key(), c, time.Now())
	require.NoError(t, err)
	return r
}

func sealed(key *seal.Key, id, algorithm, value string) events.ConfigToken {
	return events.ConfigToken{ID: id, Algorithm: algorithm, Sealed: key.Seal([]byte(value), id)}
}

// instanceToken binds a topic to the instance.
func instanceToken(key *seal.Key) events.ConfigToken {
	return sealed(key, "token-bond", tenants.AlgorithmInstance, instanceARN)
}

// instanceRecord registers the instance with a key of either use.
func instanceRecord(t *testing.T, key *seal.Key) events.Record {
	t.Helper()
	return connectRecord(t, instanceARN,
		sealed(key, "token-api", tenants.AlgorithmAPIKey, apiKey), sealed(key, "token-firehose", tenants.AlgorithmFirehose, firehoseKey))
}

// connectRecord registers an instance.
func connectRecord(t *testing.T, instance string, tokens ...events.ConfigToken) events.Record {
	t.Helper()
	c := events.ConfigSigner{Provider: "connect", Name: instance, Tokens: tokens}
	r, err := events.ConfigRecord(c.Key(), c, time.Now())
	require.NoError(t, err)
	return r
}
