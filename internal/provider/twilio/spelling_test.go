package twilio_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/provider"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/twilio"
)

// explained returns what differs in the first spelling that verifies.
func explained(t *testing.T, r *provider.Request) string {
	t.Helper()
	tw := newTwilio(t)
	for _, s := range twilio.Spellings(r) {
		// Whatever is asked for, the account signs: a spelling may name none.
		anybody := providertest.Register("", []byte(token))
		anybody.Known[account] = anybody.Known[""]
		if _, err := tw.Verify(t.Context(), &s.Request, anybody); err == nil {
			return strings.Join(s.How, "; ")
		}
	}
	return "nothing"
}

func TestSpellingsUndoWhatHappenedOnTheWay(t *testing.T) {
	t.Parallel()
	const form = "AccountSid=" + account + "&To=%2B15550008888&MessageStatus=sent"
	for name, c := range map[string]struct {
		signedURI, signedForm string
		change                func(*provider.Request)
		want                  string
	}{
		"nothing":      {statusURI, form, func(*provider.Request) {}, ""},
		"slash lost":   {statusURI + "/", form, func(*provider.Request) {}, "the path had a slash at its end"},
		"slash added":  {statusURI, form, func(r *provider.Request) { r.URI = statusURI + "/" }, "the path had no slash at its end"},
		"query added":  {statusURI, form, func(r *provider.Request) { r.URI = statusURI + "?x=1" }, "the URL had no query"},
		"mark lost":    {statusURI + "?", form, func(*provider.Request) {}, "the URL ended with a question mark"},
		"line break":   {statusURI, form, func(r *provider.Request) { r.Body = []byte(form + "\r\n") }, "the body had no line break at its end"},
		"plus":         {statusURI, form, func(r *provider.Request) { r.Body = []byte(strings.ReplaceAll(form, "%2B", "+")) }, "the form's plus signs before numbers were %2B: it was decoded and not encoded again"},
		"empty added":  {statusURI, form, func(r *provider.Request) { r.Body = []byte(form + "&ErrorCode=") }, "parameters without a value were not there"},
		"both":         {statusURI + "/", form, func(r *provider.Request) { r.Body = []byte(form + "\n") }, "the path had a slash at its end; the body had no line break at its end"},
		"JSON by name": {statusURI, form, func(r *provider.Request) { r.Header.Set("Content-Type", "application/json") }, "the body was a form, though Content-Type says JSON"},
		"JSON": {statusURI, form, func(r *provider.Request) {
			r.Header.Set("Content-Type", "application/json")
			r.Body = []byte(`{"AccountSid":"` + account + `","To":"+15550008888","MessageStatus":"sent"}`)
		}, "the body was a form that was made into JSON on the way"},
		"GET": {statusURI, form, func(r *provider.Request) {
			r.Method, r.URI, r.Body = http.MethodGet, statusURI+"?"+form, nil
		}, "it was a POST whose form a proxy moved into the query"},
		"body added": {statusURI, "", func(r *provider.Request) { r.Body = []byte(form) }, "nothing but the URL was signed: it was a GET, or its body was added on the way"},
		"hash of another": {withHash(statusURI, `{"a":1}`), "", func(r *provider.Request) {
			r.URI, r.Body = withHash(statusURI, `{"a":1}`), []byte(form)
		}, "the body was JSON and signed through bodySHA256"},
		"settings added":   {statusURI, form, func(r *provider.Request) { r.Header.Set(settingsHeader, sha256Settings) }, "it was signed with the auth token, though X-Twilio-Webhooks-Signature-Settings names a shared key: that header was added on the way"},
		"a parameter more": {statusURI, form, func(r *provider.Request) { r.Body = []byte(form + "&Price=1") }, "nothing"},
	} {
		r := signed(baseURL+c.signedURI, statusURI, c.signedForm)
		c.change(r)
		came := *r
		require.Equal(t, c.want, explained(t, r), name)
		require.Equal(t, &came, r, "what came is not touched")
	}
}

// Whoever signed with another secret is not explained by any spelling.
func TestNoSpellingMakesAFalseSignatureTrue(t *testing.T) {
	t.Parallel()
	r := post(statusURI+"?x=1", "AccountSid="+account+"&To=+1&ErrorCode=")
	r.Header.Set("X-Twilio-Signature", sign("a guess", baseURL+statusURI+"?x=1", nil))
	require.Equal(t, "nothing", explained(t, r))
}

func TestBaseSpellings(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"https://hooks.example.com", "https://hooks.example.com:8443/base", "http://127.0.0.1:8080", "https://[::1]:8443"} {
		spellings := twilio.BaseSpellings(base)
		require.Equal(t, provider.BaseSpelling{URL: base}, spellings[0])
		seen := map[string]bool{}
		for i, s := range spellings {
			require.False(t, seen[s.URL], s.URL)
			seen[s.URL] = true
			_, err := twilio.New([]string{s.URL})
			require.NoError(t, err, s.URL)
			_, err = url.Parse(s.URL)
			require.NoError(t, err)
			require.Equal(t, i > 0, s.How != "", s.URL)
		}
	}
	require.Empty(t, twilio.BaseSpellings("ftp://hooks.example.com"))
	require.Empty(t, twilio.BaseSpellings(""))
}
