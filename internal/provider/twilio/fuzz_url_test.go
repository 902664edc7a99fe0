package twilio_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/twilio"
)

// FuzzGenuine signs whatever it is given by the tests' own reading of the rule:
// all of it must be accepted, as a form or as the query of a GET, and nothing of
// it once a parameter more was signed than is there.
func FuzzGenuine(f *testing.F) {
	for _, body := range append(vectorBodies(f), statusForm("sent"), "A=1&A=1&A=0&B&=x&%zz=%&c=a+b%2b;d", "", "&&=&") {
		f.Add(false, statusURI+"?a=%2F'", body)
		f.Add(true, statusURI, body)
	}
	tw := newTwilio(f)
	f.Fuzz(func(t *testing.T, get bool, uri, form string) {
		fields := decodeForm(form)
		name := "" // an account that names none is registered as ""
		if sids := fields["AccountSid"]; len(sids) > 0 {
			name = sids[0]
		}
		r := signed(baseURL+uri, uri, form)
		if get {
			uri, _, _ = strings.Cut(uri, "?")
			uri += "?" + form
			r = signed(baseURL+uri, uri, "")
			r.Method = http.MethodGet
		}
		signers := providertest.Register(name, []byte(token))
		v, err := tw.Verify(t.Context(), r, signers)
		require.NoError(t, err)
		require.Equal(t, name, v.Signer)

		fields["Yy"] = append(fields["Yy"], "a value that is not there")
		r.Header.Set("X-Twilio-Signature", sign(token, baseURL+uri, fields))
		_, err = tw.Verify(t.Context(), r, signers)
		require.Equal(t, fault.Unverified, fault.ClassOf(err))
	})
}

// FuzzBase configures base URLs. One that is taken accepts what is signed over
// it as it was written, and refuses what is signed over another host; one that
// is not is never quoted.
func FuzzBase(f *testing.F) {
	for _, base := range []string{
		baseURL, "https://h.example:8443/hooks/", "http://[2001:db8::1]:80", "https://[::1%25en0]", "https://user:secret@h", "https://h?q", "https://h#f",
		"HTTPS://H.example/%2F//..", "https://h:", "https://:1", "/secret", "https://h/%zz", " https://h ", "",
	} {
		f.Add(base, statusURI)
	}
	f.Fuzz(func(t *testing.T, base, uri string) {
		if !strings.HasPrefix(uri, "/") {
			uri = "/" + uri
		}
		tw, err := twilio.New([]string{baseURL, base})
		if err != nil {
			if len(base) > 20 {
				require.NotContains(t, err.Error(), base)
			}
			return
		}
		u, err := url.Parse(strings.TrimSpace(base))
		require.NoError(t, err)
		require.Contains(t, []string{"http", "https"}, u.Scheme)
		require.NotEmpty(t, u.Hostname())
		require.Nil(t, u.User)
		written := u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/")
		verify := func(r *provider.Request) error {
			_, err := tw.Verify(t.Context(), r, registered())
			return err
		}
		require.NoError(t, verify(signed(written+uri, uri, statusForm("sent"))))
		require.Error(t, verify(signed("https://other.example"+uri, uri, statusForm("sent"))))
	})
}
