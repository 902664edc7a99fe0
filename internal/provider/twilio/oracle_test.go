package twilio_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twilio/twilio-go/client"
	"pgregory.net/rapid"

	"waybill/internal/provider/providertest"
	"waybill/internal/provider/twilio"
)

// Twilio's own Go library is the oracle, save for what it is known to do
// otherwise (v1.31.0), which the generators below never make:
//
//   - repeated names: it signs the first value only, and refuses genuine requests;
//   - a literal semicolon or a broken escape in a form: it refuses the form;
//   - bodySHA256 on a form: it decides on the parameter, not on the content type;
//   - GET: it has no such thing, and would append a body's parameters;
//   - port variants of http URLs: it tries them, ours are HTTPS's alone;
//   - IPv6 hosts: it splits them at the first colon;
//   - an empty token: it accepts what was signed with one.
func TestAgreesWithTwilioGo(t *testing.T) {
	t.Parallel()
	verdicts := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.SampledFrom([]string{"https://hooks.example.com", "https://hooks.example.com:8443"}).Draw(t, "base")
		uri := rapid.StringMatching(`(/[a-z%2F.~]{0,6}){1,3}(\?[a-z]=[A-Za-z0-9%20+'/:-]{0,8}(&[a-z]=[a-z0-9]{0,4}){0,2})?`).
			Filter(func(s string) bool { _, err := url.ParseRequestURI(s); return err == nil }).Draw(t, "uri")
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Z][A-Za-z0-9._]{0,12}`), 0, 8, rapid.ID[string]).
			Filter(func(names []string) bool {
				for _, n := range names {
					if n == "AccountSid" || n == "Zz" { // named below: repeated it would be what the oracle reads otherwise
						return false
					}
				}
				return true
			}).Draw(t, "names")
		body := form("AccountSid", account)
		for _, name := range names {
			body += "&" + form(name, rapid.String().Draw(t, "value"))
		}

		signedURL := rapid.SampledFrom([]string{
			base, "https://hooks.example.com", "https://hooks.example.com:443", "https://hooks.example.com:8443",
			"http://hooks.example.com", "https://other.example.com",
		}).Draw(t, "signed base") + uri
		r := signed(signedURL, uri, body)
		if rapid.Bool().Draw(t, "change the body") {
			r.Body = []byte(body + "&" + form("Zz", rapid.String().Draw(t, "added")))
		}

		_, err := newTwilioRapid(t, base).Verify(t.Context(), r, registered())
		oracle := client.NewRequestValidator(token)
		want := oracle.ValidateBody(base+uri, r.Body, r.Header.Get("X-Twilio-Signature"))
		require.Equal(t, want, err == nil)
		verdicts[want]++
	})
	require.Greater(t, verdicts[true], 5, "the generator makes genuine requests")
	require.Greater(t, verdicts[false], 5, "the generator makes false ones")
}

func newTwilioRapid(t *rapid.T, base string) *twilio.Twilio {
	tw, err := twilio.New([]string{base})
	require.NoError(t, err)
	return tw
}

// Where the oracle has to be left out, the tests' own reading of the rule stands in.
func TestAcceptsRepeatedNames(t *testing.T) {
	t.Parallel()
	tw := newTwilio(t)
	rapid.Check(t, func(t *rapid.T) {
		body := form("AccountSid", account)
		name := rapid.StringMatching(`[BC]{1,2}`)
		for range rapid.IntRange(0, 8).Draw(t, "parameters") {
			body += "&" + form(name.Draw(t, "name"), rapid.StringMatching(`[abc]{0,2}`).Draw(t, "value"))
		}
		r := post(statusURI, body)
		_, err := tw.Verify(t.Context(), r, registered())
		require.NoError(t, err)
		// The order in which parameters come does not matter; an empty value does.
		pairs := strings.Split(body, "&")
		r.Body = []byte(strings.Join(rapid.Permutation(pairs).Draw(t, "order"), "&"))
		_, err = tw.Verify(t.Context(), r, registered())
		require.NoError(t, err)
		r.Body = []byte(body + "&Z")
		_, err = tw.Verify(t.Context(), r, registered())
		require.Error(t, err)
	})
}

// The defect for which an empty token must be refused before any signature.
func TestOracleAcceptsEmptyToken(t *testing.T) {
	t.Parallel()
	body := statusForm("sent")
	r := signed(baseURL+statusURI, statusURI, body)
	forged := sign("", baseURL+statusURI, decodeForm(body))
	oracle := client.NewRequestValidator("")
	require.True(t, oracle.ValidateBody(baseURL+statusURI, r.Body, forged))
	r.Header.Set("X-Twilio-Signature", forged)
	_, err := newTwilio(t).Verify(t.Context(), r, providertest.Register(account, nil))
	require.Error(t, err)
}
