package sns_test

import (
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
	"waybill/internal/provider/sns"
)

func TestAcceptsWhatIsGenuine(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1", "2"} {
		for name, f := range map[string]fields{
			"notification":            notification(),
			"without a subject":       notification().With("Subject", nil),
			"with an empty subject":   notification().With("Subject", ""),
			"with an odd body":        notification().With("Message", "\x00\r\n\u202eA\U0001F600\\"),
			"subscription":            confirmation("SubscriptionConfirmation"),
			"end of a subscription":   confirmation("UnsubscribeConfirmation"),
			"with what is not signed": notification().With("MessageAttributes", map[string]any{"a": []any{1, "}\""}}, "New", nil, "Newer", true),
		} {
			t.Run(name+" v"+version, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t, leaf(t, nil), nil, nil)
				f := f.With("SignatureVersion", version).Signed(t, leafKey())
				m, err := h.verify(t, f["Type"].(string), f.Body(t))
				require.NoError(t, err)
				subject, has := f["Subject"].(string)
				token, _ := f["Token"].(string)
				require.Equal(t, sns.Message{
					Type: sns.Type(f["Type"].(string)), TopicARN: topicARN, ID: f["MessageId"].(string),
					At: now.Add(-30*time.Second + time.Millisecond), Body: f["Message"].(string), Subject: subject, HasSubject: has, Token: token,
				}, m)
				require.Equal(t, []string{certURL}, h.fetched, "nothing but the certificate is fetched")

				again, err := sns.Decode(f.Body(t))
				require.NoError(t, err)
				require.Equal(t, m, again)
			})
		}
	}
}

// What is not signed is not returned, wherever it stands.
func TestReturnsOnlyWhatIsSigned(t *testing.T) {
	t.Parallel()
	h := newHouse(t, leaf(t, nil), nil, nil)
	m, err := h.verify(t, "Notification", notification().Signed(t, leafKey()).With("Token", "forged", "SubscribeURL", "http://169.254.169.254/").Body(t))
	require.NoError(t, err)
	require.Empty(t, m.Token)
	m, err = h.verify(t, "SubscriptionConfirmation", confirmation("SubscriptionConfirmation").Signed(t, leafKey()).With("Subject", "forged").Body(t))
	require.NoError(t, err)
	require.False(t, m.HasSubject)
	require.Empty(t, m.Subject)
}

// Every bad input, and a good one right after it on the same verifier.
func TestBadInputs(t *testing.T) {
	t.Parallel()
	good := notification().Signed(t, leafKey())
	subscribe := confirmation("SubscriptionConfirmation").Signed(t, leafKey())
	const malformed = "malformed_envelope"
	raw := func(from, to string) func(*testing.T) []byte {
		return func(t *testing.T) []byte {
			body := strings.Replace(string(good.Body(t)), from, to, 1)
			require.NotEqual(t, string(good.Body(t)), body)
			return []byte(body)
		}
	}
	for _, c := range []struct {
		name   string
		f      fields                    // or:
		body   func(t *testing.T) []byte // changed as text
		header http.Header
		change func(o *sns.Options)
		class  fault.Class
		reason string
	}{
		{name: "raw delivery", f: good, header: http.Header{"X-Amz-Sns-Rawdelivery": {"true"}}, class: fault.Unverified, reason: "raw_delivery"},
		{name: "no JSON", body: func(*testing.T) []byte { return []byte("Hello") }, class: fault.Invalid, reason: malformed},
		{name: "nothing", body: func(*testing.T) []byte { return nil }, class: fault.Invalid, reason: malformed},
		{name: "an empty object", body: func(*testing.T) []byte { return []byte(" { } ") }, class: fault.Invalid, reason: malformed},
		{name: "something behind it", body: func(t *testing.T) []byte { return append(good.Body(t), '{') }, class: fault.Invalid, reason: malformed},
		{name: "a key twice", body: raw(`{`, `{"MessageId":"1",`), class: fault.Invalid, reason: malformed},
		{name: "a key twice, once null", body: raw(`{`, `{"MessageId":null,`), class: fault.Invalid, reason: malformed},
		{name: "a key twice, once escaped", body: raw(`{`, `{"\u004dessageId":"1",`), class: fault.Invalid, reason: malformed},
		{name: "a key of no meaning twice", body: raw(`{`, `{"x":1,"x":1,`), class: fault.Invalid, reason: malformed},
		{name: "a key in another case as well", body: raw(`{`, `{"messageid":"1",`), class: fault.Invalid, reason: malformed},
		{name: "a key in another case", body: raw(`"MessageId"`, `"messageId"`), class: fault.Invalid, reason: malformed},
		{name: "a key folded beyond ASCII", body: raw(`{`, `{"Me\u017f\u017fageId":"1",`), class: fault.Invalid, reason: malformed},
		{name: "Lambda's spelling", body: raw(`"SigningCertURL"`, `"SigningCertUrl"`), class: fault.Invalid, reason: malformed},
		{name: "too many members", body: raw(`{`, `{`+members(40)), class: fault.Invalid, reason: malformed},
		{name: "a number for a text", f: good.With("Subject", 1), class: fault.Invalid, reason: malformed},
		{name: "a list for a text", f: good.With("MessageId", []string{"a"}), class: fault.Invalid, reason: malformed},
		{name: "a broken value", body: raw(`{`, `{"x":[},`), class: fault.Invalid, reason: malformed},
		{name: "a broken text in a value", body: raw(`{`, `{"x":["\z"],`), class: fault.Invalid, reason: malformed},
		{name: "a value without end", body: func(*testing.T) []byte { return []byte(`{"x":[1`) }, class: fault.Invalid, reason: malformed},
		{name: "a text without end", body: func(*testing.T) []byte { return []byte(`{"x`) }, class: fault.Invalid, reason: malformed},
		{name: "no comma", body: func(*testing.T) []byte { return []byte(`{"Type":"Notification" "Message":""}`) }, class: fault.Invalid, reason: malformed},
		{name: "a bare control byte", body: raw(`"My First`, "\"My\nFirst"), class: fault.Invalid, reason: malformed},
		{name: "a broken escape", body: raw(`"My First`, `"\u00g0`), class: fault.Invalid, reason: malformed},
		{name: "a cut escape", body: raw(`"My First Message"`, `"\u00"`), class: fault.Invalid, reason: malformed},
		{name: "no message", f: good.With("Message", nil), class: fault.Invalid, reason: malformed},
		{name: "no id", f: good.With("MessageId", ""), class: fault.Invalid, reason: malformed},
		{name: "a long id", f: good.With("MessageId", strings.Repeat("a", 101)), class: fault.Invalid, reason: malformed},
		{name: "another type", f: good.With("Type", "Other"), class: fault.Invalid, reason: malformed},
		{name: "no time", f: good.With("Timestamp", "yesterday"), class: fault.Invalid, reason: malformed},
		{name: "no topic", f: good.With("TopicArn", "ses-events"), class: fault.Invalid, reason: malformed},
		{name: "a confirmation without token", f: subscribe.With("Token", nil), class: fault.Invalid, reason: malformed},
		{name: "a confirmation without URL", f: subscribe.With("SubscribeURL", nil), class: fault.Invalid, reason: malformed},
		{name: "a moved border", f: good.With("MessageId", "a\nSubject\nb", "Subject", nil), class: fault.Invalid, reason: malformed},
		{name: "a moved border in the subject", f: good.With("Subject", "a\nTimestamp\nb"), class: fault.Invalid, reason: malformed},
		{name: "a moved border in the URL", f: subscribe.With("SubscribeURL", "a\nTimestamp\nb"), class: fault.Invalid, reason: malformed},
		{name: "another type in the header", f: good, header: http.Header{"X-Amz-Sns-Message-Type": {"SubscriptionConfirmation"}}, class: fault.Invalid, reason: "type_mismatch"},
		{name: "no type in the header", f: good, header: http.Header{"X-Amz-Sns-Message-Type": nil}, class: fault.Invalid, reason: "type_mismatch"},
		{name: "two types in the header", f: good, header: http.Header{"X-Amz-Sns-Message-Type": {"Notification", "Notification"}}, class: fault.Invalid, reason: "type_mismatch"},
		{name: "no version", f: good.With("SignatureVersion", nil), class: fault.Unverified, reason: "unsupported_version"},
		{name: "version 3", f: good.With("SignatureVersion", "3"), class: fault.Unverified, reason: "unsupported_version"},
		{
			name: "version 1 where it is off", f: notification().With("SignatureVersion", "1").Signed(t, leafKey()),
			change: func(o *sns.Options) { o.RefuseSHA1 = true }, class: fault.Unverified, reason: "unsupported_version",
		},
		{name: "no signature", f: good.With("Signature", nil), class: fault.Unverified, reason: "missing_signature"},
		{name: "a signature that is none", f: good.With("Signature", "?"), class: fault.Unverified, reason: "bad_signature"},
		{name: "a long signature", f: good.With("Signature", strings.Repeat("A", 4000)), class: fault.Unverified, reason: "bad_signature"},
		{name: "another's signature", f: notification().Signed(t, otherKey()), class: fault.Unverified, reason: "bad_signature"},
		{name: "a changed message", f: good.With("Message", "{}"), class: fault.Unverified, reason: "bad_signature"},
		{name: "a subject added", f: notification().With("Subject", nil).Signed(t, leafKey()).With("Subject", ""), class: fault.Unverified, reason: "bad_signature"},
		{name: "a subject taken away", f: good.With("Subject", nil), class: fault.Unverified, reason: "bad_signature"},
		{name: "another version than signed", f: good.With("SignatureVersion", "1"), class: fault.Unverified, reason: "bad_signature"},
		{
			name: "an internal SubscribeURL", f: subscribe.With("SubscribeURL", "http://169.254.169.254/"),
			class: fault.Unverified, reason: "bad_signature",
		},
		{name: "too old", f: notification().With("Timestamp", "2026-11-24T11:59:59Z").Signed(t, leafKey()), class: fault.Unverified, reason: "stale"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, leaf(t, nil), nil, c.change)
			header := http.Header{"X-Amz-Sns-Message-Type": {"Notification"}}
			var body []byte
			if c.body != nil {
				body = c.body(t)
			} else {
				body = c.f.Body(t)
				header.Set("X-Amz-Sns-Message-Type", c.f["Type"].(string))
			}
			for name, values := range c.header {
				header[name] = values
			}
			m, err := h.verifier.Verify(t.Context(), header, body, h.topics)
			refused(t, err, c.class, c.reason)
			require.Zero(t, m, "a refusal vouches for nothing")
			for _, url := range h.fetched {
				require.Equal(t, certURL, url)
			}
			_, err = h.verify(t, "Notification", good.Body(t))
			require.NoError(t, err)
		})
	}
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`"x` + strings.Repeat("x", i) + `":1,`)
	}
	return b.String()
}

func TestTopicsDecideBeforeAnythingIsFetched(t *testing.T) {
	t.Parallel()
	for _, f := range []fields{notification(), confirmation("SubscriptionConfirmation")} {
		h := newHouse(t, leaf(t, nil), nil, nil)
		body := f.Signed(t, leafKey()).Body(t)
		h.registered = false
		_, err := h.verify(t, f["Type"].(string), body)
		refused(t, err, fault.Unregistered, "unknown_topic")
		h.certain = false
		_, err = h.verify(t, f["Type"].(string), body)
		refused(t, err, fault.Unavailable, "unsure_topic")
		require.Zero(t, h.fetches())
		h.registered = true
		_, err = h.verify(t, f["Type"].(string), body)
		require.NoError(t, err)
	}
}

func TestAgeCanBeLeftOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t, leaf(t, nil), nil, func(o *sns.Options) { o.MaxAge = 0 })
	_, err := h.verify(t, "Notification", notification().With("Timestamp", "2020-01-01T00:00:00Z").Signed(t, leafKey()).Body(t))
	require.NoError(t, err)
}

func TestCertificateMustBeOfSNSAndInItsDates(t *testing.T) {
	t.Parallel()
	in := func(region, partition, suffix string) fields {
		return notification().With("TopicArn", "arn:"+partition+":sns:"+region+":123456789012:t",
			"SigningCertURL", "https://sns."+region+"."+suffix+"/"+certFile)
	}
	name := func(cn string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.Subject.CommonName = cn }
	}
	cn, gov := in("cn-north-1", "aws-cn", "amazonaws.com.cn"), in("us-gov-east-1", "aws-us-gov", "amazonaws.com")
	for _, c := range []struct {
		name   string
		f      fields
		change func(*x509.Certificate)
		reason string
	}{
		{"the old regions' name", notification(), nil, ""},
		{"a region's own", in("af-south-1", "aws", "amazonaws.com"), name("sns-signing.af-south-1.amazonaws.com"), ""},
		{"China's", cn, name("sns-cn-north-1.amazonaws.com.cn"), ""},
		{"GovCloud's neighbour", gov, name("sns-us-gov-west-1.amazonaws.com"), ""},
		{"another region's own", notification(), name("sns-signing.af-south-1.amazonaws.com"), "certificate_name"},
		{"GovCloud's elsewhere", notification(), name("sns-us-gov-west-1.amazonaws.com"), "certificate_name"},
		{"the world's in China", cn, nil, "certificate_name"},
		{"S3's", notification(), name("s3.amazonaws.com"), "certificate_name"},
		{"no name", notification(), name(""), "certificate_name"},
		{"expired", notification(), func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }, "certificate_expired"},
		{"not yet valid", notification(), func(c *x509.Certificate) { c.NotBefore = now.Add(time.Second) }, "certificate_expired"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := newHouse(t, leaf(t, c.change), nil, nil).verify(t, "Notification", c.f.Signed(t, leafKey()).Body(t))
			if c.reason == "" {
				require.NoError(t, err)
				return
			}
			refused(t, err, fault.Unverified, c.reason)
		})
	}
}

func TestReasonsAreASet(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range sns.Reasons() {
		require.Regexp(t, `^[a-z][a-z0-9_]{2,40}$`, r)
		require.False(t, seen[r])
		seen[r] = true
	}
}
