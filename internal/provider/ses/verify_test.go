package ses_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/ses"
	"waybill/internal/provider/sns"
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func verifier(t testing.TB) *ses.SES {
	t.Helper()
	return ses.New(sns.New(sns.Options{
		MaxAge: 24 * time.Hour, Now: func() time.Time { return now },
		Fetch: providertest.ServeSNS(providertest.SNSCertificate(t, now, nil)),
	}))
}

// request returns what SNS sends.
func request(t testing.TB, e providertest.Envelope) *provider.Request {
	t.Helper()
	kind, _ := e["Type"].(string)
	return &provider.Request{
		Kind: events.KindEmail, Method: http.MethodPost, URI: "/api/webhooks/email", Body: e.Body(t), At: now,
		Header: http.Header{
			"Content-Type": {"text/plain; charset=UTF-8"}, "X-Amz-Sns-Message-Type": {kind}, "X-Amz-Sns-Message-Id": {"m-1"},
			"X-Amz-Sns-Topic-Arn": {topic}, "Authorization": {"Basic secret"},
		},
	}
}

// registered knows the topic.
var registered = providertest.Register(topic)

func TestVerify(t *testing.T) {
	t.Parallel()
	event := text(t, bounced("Permanent", "General", object{"emailAddress": jane}))
	const asTopic = topic + "/topic.control"
	for _, c := range []struct {
		name string
		e    providertest.Envelope
		kind events.Kind
		key  string
	}{
		{"an event", providertest.SNSNotification(topic, event, now), events.KindEmail, emailID},
		{"version 1", providertest.SNSNotification(topic, event, now).With("SignatureVersion", "1"), events.KindEmail, emailID},
		{"the set-up note", providertest.SNSNotification(topic, "Successfully validated SNS topic.\n", now), events.KindEmail, topic + "/email.event"},
		{"an id that is none", providertest.SNSNotification(topic, `{"mail":{"messageId":"`+strings.Repeat("x", 129)+`"}}`, now), events.KindEmail, topic + "/email.event"},
		{"an id of another type", providertest.SNSNotification(topic, `{"mail":{"messageId":7}}`, now), events.KindEmail, topic + "/email.event"},
		{"too deep", providertest.SNSNotification(topic, strings.Repeat("[", 20_000), now), events.KindEmail, topic + "/email.event"},
		{"a confirmation", providertest.SNSConfirmation("SubscriptionConfirmation", topic, now), events.KindTopic, asTopic},
		{"the end of a subscription", providertest.SNSConfirmation("UnsubscribeConfirmation", topic, now), events.KindTopic, asTopic},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, c.e.Signed(t, providertest.SNSKey()))
			v, err := verifier(t).Verify(t.Context(), r, registered)
			require.NoError(t, err)
			require.Equal(t, provider.Verified{Signer: topic, Kind: c.kind, Key: c.key, Headers: []events.Header{
				{Key: "x-amz-sns-message-type", Value: []byte(r.Header.Get("X-Amz-Sns-Message-Type"))},
				{Key: "x-amz-sns-message-id", Value: []byte("m-1")},
				{Key: "content-type", Value: []byte("text/plain; charset=UTF-8")},
			}}, v)
		})
	}
}

// What an envelope is refused for is sns's to say; that a topic must be
// registered for SES, and that it says so where that is not known, is ours.
func TestRefuses(t *testing.T) {
	t.Parallel()
	good := providertest.SNSNotification(topic, "{}", now)
	signed := good.Signed(t, providertest.SNSKey())
	raw := request(t, signed)
	raw.Header.Set("X-Amz-Sns-Rawdelivery", "true")
	other := request(t, signed)
	other.Header.Set("X-Amz-Sns-Message-Type", "SubscriptionConfirmation")
	for _, c := range []struct {
		name    string
		r       *provider.Request
		signers provider.Signers
		class   fault.Class
		reason  string
	}{
		{"somebody else's topic", request(t, signed), providertest.Nobody(provider.Unknown), fault.Unregistered, "unknown_topic"},
		{"a topic that may be ours", request(t, signed), providertest.Nobody(provider.Unsure), fault.Unavailable, "unsure_topic"},
		{"another key", request(t, good.Signed(t, providertest.SNSOtherKey())), registered, fault.Unverified, "bad_signature"},
		{"no signature", request(t, good), registered, fault.Unverified, "missing_signature"},
		{"rubbish", request(t, good.With("Signature", base64.StdEncoding.EncodeToString([]byte("x")))), registered, fault.Unverified, "bad_signature"},
		{"too old", request(t, good.With("Timestamp", "2026-11-24T11:59:59Z").Signed(t, providertest.SNSKey())), registered, fault.Unverified, "stale"},
		{"without an envelope", raw, registered, fault.Unverified, "raw_delivery"},
		{"another type in the header", other, registered, fault.Invalid, "type_mismatch"},
		{"another certificate", request(t, good.With("SigningCertURL", strings.Replace(providertest.SNSCertURL, "0", "1", 1)).Signed(t, providertest.SNSKey())), registered, fault.Unavailable, "certificate_unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, err := verifier(t).Verify(t.Context(), c.r, c.signers)
			require.EqualError(t, err, c.reason)
			require.Equal(t, c.class, fault.ClassOf(err))
			require.Zero(t, v)
		})
	}
}
