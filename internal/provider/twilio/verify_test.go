package twilio_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/twilio"
)

func registered() providertest.Signers {
	return providertest.Register(account, []byte(token))
}

func requireRefused(t *testing.T, tw *twilio.Twilio, r *provider.Request, s provider.Signers, class fault.Class, reason string) {
	t.Helper()
	_, err := tw.Verify(t.Context(), r, s)
	require.Equal(t, reason, fault.ReasonOf(err))
	require.Equal(t, class, fault.ClassOf(err))
}

// The numbers are those of the table of bad inputs.
func TestBadInputsAreRefused(t *testing.T) {
	t.Parallel()
	const uri = statusURI + "?ref=a%2Fb&n=1"
	body := statusForm("delivered")
	object := `{"AccountSid":"` + account + `","MessageSid":"` + messageID + `"}`
	json := func(uri, body string) *provider.Request {
		r := signed(baseURL+uri, uri, "")
		r.Body = []byte(body)
		r.Header.Set("Content-Type", "application/json")
		return r
	}
	edited := func(r *provider.Request, edit func(r *provider.Request)) *provider.Request {
		edit(r)
		return r
	}
	hashed := withHash(statusURI, object)
	cases := []struct {
		name   string
		r      *provider.Request
		class  fault.Class
		reason string
	}{
		{"1 without a signature", edited(post(uri, body), func(r *provider.Request) { r.Header.Del("X-Twilio-Signature") }), fault.Unverified, "missing_signature"},
		{"1 with two signatures", edited(post(uri, body), func(r *provider.Request) {
			r.Header.Add("X-Twilio-Signature", r.Header.Get("X-Twilio-Signature"))
		}), fault.Unverified, "bad_signature"},
		{"2 a parameter changed", edited(post(uri, body), func(r *provider.Request) { r.Body = []byte(statusForm("failed")) }), fault.Unverified, "bad_signature"},
		{"2 the path changed", edited(post(uri, body), func(r *provider.Request) { r.URI = inboundURI + "?ref=a%2Fb&n=1" }), fault.Unverified, "bad_signature"},
		{"3 another URL of ours named by the headers", edited(signed("https://other.example.com"+uri, uri, body), func(r *provider.Request) {
			r.Header.Set("X-Forwarded-Host", "other.example.com")
			r.Header.Set("X-Forwarded-Proto", "https")
			r.Header.Set("Host", "other.example.com")
		}), fault.Unverified, "bad_signature"},
		{"5 a border moved into the account", func() *provider.Request {
			// The same string to sign: AccountSid's value swallows the next name and value.
			moved := strings.Replace(body, "AccountSid="+account+"&ApiVersion=2010-04-01", "AccountSid="+account+"ApiVersion2010-04-01", 1)
			r := post(uri, body)
			require.Equal(t, r.Header.Get("X-Twilio-Signature"), post(uri, moved).Header.Get("X-Twilio-Signature"))
			r.Body = []byte(moved)
			return r
		}(), fault.Unregistered, "unknown_account"},
		{"6 no account at all", post(uri, form("MessageSid", messageID)), fault.Unregistered, "unknown_account"},
		{"9 JSON body changed", json(hashed, strings.Replace(object, "2", "3", 1)), fault.Unverified, "bad_body_hash"},
		{"9 JSON without a hash", json(statusURI, object), fault.Unverified, "missing_body_hash"},
		{"9 JSON with the old base64 hash", json(statusURI+"?bodySHA256=mPQcXP9YVvqncdIKN8EZzY+X8U1RBa42CN3fGcnd4B8=", object), fault.Unverified, "bad_body_hash"},
		{"9 JSON with an upper-case hash", json(statusURI+"?bodySHA256="+strings.ToUpper(hashed[len(hashed)-64:]), object), fault.Unverified, "bad_body_hash"},
		{"9 JSON with two hashes", json(hashed+"&"+hashed[strings.Index(hashed, "?")+1:], object), fault.Unverified, "bad_body_hash"},
		{"9 JSON that is broken under its hash", json(withHash(statusURI, object[:20]), object[:20]), fault.Unregistered, "unknown_account"},
		{"9 JSON sent as a form", edited(json(hashed, object), func(r *provider.Request) { r.Header.Set("Content-Type", formType) }), fault.Unregistered, "unknown_account"},
		{"a form sent as JSON", edited(post(uri, body), func(r *provider.Request) { r.Header.Set("Content-Type", "Application/JSON ; charset=utf-8") }), fault.Unverified, "missing_body_hash"},
		{"a form sent with PUT", edited(post(uri, body), func(r *provider.Request) { r.Method = http.MethodPut }), fault.Unverified, "bad_method"},
		{"a form sent with GET", edited(post(statusURI+"?"+body, body), func(r *provider.Request) { r.Method = http.MethodGet }), fault.Unverified, "bad_signature"},
		{"signature in hexadecimal", edited(post(uri, body), func(r *provider.Request) {
			r.Header.Set("X-Twilio-Signature", "e0b90ce59d5e7a8d3fc26670cf527d37f949b2e7")
		}), fault.Unverified, "bad_signature"},
		{"signature with a line break", edited(post(uri, body), func(r *provider.Request) {
			r.Header.Set("X-Twilio-Signature", r.Header.Get("X-Twilio-Signature")[:27]+"\n")
		}), fault.Unverified, "bad_signature"},
	}
	tw := newTwilio(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, tw, c.r, registered(), c.class, c.reason)
		})
	}
}

// A signature has one spelling. Go's decoder would take others: it skips line
// breaks, and by default ignores the bits that padding leaves over.
func TestSignatureHasOneSpelling(t *testing.T) {
	t.Parallel()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	tw := newTwilio(t)
	good := post(statusURI, statusForm("sent")).Header.Get("X-Twilio-Signature")
	last := strings.IndexByte(alphabet, good[26])
	for _, other := range []string{
		good[:26] + alphabet[last+1:last+2] + "=", good[:9] + "\n" + good[9:], good + "\r\n", " " + good, good[:27], good + "=",
		strings.NewReplacer("+", "-", "/", "_").Replace(good) + "=",
	} {
		r := post(statusURI, statusForm("sent"))
		r.Header["X-Twilio-Signature"] = []string{other}
		requireRefused(t, tw, r, registered(), fault.Unverified, "bad_signature")
	}
}

// How long a refusal takes must not tell which accounts there are: the same
// work is done for all. Allocations stand for it, as they can be counted.
func TestUnknownAccountCostsTheSame(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts the whole process
	tw := newTwilio(t)
	r := post(statusURI+"?a=1&b=2", statusForm("sent"))
	r.Header.Set("X-Twilio-Signature", sign("another token", baseURL, nil))
	cost := func(s provider.Signers) float64 {
		return testing.AllocsPerRun(100, func() { _, _ = tw.Verify(t.Context(), r, s) })
	}
	known := cost(registered())
	require.InDelta(t, known, cost(providertest.Nobody(provider.Unknown)), 2)
	require.InDelta(t, known, cost(providertest.Nobody(provider.Unsure)), 2)
	require.InDelta(t, known, cost(providertest.Register(account)), 2)
}

func TestUnsureSnapshot(t *testing.T) {
	t.Parallel()
	body := statusForm("sent")
	requireRefused(t, newTwilio(t), post(statusURI, body), providertest.Nobody(provider.Unsure), fault.Unavailable, "unsure_account")
}

// What stands in for the token of an unknown account must open nothing.
func TestDecoyOpensNothing(t *testing.T) {
	t.Parallel()
	tw := newTwilio(t)
	body := statusForm("sent")
	r := post(statusURI, body)
	r.Header.Set("X-Twilio-Signature", sign("a token that no account has had.", baseURL+statusURI, decodeForm(body)))
	requireRefused(t, tw, r, providertest.Nobody(provider.Unknown), fault.Unregistered, "unknown_account")
	requireRefused(t, tw, r, providertest.Register(account), fault.Unavailable, "empty_secret")
	requireRefused(t, tw, r, registered(), fault.Unverified, "bad_signature")
}

func TestSecretsOfOtherAlgorithmsAreNoTokens(t *testing.T) {
	t.Parallel()
	tw := newTwilio(t)
	s := registered()
	s.Known[account].Secrets[0].Algorithm = "hmac-sha1"
	_, err := tw.Verify(t.Context(), post(statusURI, statusForm("sent")), s)
	require.NoError(t, err)
	s.Known[account].Secrets[0].Algorithm = "hmac-sha256"
	requireRefused(t, tw, post(statusURI, statusForm("sent")), s, fault.Unavailable, "empty_secret")
}

func TestSignedURLs(t *testing.T) {
	t.Parallel()
	const uri = statusURI + "?ref=a%2Fb&n=1"
	cases := []struct {
		base   string
		signed string
		reason string // "" = accepted
	}{
		{"https://h.example", "https://h.example" + uri, ""},
		{"https://h.example/", "https://h.example" + uri, ""},
		{"https://h.example", "https://h.example:443" + uri, ""},
		{"https://h.example", "https://h.example:8443" + uri, "bad_signature"},
		{"https://h.example", "http://h.example" + uri, "url_mismatch"},
		{"https://h.example:8443", "https://h.example:8443" + uri, ""},
		{"https://h.example:8443", "https://h.example" + uri, ""},
		{"https://h.example:8443", "https://h.example:443" + uri, "url_mismatch"},
		{"https://h.example:443", "https://h.example" + uri, ""},
		{"http://h.example", "http://h.example" + uri, ""},
		{"http://h.example", "http://h.example:80" + uri, "url_mismatch"},
		{"http://h.example:8080", "http://h.example" + uri, "url_mismatch"},
		{"http://h.example:8080", "https://h.example" + uri, "url_mismatch"},
		{"https://H.Example", "https://H.Example" + uri, ""},
		{"https://H.Example", "https://h.example" + uri, "bad_signature"},
		{"https://h.example/hooks/", "https://h.example/hooks" + uri, ""},
		{"https://h.example/hooks", "https://h.example" + uri, "url_mismatch"},
		{"https://[2001:db8::1]:8443", "https://[2001:db8::1]" + uri, ""},
		{"https://[2001:db8::1]", "https://[2001:db8::1]:443" + uri, ""},
		// Row 11: the request was rewritten on its way.
		{"https://h.example", "https://h.example" + statusURI + "?n=1&ref=a%2Fb", "url_mismatch"},
		{"https://h.example", "https://h.example" + statusURI + "?ref=a/b&n=1", "url_mismatch"},
		{"https://h.example", "https://h.example" + statusURI + "/?ref=a%2Fb&n=1", "url_mismatch"},
		{"https://h.example", "https://h.example" + statusURI, "url_mismatch"},
		{"https://h.example", "https://h.example" + statusURI + "?ref=other&n=1", "bad_signature"},
	}
	for _, c := range cases {
		t.Run(c.base+" signed "+c.signed, func(t *testing.T) {
			t.Parallel()
			tw := newTwilio(t, "https://unrelated.example", c.base)
			_, err := tw.Verify(t.Context(), signed(c.signed, uri, statusForm("sent")), registered())
			if c.reason == "" {
				require.NoError(t, err)
				return
			}
			require.Equal(t, c.reason, fault.ReasonOf(err))
			require.Equal(t, fault.Unverified, fault.ClassOf(err))
		})
	}
}

// A refusal is explained where the way that the URL was rewritten is a known one.
func TestRewrittenURIs(t *testing.T) {
	t.Parallel()
	sorted := func(query string) string {
		v, err := url.ParseQuery(query)
		require.NoError(t, err)
		return v.Encode()
	}
	cases := []struct{ name, signed, got string }{
		{"five, sorted", "/p?" + sorted("z=1&b=2&a=3&c=4&a=5"), "/p?z=1&b=2&a=3&c=4&a=5"},
		{"three in another order", "/p?b=2&c=3&a=1", "/p?a=1&b=2&c=3"},
		{"apostrophe escaped", "/p?b=it's", "/p?b=it%27s"},
		{"apostrophe bare", "/p?b=it%27s", "/p?b=it's"},
		{"blank as plus", "/p?b=a%20b", "/p?b=a+b"},
		{"blank as %20", "/p?b=a+b", "/p?b=a%20b"},
		{"unescaped", "/p?b=a%2Fb%2Cc", "/p?b=a/b,c"},
		{"escaped", "/p?b=a/b,c", "/p?b=a%2Fb%2Cc"},
		{"slash added", "/p", "/p/"},
		{"slash removed", "/p/", "/p"},
		{"query added", "/p", "/p?x=1"},
		{"question mark removed", "/p?", "/p"},
	}
	tw := newTwilio(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, tw, signed(baseURL+c.signed, c.got, statusForm("sent")), registered(), fault.Unverified, "url_mismatch")
		})
	}
}

func TestExplanationIsBounded(t *testing.T) {
	t.Parallel()
	long := statusForm("sent", "Filler", strings.Repeat("x", 20<<10))
	requireRefused(t, newTwilio(t), signed(baseURL+"/p/", "/p", long), registered(), fault.Unverified, "bad_signature")
}

func TestVerified(t *testing.T) {
	t.Parallel()
	tw := newTwilio(t)
	r := post(statusURI, statusForm("sent"))
	r.Header.Set("I-Twilio-Idempotency-Token", "again")
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
	v, err := tw.Verify(t.Context(), r, registered())
	require.NoError(t, err)
	want := provider.Verified{Signer: account, Kind: events.KindMessageStatus, Key: messageID, Headers: []events.Header{
		{Key: "x-twilio-signature", Value: []byte(r.Header.Get("X-Twilio-Signature"))},
		{Key: "i-twilio-idempotency-token", Value: []byte("again")},
		{Key: "content-type", Value: []byte(formType)},
	}}
	require.Empty(t, cmp.Diff(want, v))

	keys := map[string]string{
		form("AccountSid", account, "SmsSid", messageID):                       messageID,
		form("AccountSid", account, "CallSid", "CA"+messageID[2:]):             "CA" + messageID[2:],
		form("AccountSid", account, "MessageSid", "SM1", "SmsSid", messageID):  messageID,
		form("AccountSid", account, "MessageSid", strings.Repeat("SM", 60000)): account + "/message.status",
		form("AccountSid", account):                                            account + "/message.status",
	}
	for body, key := range keys {
		v, err := tw.Verify(t.Context(), post(statusURI, body), registered())
		require.NoError(t, err)
		require.Equal(t, key, v.Key)
	}
}

func TestNewRefusesBaseURLs(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "hooks.example.com", "/hooks", "ftp://h.example", "https://", "https://:443", "https://h.example:",
		"https://user:secret@h.example", "https://secret@h.example", "https://h.example?a=secret", "https://h.example?",
		"https://h.example#secret", "https://h.example/#", "https://h.example/%zzsecret", "https://h.example:port",
	} {
		_, err := twilio.New([]string{baseURL, bad})
		require.ErrorContains(t, err, "public base URL 2", "%q", bad)
		require.NotContains(t, err.Error(), "secret")
	}
	_, err := twilio.New(nil)
	require.Error(t, err)
}

// Row 35: a genuine request whose JSON cannot be read is accepted; its parser
// makes a dead letter of it.
func TestRegressionUnreadableJSONOfAKnownAccountIsVerified(t *testing.T) {
	t.Parallel()
	body := `{"deep":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `,"AccountSid": "` + account + `"}`
	uri := withHash(statusURI, body)
	r := signed(baseURL+uri, uri, "")
	r.Body = []byte(body)
	r.Header.Set("Content-Type", "application/json")
	v, err := newTwilio(t, baseURL).Verify(t.Context(), r, registered())
	require.NoError(t, err)
	require.Equal(t, account, v.Signer)
	_, err = twilio.Parser{}.Parse(rawOf(r))
	require.Equal(t, "undecodable", fault.ReasonOf(err))
}
