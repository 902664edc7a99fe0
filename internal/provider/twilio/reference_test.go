package twilio_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/provider"
	"waybill/internal/provider/twilio"
)

const (
	baseURL = "https://hooks.example.com"
	token   = "0123456789abcdef0123456789abcdef"

	account   = "AC00000000000000000000000000000001"
	messageID = "SM00000000000000000000000000000002"
	service   = "MG00000000000000000000000000000004"
	echo      = "0b9f2f8e-3a67-4b5c-9d5e-0a1b2c3d4e5f"

	statusURI  = "/api/webhooks/sms/status"
	inboundURI = "/api/webhooks/sms"
	formType   = "application/x-www-form-urlencoded"
)

var received = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func newTwilio(t testing.TB, bases ...string) *twilio.Twilio {
	t.Helper()
	if len(bases) == 0 {
		bases = []string{baseURL}
	}
	tw, err := twilio.New(bases)
	require.NoError(t, err)
	return tw
}

var escaped = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// decodeForm is the tests' own reading of a form: as the WHATWG standard says.
func decodeForm(body string) map[string][]string {
	decode := func(s string) string {
		return escaped.ReplaceAllStringFunc(strings.ReplaceAll(s, "+", " "), func(e string) string {
			b, _ := hex.DecodeString(e[1:])
			return string(b)
		})
	}
	out := map[string][]string{}
	for _, pair := range strings.Split(body, "&") {
		if pair != "" {
			name, value, _ := strings.Cut(pair, "=")
			out[decode(name)] = append(out[decode(name)], decode(value))
		}
	}
	return out
}

// stringToSign is the tests' own reading of Twilio's rule.
func stringToSign(signedURL string, form map[string][]string) string {
	s := signedURL
	for _, name := range slices.Sorted(maps.Keys(form)) {
		set := map[string]struct{}{}
		for _, v := range form[name] {
			set[v] = struct{}{}
		}
		for _, v := range slices.Sorted(maps.Keys(set)) {
			s += name + v
		}
	}
	return s
}

// sign returns the value of X-Twilio-Signature.
func sign(with, signedURL string, form map[string][]string) string {
	return signWith(sha1.New, with, signedURL, form)
}

func signWith(algorithm func() hash.Hash, with, signedURL string, form map[string][]string) string {
	mac := hmac.New(algorithm, []byte(with))
	mac.Write([]byte(stringToSign(signedURL, form)))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// post returns a signed form request to the base URL.
func post(uri, body string) *provider.Request {
	return signed(baseURL+uri, uri, body)
}

// signed returns a form request whose signature is over any URL.
func signed(signedURL, uri, body string) *provider.Request {
	r := &provider.Request{
		Kind: events.KindMessageStatus, Method: http.MethodPost, URI: uri, Body: []byte(body), At: received,
		Header: http.Header{"Content-Type": {formType}},
	}
	r.Header.Set("X-Twilio-Signature", sign(token, signedURL, decodeForm(body)))
	return r
}

// withHash adds the hash of a JSON body to a URI.
func withHash(uri, body string) string {
	sum := sha256.Sum256([]byte(body))
	return uri + "?bodySHA256=" + hex.EncodeToString(sum[:])
}

// form encodes parameters given as name, value, name, value, in that order.
func form(pairs ...string) string {
	var parts []string
	for i := 0; i < len(pairs); i += 2 {
		parts = append(parts, url.QueryEscape(pairs[i])+"="+url.QueryEscape(pairs[i+1]))
	}
	return strings.Join(parts, "&")
}

// statusForm returns the body of a status callback with further parameters.
func statusForm(status string, more ...string) string {
	return form(append([]string{
		"AccountSid", account, "ApiVersion", "2010-04-01", "From", "+15550100001", "MessageSid", messageID,
		"MessageStatus", status, "SmsSid", messageID, "SmsStatus", status, "To", "+15550100002",
	}, more...)...)
}

// rawOf returns a request as ingest would keep it.
func rawOf(r *provider.Request) *events.Raw {
	return &events.Raw{
		Receipt: events.NewReceiptID(), Provider: events.Twilio, Kind: r.Kind, Signer: account, Key: "k",
		Method: r.Method, URI: r.URI, Body: r.Body, ReceivedAt: r.At,
		Headers: []events.Header{{Key: "content-type", Value: []byte(r.Header.Get("Content-Type"))}},
	}
}
