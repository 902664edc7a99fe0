package providers_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/ses"
	"waybill/internal/provider/sns"
	"waybill/internal/provider/stripe"
	"waybill/internal/provider/twilio"
)

// pair is work of ours beside the least that any program would have to do for
// the same bytes.
type pair struct {
	name     string
	bareName string // what the other side does
	limit    float64
	size     int // bytes of a request, 0 = not a matter of size
	ours     func() error
	bare     func() error
}

// pairs returns every pair. Both sides are tried once, so that no error is
// measured.
func pairs(t testing.TB) []pair {
	t.Helper()
	all := []pair{twilioForm(t), twilioJSON(t), snsEnvelope(t, "2"), snsEnvelope(t, "1"), stripeEvent()}
	all = append(all, parsers()...)
	for _, p := range all {
		require.NoError(t, p.ours(), p.name)
		require.NoError(t, p.bare(), p.name)
	}
	return all
}

func twilioForm(t testing.TB) pair {
	tw, err := twilio.New([]string{baseURL})
	require.NoError(t, err)
	body := statusForm().Encode()
	signed := baseURL + statusPath
	for _, name := range sorted(statusForm()) {
		signed += name + statusForm().Get(name)
	}
	r := &provider.Request{
		Kind: events.KindMessageStatus, Method: http.MethodPost, URI: statusPath, Body: []byte(body), At: now,
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "X-Twilio-Signature": {mac1(signed)}},
	}
	signers := registered(account)
	return pair{
		name: "Twilio form: parse and verify", bareName: "`url.ParseQuery`, HMAC-SHA1", limit: 1.3, size: len(body),
		ours: func() error { _, err := tw.Verify(context.Background(), r, signers); return err },
		bare: func() error {
			_, err := url.ParseQuery(body)
			mac := hmac.New(sha1.New, []byte(token))
			mac.Write([]byte(signed))
			mac.Sum(nil)
			return err
		},
	}
}

func twilioJSON(t testing.TB) pair {
	tw, err := twilio.New([]string{baseURL})
	require.NoError(t, err)
	object := map[string]string{}
	for name := range statusForm() {
		object[name] = statusForm().Get(name)
	}
	body, err := json.Marshal(object)
	require.NoError(t, err)
	sum := sha256.Sum256(body)
	uri := statusPath + "?bodySHA256=" + hex.EncodeToString(sum[:])
	r := &provider.Request{
		Kind: events.KindMessageStatus, Method: http.MethodPost, URI: uri, Body: body, At: now,
		Header: http.Header{"Content-Type": {"application/json"}, "X-Twilio-Signature": {mac1(baseURL + uri)}},
	}
	signers := registered(account)
	return pair{
		name: "Twilio JSON: parse and verify", bareName: "`encoding/json` into `any`, SHA-256, HMAC-SHA1", size: len(body),
		ours: func() error { _, err := tw.Verify(context.Background(), r, signers); return err },
		bare: func() error {
			var v any
			err := json.Unmarshal(body, &v)
			sha256.Sum256(body)
			mac := hmac.New(sha1.New, []byte(token))
			mac.Write([]byte(baseURL + uri))
			mac.Sum(nil)
			return err
		},
	}
}

func snsEnvelope(t testing.TB, version string) pair {
	e := envelope(version)
	signed := stringToSign(e)
	hash, sum := digest(version, signed)
	signature, err := rsa.SignPKCS1v15(nil, key(), hash, sum)
	require.NoError(t, err)
	e["Signature"] = base64.StdEncoding.EncodeToString(signature)
	body := marshal(t, e)
	v := sns.New(sns.Options{Now: clock, Fetch: certificate(t)})
	head := http.Header{"X-Amz-Sns-Message-Type": {"Notification"}}
	p := pair{
		name: "SNS, signature version " + version + ": verify", bareName: map[string]string{"1": "SHA-1, RSA check", "2": "SHA-256, RSA check"}[version], size: len(body),
		ours: func() error {
			_, err := v.Verify(context.Background(), head, body, func(string) sns.Standing { return sns.Registered })
			return err
		},
		bare: func() error {
			hash, sum := digest(version, signed)
			return rsa.VerifyPKCS1v15(&key().PublicKey, hash, sum, signature)
		},
		limit: 1.6,
	}
	return p
}

// marshal writes JSON as SNS does, which escapes no ampersand.
func marshal(t testing.TB, v any) []byte {
	var b bytes.Buffer
	w := json.NewEncoder(&b)
	w.SetEscapeHTML(false)
	require.NoError(t, w.Encode(v))
	return b.Bytes()
}

// registered is a snapshot with one signer, ready to be asked: made an interface
// for each call it would be counted.
func registered(name string) provider.Signers { return providertest.Register(name, []byte(token)) }

func digest(version, signed string) (crypto.Hash, []byte) {
	if version == "1" {
		sum := sha1.Sum([]byte(signed))
		return crypto.SHA1, sum[:]
	}
	sum := sha256.Sum256([]byte(signed))
	return crypto.SHA256, sum[:]
}

func stripeEvent() pair {
	body := []byte(subscription)
	at := strconv.FormatInt(now.Unix(), 10)
	payload := append([]byte(at+"."), body...)
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write(payload)
	r := &provider.Request{
		Kind: events.KindStripe, Method: http.MethodPost, URI: "/api/webhooks/stripe", Body: body, At: now,
		Header: http.Header{"Content-Type": {"application/json"}, "Stripe-Signature": {"t=" + at + ",v1=" + hex.EncodeToString(mac.Sum(nil))}},
	}
	s, signers := stripe.New(stripe.Tolerance), registered("default")
	return pair{
		name: "Stripe: verify", bareName: "HMAC-SHA256", limit: 3, size: len(body),
		ours: func() error { _, err := s.Verify(context.Background(), r, signers); return err },
		bare: func() error {
			mac := hmac.New(sha256.New, []byte(token))
			mac.Write(payload)
			mac.Sum(nil)
			return nil
		},
	}
}

// parsers are the router's work: reading what was kept.
func parsers() []pair {
	form := statusForm().Encode()
	parse := func(p provider.Parser, raw *events.Raw) func() error {
		return func() error { _, err := p.Parse(raw); return err }
	}
	decode := func(body string) func() error {
		return func() error { var v any; return json.Unmarshal([]byte(body), &v) }
	}
	const asAny = "`encoding/json` into `any`"
	message := &ses.Notification{TopicARN: topicARN, MessageID: "m-1", Timestamp: now, Message: bounce, ReceivedAt: now}
	return []pair{
		{
			name: "Twilio form: parse", bareName: "`url.ParseQuery`", size: len(form),
			ours: parse(twilio.Parser{}, &events.Raw{
				Provider: events.Twilio, Kind: events.KindMessageStatus, Signer: account, Key: "k", Method: http.MethodPost, URI: statusPath,
				Body: []byte(form), ReceivedAt: now, Headers: []events.Header{{Key: "content-type", Value: []byte("application/x-www-form-urlencoded")}},
			}),
			bare: func() error { _, err := url.ParseQuery(form); return err },
		},
		{
			name: "Stripe: parse", bareName: asAny, size: len(subscription), bare: decode(subscription),
			ours: parse(stripe.Parser{}, &events.Raw{Provider: events.Stripe, Kind: events.KindStripe, Signer: "live", Key: "k", Body: []byte(subscription), ReceivedAt: now}),
		},
		{
			name: "SES bounce: parse", bareName: asAny, size: len(bounce), bare: decode(bounce),
			ours: func() error { _, _, err := ses.Parse(message); return err },
		},
		{
			name: "Connect event: parse", bareName: asAny, size: len(contactEvent), bare: decode(contactEvent),
			ours: parse(connect.Parser{}, &events.Raw{Provider: events.Connect, Kind: events.KindContact, Signer: instanceARN, Key: "k", Body: []byte(contactEvent), ReceivedAt: now}),
		},
		{
			name: "Connect record: parse", bareName: asAny, size: len(contactRecord), bare: decode(contactRecord),
			ours: parse(connect.Parser{}, &events.Raw{Provider: events.Connect, Kind: events.KindContactRecord, Signer: instanceARN, Key: "k", Body: []byte(contactRecord), ReceivedAt: now}),
		},
	}
}

// stream is a request of Firehose with so many contact records, and the same
// request packed.
func stream(t testing.TB, records int) (plain, packed []byte) {
	data := base64.StdEncoding.EncodeToString([]byte(contactRecord))
	var b bytes.Buffer
	b.WriteString(`{"requestId":"r-1","timestamp":1795420800000,"records":[`)
	for i := range records {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"data":"` + data + `"}`)
	}
	b.WriteString(`]}`)
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, err := w.Write(b.Bytes())
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes(), z.Bytes()
}

// bareStream unpacks and decodes a request in one go, and looks at each of its
// documents: what a program does that does not mind its memory. held is called
// while all of it is there.
func bareStream(packed []byte, held func()) error {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	var request struct {
		Records []struct{ Data []byte }
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return err
	}
	for _, r := range request.Records {
		if !json.Valid(r.Data) {
			return errNoJSON
		}
	}
	held()
	_ = request.Records[0]
	_ = body[0]
	return nil
}
