package ingest_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/provider/providertest"
	"waybill/internal/provider/sns"
)

// confirmToken is what a topic would be confirmed with.
const confirmToken = "2336412f37"

// firehoseReply requires an answer that Firehose understands; problem is "" for
// success.
func firehoseReply(t *testing.T, a answer, problem string) {
	t.Helper()
	require.Equal(t, []string{jsonType}, a.header.Values("Content-Type"))
	require.Equal(t, strconv.Itoa(len(a.body)), a.header.Get("Content-Length"))
	var reply map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &reply))
	require.Equal(t, delivery, reply["requestId"])
	require.InDelta(t, time.Now().UnixMilli(), reply["timestamp"], 60_000)
	if problem == "" {
		require.NotContains(t, reply, "errorMessage")
		return
	}
	require.Equal(t, problem, reply["errorMessage"])
}

// foreign are certificate URLs that are not AWS's for a topic of eu-west-1.
func foreign() []string {
	const file = "/" + providertest.SNSCertFile
	return []string{
		"http://sns.eu-west-1.amazonaws.com" + file, "https://evil.tld" + file, "https://sns.eu-west-1.amazonaws.com.evil.tld" + file,
		"https://sns.s3-eu-west-1.amazonaws.com" + file, "https://s3.amazonaws.com/sns" + file,
		"https://user@sns.eu-west-1.amazonaws.com" + file, "https://sns.eu-west-1.amazonaws.com:8443" + file,
		"https://sns.eu-west-1.amazonaws.com/%2e%2e" + file, `https://sns.eu-west-1.amazonaws.com\@evil.tld` + file,
		providertest.SNSCertURL + "#evil", providertest.SNSCertURL + "?evil", "https://sns.us-east-1.amazonaws.com" + file, "",
	}
}

// awsInputs are those of SES and Amazon Connect that are refused before anything
// is fetched.
func awsInputs(t *testing.T) []badInput {
	t.Helper()
	email := func(e providertest.Envelope) []byte { return snsPost(t, emailPath, e).bytes() }
	event := notice(t, sesTopic, emailEvent)
	good := snsPost(t, emailPath, event)
	edited := func(from, to string) []byte {
		r := good
		r.body = strings.Replace(r.body, from, to, 1)
		require.NotEqual(t, good.body, r.body)
		return r.bytes()
	}
	unbound := snsPost(t, connectPath, notice(t, connectTopic, contactEvent))
	contact, records := destinationPost(contactEvent), firehosePost(firehoseBody(contactCTR))
	const key, stream = "X-Waybill-Api-Key", "X-Amz-Firehose-Access-Key"
	post := map[string]string{"Allow": "POST"}

	var list []badInput
	for n, u := range foreign() {
		list = append(list, badInput{"18 foreign certificate " + strconv.Itoa(n+1), email(notice(t, sesTopic, emailEvent, "SigningCertURL", u)), 401, "ses/bad_certificate_url", nil})
	}
	return append(list, []badInput{
		{"23 confirmation of somebody else's topic", email(confirm(t, strangeTopic)), 403, "ses/unknown_topic", nil},
		{"24 somebody else's topic", email(notice(t, strangeTopic, emailEvent)), 403, "ses/unknown_topic", nil},
		{"24 somebody else's topic, to Connect", snsPost(t, connectPath, notice(t, strangeTopic, contactEvent)).bytes(), 403, "connect/unknown_topic", nil},
		{"24 our topic on another path", email(notice(t, connectTopic, contactEvent)), 403, "ses/unknown_topic", nil},
		{"25 a key twice", edited(`"Type":`, `"Type":"Notification","Type":`), 400, "ses/malformed_envelope", nil},
		{"25 a key in another case", edited(`"Type":`, `"type":"x","Type":`), 400, "ses/malformed_envelope", nil},
		{"25 not an envelope", edited(`{`, `[`), 400, "ses/malformed_envelope", nil},
		{"25 another type in the header", good.without("X-Amz-Sns-Message-Type").with("X-Amz-Sns-Message-Type", "SubscriptionConfirmation").bytes(), 400, "ses/type_mismatch", nil},
		{"25 no type in the header", good.without("X-Amz-Sns-Message-Type").bytes(), 400, "ses/type_mismatch", nil},
		{"26 raw delivery", good.with("X-Amz-Sns-Rawdelivery", "true").bytes(), 401, "ses/raw_delivery", nil},
		{"26 raw delivery to Connect", unbound.without("X-Amz-Sns-Message-Type").with("X-Amz-Sns-Rawdelivery", "true").bytes(), 401, "connect/raw_delivery", nil},
		{"26 no SignatureVersion", email(event.With("SignatureVersion", nil)), 401, "ses/unsupported_version", nil},
		{"26 SignatureVersion 3", email(event.With("SignatureVersion", "3")), 401, "ses/unsupported_version", nil},
		{"28 an envelope beyond the bound", good.with("Content-Length", "1000001").bytes(), 413, "ses/body_too_large", map[string]string{"Connection": "close"}},
		{"28 a delivery beyond 64 MiB", records.with("Content-Length", "67108865").bytes(), 500, "connect/request_too_large", map[string]string{"Connection": "close"}},
		{"29 a packed envelope", good.with("Content-Encoding", "gzip").bytes(), 415, "ses/content_encoding", nil},
		{"29 a packed event", contact.with("Content-Encoding", "gzip").bytes(), 415, "connect/content_encoding", nil},
		{"29 a delivery in another packing", records.with("Content-Encoding", "br").bytes(), 415, "connect/content_encoding", nil},
		{"29 a delivery packed twice", records.with("Content-Encoding", "gzip, gzip").bytes(), 415, "connect/content_encoding", nil},
		{"32 GET to SES", request{method: http.MethodGet, uri: emailPath}.bytes(), 405, "ses/bad_method", post},
		{"32 GET to Connect", request{method: http.MethodGet, uri: connectPath}.bytes(), 405, "connect/bad_method", post},
		{"34 a form to SES", good.without("Content-Type").with("Content-Type", form).bytes(), 415, "ses/content_type", nil},
		{"34 text to Firehose's path", records.without("Content-Type").with("Content-Type", "text/plain").bytes(), 415, "connect/content_type", nil},
		{"36 a stream's wrong key", records.without(stream).with(stream, firehoseKey+"x").bytes(), 401, "connect/bad_key", nil},
		{"36 a destination's key as a stream's", records.without(stream).with(stream, apiKey).bytes(), 401, "connect/bad_key", nil},
		{"36 no key of a stream", records.without(stream).bytes(), 401, "connect/missing_key", nil},
		{"37 a delivery that is not Firehose's", firehosePost(`{"requestId":"` + delivery + `"}`).bytes(), 400, "connect/malformed_request", nil},
		{"37 a delivery of another id", firehosePost(`{"requestId":"another","records":[]}`).bytes(), 400, "connect/request_id_mismatch", nil},
		{"37 a delivery that is not packed", records.with("Content-Encoding", "gzip").bytes(), 400, "connect/malformed_gzip", nil},
		{"38 a destination's wrong key", contact.without(key).with(key, "a guess").bytes(), 401, "connect/bad_key", nil},
		{"38 two keys", contact.with(key, apiKey).bytes(), 401, "connect/missing_key", nil},
		{"38 neither key nor signature", contact.without(key).bytes(), 401, "connect/missing_key", nil},
		{"38 no topic's instance is a key", contact.without(key).with(key, instanceARN).bytes(), 401, "connect/bad_key", nil},
	}...)
}

// fetching sends what a certificate is fetched for, which answers in its own way.
func fetching(t *testing.T, r request, certificate func(context.Context, string) ([]byte, error), status int, count string) {
	t.Helper()
	h := open(t, nil)
	h.aws.serve(certificate)
	a := send(t, h.addr, r.bytes())
	require.Equal(t, status, a.status)
	h.refusedOnce(t, status, count)
	h.nothingKept(t)
	require.Equal(t, []string{providertest.SNSCertURL}, h.aws.urls(), "nothing but the certificate is fetched")
	h.good(t)
}

func certificateOfAPrivateAddress(t *testing.T) {
	t.Parallel()
	public := sns.FetchPublic()
	fetching(t, snsPost(t, emailPath, notice(t, sesTopic, emailEvent)), func(ctx context.Context, _ string) ([]byte, error) {
		return public(ctx, "https://127.0.0.1/"+providertest.SNSCertFile) // what the name was looked up as
	}, 503, "ses/certificate_blocked")
}

func certificateThatNeverComes(t *testing.T) {
	t.Parallel()
	start := time.Now()
	fetching(t, snsPost(t, connectPath, notice(t, connectTopic, contactEvent)), func(ctx context.Context, _ string) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}, 503, "connect/certificate_timeout")
	require.Less(t, time.Since(start), waitFor)
}

func certificateThatDoesNotVouch(t *testing.T) {
	t.Parallel()
	for reason, change := range map[string]func(*x509.Certificate){
		"certificate_expired": func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) },
		"certificate_name":    func(c *x509.Certificate) { c.Subject.CommonName = "sns.evil.tld" },
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			served := providertest.ServeSNS(providertest.SNSCertificate(t, time.Now(), change))
			fetching(t, snsPost(t, emailPath, notice(t, sesTopic, emailEvent)), served, 401, "ses/"+reason)
		})
	}
}

func forgedConfirmation(t *testing.T) {
	t.Parallel()
	e := providertest.SNSConfirmation("SubscriptionConfirmation", sesTopic, time.Now()).
		With("SubscribeURL", "http://169.254.169.254/latest/meta-data").Signed(t, providertest.SNSOtherKey())
	fetching(t, snsPost(t, emailPath, e), newAWS(t).answer, 401, "ses/bad_signature")
}

func staleEnvelope(t *testing.T) {
	t.Parallel()
	e := providertest.SNSNotification(sesTopic, emailEvent, time.Now().Add(-25*time.Hour)).Signed(t, providertest.SNSKey())
	fetching(t, snsPost(t, emailPath, e), newAWS(t).answer, 401, "ses/stale")
}

// A topic whose instance nobody entered waits for an operator.
func TestATopicOfNoInstance(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	refused503(t, send(t, h.addr, snsPost(t, connectPath, notice(t, unboundTopic, contactEvent)).bytes()))
	h.refusedOnce(t, 503, "connect/unbound_topic")
	h.nothingKept(t)
}
