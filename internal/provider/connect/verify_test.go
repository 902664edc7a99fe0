package connect_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/sns"
	"waybill/internal/tenants"
)

const (
	carrierTopic = "arn:aws:sns:eu-west-1:123456789012:connect-events"
	contactEvent = `{"id":"e-1","time":"2026-11-23T10:04:59Z","source":"aws.connect","detail-type":"Amazon Connect Contact Event",` +
		`"detail":{"eventType":"INITIATED","contactId":"` + contact + `","channel":"VOICE","instanceArn":"` + instance + `","initiationMethod":"INBOUND"}}`
)

func verifier(t testing.TB) *connect.Connect {
	t.Helper()
	return connect.New(sns.New(sns.Options{
		Now:   func() time.Time { return received },
		Fetch: providertest.ServeSNS(providertest.SNSCertificate(t, received, nil)),
	}))
}

// holder returns a snapshot in which the instance has keys for one use.
func holder(algorithm string) func(keys ...[]byte) providertest.Signers {
	return func(keys ...[]byte) providertest.Signers {
		s := provider.Signer{Name: instance}
		for _, value := range keys {
			s.Secrets = append(s.Secrets, provider.Secret{ID: "id of " + string(value), Algorithm: algorithm, Value: value})
		}
		return providertest.Signers{Known: map[string]provider.Signer{instance: s}, Missing: provider.Unknown}
	}
}

// bound returns a snapshot in which a topic carries the events of instances.
func bound(instances ...string) providertest.Signers {
	s := provider.Signer{Name: carrierTopic, Secrets: []provider.Secret{{ID: "other", Algorithm: "unheard-of", Value: []byte("x")}}}
	for _, arn := range instances {
		s.Secrets = append(s.Secrets, provider.Secret{ID: "bond", Algorithm: tenants.AlgorithmInstance, Value: []byte(arn)})
	}
	return providertest.Signers{Known: map[string]provider.Signer{carrierTopic: s, instance: {Name: instance}}, Missing: provider.Unknown}
}

func byDestination(body string, keys ...string) *provider.Request {
	h := http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Authorization": {"Basic secret"}}
	if keys != nil {
		h[connect.HeaderAPIKey] = keys
	}
	return &provider.Request{Kind: events.KindContact, Method: http.MethodPost, URI: "/api/webhooks/connect", Header: h, Body: []byte(body), At: received}
}

func byTopic(t testing.TB, e providertest.Envelope) *provider.Request {
	t.Helper()
	kind, _ := e["Type"].(string)
	return &provider.Request{
		Kind: events.KindContact, Method: http.MethodPost, URI: "/api/webhooks/connect", Body: e.Body(t), At: received,
		Header: http.Header{"Content-Type": {"text/plain; charset=UTF-8"}, "X-Amz-Sns-Message-Type": {kind}, "X-Amz-Sns-Message-Id": {"m-1"}},
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	json := []events.Header{{Key: "content-type", Value: []byte("application/json; charset=utf-8")}}
	fromSNS := func(kind string) []events.Header {
		return []events.Header{
			{Key: "content-type", Value: []byte("text/plain; charset=UTF-8")},
			{Key: "x-amz-sns-message-type", Value: []byte(kind)},
			{Key: "x-amz-sns-message-id", Value: []byte("m-1")},
		}
	}
	sign := func(e providertest.Envelope) *provider.Request { return byTopic(t, e.Signed(t, providertest.SNSKey())) }
	keys := holder(tenants.AlgorithmAPIKey)([]byte("older"), []byte("key"))
	both := sign(providertest.SNSNotification(carrierTopic, contactEvent, received))
	both.Header[connect.HeaderAPIKey] = []string{"key"}
	for _, c := range []struct {
		name    string
		r       *provider.Request
		signers provider.Signers
		want    provider.Verified
	}{
		{"a destination", byDestination(contactEvent, "key"), keys, provider.Verified{Signer: instance, Token: "id of key", Key: contact, Headers: json}},
		{
			"a destination, no event", byDestination("hello", "older"), keys,
			provider.Verified{Signer: instance, Token: "id of older", Key: instance + "/contact.event", Headers: json},
		},
		{
			"a topic", sign(providertest.SNSNotification(carrierTopic, contactEvent, received)), bound(instance),
			provider.Verified{Signer: instance, Kind: events.KindContact, Key: contact, Headers: fromSNS("Notification")},
		},
		{
			"a topic that is bound twice to one", sign(providertest.SNSNotification(carrierTopic, "hello", received)), bound(instance, instance),
			provider.Verified{Signer: instance, Kind: events.KindContact, Key: instance + "/contact.event", Headers: fromSNS("Notification")},
		},
		{
			"a confirmation", sign(providertest.SNSConfirmation("SubscriptionConfirmation", carrierTopic, received)), bound(instance),
			provider.Verified{Signer: instance, Kind: events.KindTopic, Key: instance + "/topic.control", Headers: fromSNS("SubscriptionConfirmation")},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, err := verifier(t).Verify(t.Context(), c.r, c.signers)
			require.NoError(t, err)
			require.Equal(t, c.want, v)
		})
	}
	for _, c := range []struct {
		name    string
		r       *provider.Request
		signers provider.Signers
		class   fault.Class
		reason  string
	}{
		{"neither", byDestination(contactEvent), keys, fault.Unverified, "missing_key"},
		{"a wrong key", byDestination(contactEvent, "kez"), keys, fault.Unverified, "bad_key"},
		{"a stream's key", byDestination(contactEvent, "key"), holder(tenants.AlgorithmFirehose)([]byte("key")), fault.Unverified, "bad_key"},
		{"the topic's bond as a key", byDestination(contactEvent, instance), bound(instance), fault.Unverified, "bad_key"},
		{"two keys", byDestination(contactEvent, "key", "key"), keys, fault.Unverified, "missing_key"},
		{"a key of nobody beside a signature", both, bound(instance), fault.Unverified, "bad_key"},
		{"another topic", sign(providertest.SNSNotification(carrierTopic+"2", contactEvent, received)), bound(instance), fault.Unregistered, "unknown_topic"},
		{"a topic that may be ours", sign(providertest.SNSNotification(carrierTopic, contactEvent, received)), providertest.Nobody(provider.Unsure), fault.Unavailable, "unsure_topic"},
		{"a topic of no instance", sign(providertest.SNSNotification(carrierTopic, contactEvent, received)), bound(), fault.Unavailable, "unbound_topic"},
		{"a topic of an instance that cannot be opened", sign(providertest.SNSNotification(carrierTopic, contactEvent, received)), bound(""), fault.Unavailable, "unbound_topic"},
		{"a topic of two", sign(providertest.SNSNotification(carrierTopic, contactEvent, received)), bound(instance, captured), fault.Unavailable, "unbound_topic"},
		{"forged", byTopic(t, providertest.SNSNotification(carrierTopic, contactEvent, received).Signed(t, providertest.SNSOtherKey())), bound(instance), fault.Unverified, "bad_signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, err := verifier(t).Verify(t.Context(), c.r, c.signers)
			require.EqualError(t, err, c.reason)
			require.Equal(t, c.class, fault.ClassOf(err))
			require.Contains(t, verifier(t).Reasons(), c.reason)
			require.Zero(t, v)
		})
	}
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	c := verifier(t)
	record := `{"ContactId":"` + contact + `"}`
	r := byDestination("", nil...)
	r.Kind = events.KindContactRecord
	r.Header.Set(connect.HeaderFirehoseKey, "key")
	r.Header.Set("X-Amz-Firehose-Request-Id", requestID)
	v, err := c.Verify(t.Context(), r, holder(tenants.AlgorithmFirehose)([]byte("key")))
	require.NoError(t, err)
	require.Equal(t, "id of key", v.Token)

	var got []provider.Verified
	var bodies []string
	d, err := c.Deliver(r, v, strings.NewReader(request(record+record, "", "poison")), func(one provider.Verified, body []byte) error {
		got, bodies = append(got, one), append(bodies, string(body))
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, provider.Delivered{ID: requestID, Empty: 1}, d)
	require.Equal(t, []string{record, record, "poison"}, bodies)
	for n, key := range []string{contact, contact, instance + "/contact.record"} {
		require.Equal(t, provider.Verified{Signer: instance, Token: "id of key", Key: key, Headers: []events.Header{
			{Key: "content-type", Value: []byte("application/json; charset=utf-8")},
			{Key: "x-amz-firehose-request-id", Value: []byte(requestID)},
			{Key: "x-waybill-document", Value: []byte{'0' + byte(n)}},
		}}, got[n])
	}
	refusal := errors.New("no room")
	_, err = c.Deliver(r, v, strings.NewReader(request(record)), func(provider.Verified, []byte) error { return refusal })
	require.ErrorIs(t, err, refusal)

	for _, c := range []struct {
		d       provider.Delivered
		status  int
		problem string
	}{
		{d, http.StatusOK, ""},
		{provider.Delivered{}, http.StatusUnauthorized, `,"errorMessage":"Unauthorized"`},
	} {
		contentType, body := verifier(t).Reply(r.Header, c.d, received, c.status)
		require.Equal(t, connect.ReplyType, contentType)
		require.Equal(t, `{"requestId":"`+requestID+`","timestamp":1795428300000`+c.problem+`}`, string(body))
	}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	const contactRecord = `{"ContactId":"` + contact + `","InstanceARN":"` + instance + `","LastUpdateTimestamp":"2026-11-23T10:04:59Z","Channel":"VOICE","InitiationMethod":"INBOUND","InitiationTimestamp":"2026-11-23T10:04:00Z"}`
	record := byDestination(contactRecord)
	record.Kind, record.URI = events.KindContactRecord, "/api/webhooks/connect/records"
	bearer := func(name, header, algorithm string, r *provider.Request) providertest.Case {
		return providertest.Case{
			Name: name, Verifier: verifier(t), Parser: connect.Parser{}, Signer: instance, Request: *r, Header: header,
			Scheme: providertest.Bearer, Register: holder(algorithm),
			Sign: func(r *provider.Request, secret []byte) { r.Header.Set(header, string(secret)) },
		}
	}
	topic := providertest.Case{
		Name: "by a topic", Verifier: verifier(t), Parser: connect.Parser{}, Signer: instance,
		Request: *byTopic(t, providertest.SNSNotification(carrierTopic, contactEvent, received)), Header: "X-Amz-Sns-Message-Type",
		Scheme: providertest.Published, SignsBody: true,
		Register: func(...[]byte) providertest.Signers { return bound(instance) },
	}
	topic.Sign = providertest.SignSNS(t, providertest.SNSNotification(carrierTopic, contactEvent, received))
	providertest.Suite(t,
		bearer("by a destination", connect.HeaderAPIKey, tenants.AlgorithmAPIKey, byDestination(contactEvent)),
		bearer("by a stream", connect.HeaderFirehoseKey, tenants.AlgorithmFirehose, record),
		topic,
	)
}
