package main_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/operate"
	"waybill/internal/provider/providertest"
	"waybill/internal/simulate"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
)

const (
	patientBase = "https://hooks.example.com"
	patient     = "AC00000000000000000000000000000001"
	neighbour   = "AC00000000000000000000000000000002"
	firstToken  = "the auth token of the first account"
	secondToken = "the auth token of the second account"
	oldToken    = "the auth token that was forgotten"
	stripeKey   = "whsec_the_signing_secret_of_an_endpoint"
)

// wire writes a request as it is on the wire.
func wire(r *simulate.Request) string {
	var b bytes.Buffer
	req := http.Request{Header: r.Header}
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: inner.example.net:8080\r\n", r.Method, r.Path)
	_ = req.Header.Write(&b)
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(r.Body), r.Body)
	return b.String()
}

// refused is a saved request, and what explains it.
type refused struct {
	name, saved, verdict, differs string
	args                          []string
}

func twilioCases() []refused {
	form := url.Values{
		"AccountSid": {patient}, "MessageSid": {"SM00000000000000000000000000000077"}, "From": {"+15550009999"},
		"To": {"+15550008888"}, "Body": {"canary words"}, "MessageStatus": {"delivered"},
	}
	const path = "/api/webhooks/sms/status"
	at := func(base, token, path string) simulate.Request {
		return simulate.Twilio{PublicURL: base, Account: patient, Token: token}.Sign(path, form)
	}
	come := func(r simulate.Request, change func(*simulate.Request)) string {
		r.Header = r.Header.Clone()
		if change != nil {
			change(&r)
		}
		return wire(&r)
	}
	good := at(patientBase, firstToken, path)
	unknown := url.Values{"AccountSid": {"AC00000000000000000000000000000009"}, "Body": {"canary words"}}
	sum := sha256.Sum256([]byte(`{"AccountSid":"` + patient + `"}`))
	hash := path + "?bodySHA256=" + hex.EncodeToString(sum[:])
	asJSON := func(r *simulate.Request, body string) {
		r.Body = []byte(body)
		r.Header.Set("Content-Type", "application/json")
	}
	flat := map[string]string{}
	for name := range form {
		flat[name] = form.Get(name)
	}
	object, _ := json.Marshal(flat)
	urlOnly := func(path string) simulate.Request {
		r := simulate.Twilio{PublicURL: patientBase, Token: firstToken}.Sign(path, nil)
		return r
	}

	return []refused{
		{"as it came", come(good, nil), "verifies", "", nil},
		{"with :443", come(at(patientBase+":443", firstToken, path), nil), "verifies", "", nil},
		{"http", come(at("http://hooks.example.com", firstToken, path), nil), "explained", "another scheme", nil},
		{"port 80", come(at("http://hooks.example.com:80", firstToken, path), nil), "explained", "scheme and another port", nil},
		{"the inner host", come(at("https://inner.example.net:8080", firstToken, path), nil), "explained", "Host header", nil},
		{"the inner host over http", come(at("http://inner.example.net:8080", firstToken, path), nil), "explained", "Host header", nil},
		{"forwarded host and prefix", come(at("https://outer.example.org/hooks", firstToken, path), func(r *simulate.Request) {
			r.Header.Set("X-Forwarded-Host", "outer.example.org")
			r.Header.Set("X-Forwarded-Prefix", "/hooks")
		}), "explained", "X-Forwarded-Host", nil},
		{"an older URL", come(at("https://old.example.com", firstToken, path), nil), "explained", "not configured", []string{"--public-url", "https://old.example.com"}},
		{"slash at the end", come(at(patientBase, firstToken, path+"/"), func(r *simulate.Request) { r.Path = path }), "explained", "slash at its end", nil},
		{"query in another order", come(at(patientBase, firstToken, path+"?wb=canary&x=1"), func(r *simulate.Request) { r.Path = path + "?x=1&wb=canary" }), "explained", "another order", nil},
		{"query dropped", come(at(patientBase, firstToken, path), func(r *simulate.Request) { r.Path = path + "?added=canary" }), "explained", "no query", nil},
		{"order and scheme", come(at("http://hooks.example.com", firstToken, path+"?wb=canary&x=1"), func(r *simulate.Request) { r.Path = path + "?x=1&wb=canary" }), "explained", "another order", nil},
		{"the neighbour's token", come(at(patientBase, secondToken, path), nil), "explained", "not registered for the account", nil},
		{"a forgotten token", come(at(patientBase, oldToken, path), nil), "explained", "not registered for the account", []string{"--secret-file", "FILE"}},
		{"an unknown account", come(simulate.Twilio{PublicURL: patientBase, Token: firstToken}.Sign(path, unknown), nil), "explained", "is not registered", nil},
		{"saved with a line break", come(good, func(r *simulate.Request) { r.Body = append(bytes.Clone(r.Body), '\n') }), "explained", "no line break", nil},
		{"decoded once", come(good, func(r *simulate.Request) { r.Body = bytes.ReplaceAll(r.Body, []byte("%2B"), []byte("+")) }), "explained", "decoded and not encoded", nil},
		{"made into JSON", come(good, func(r *simulate.Request) { asJSON(r, string(object)) }), "explained", "made into JSON", nil},
		{"JSON written anew", come(urlOnly(hash), func(r *simulate.Request) { asJSON(r, `{ "AccountSid": "`+patient+`" }`) }), "explained", "bodySHA256 of another body", nil},
		{"a GET", come(urlOnly(path), func(r *simulate.Request) { r.Body = []byte("AccountSid=" + patient + "&Body=canary") }), "explained", "nothing but the URL", nil},
		{"form in the query", come(good, func(r *simulate.Request) {
			r.Method, r.Path, r.Body = "GET", path+"?"+string(r.Body), nil
			r.Header.Del("Content-Type")
		}), "explained", "moved into the query", nil},
		{"forged", come(at(patientBase, "a guess", path), nil), "unexplained", "", nil},
		{"no signature", come(good, func(r *simulate.Request) { r.Header.Del("X-Twilio-Signature") }), "refused", "", nil},
		{"no path of ours", come(good, func(r *simulate.Request) { r.Path = "/" }), "refused", "", nil},
		{"a prefix", come(good, func(r *simulate.Request) { r.Path = "/hooks" + path }), "refused", "prefix before ours", nil},
		{"a slash", come(good, func(r *simulate.Request) { r.Path = path + "/" }), "refused", "slash at its end", nil},
		{"a beginning lost", come(good, func(r *simulate.Request) { r.Path = "/sms/status" }), "refused", "lacks its beginning", nil},
		{"a wrong type", come(good, func(r *simulate.Request) { r.Header.Set("Content-Type", "text/plain") }), "refused", "", nil},
		{"cut off", strings.TrimSuffix(come(good, nil), "08888"), "unexplained", "shorter than its head says", nil},
	}
}

func stripeCases(now time.Time) []refused {
	const body = `{"id":"evt_canary","object":"event","type":"customer.subscription.updated","data":{"object":{"id":"sub_canary"}}}`
	var pretty bytes.Buffer
	_ = json.Indent(&pretty, []byte(body), "", "  ")
	at := func(secret string, at time.Time, signed, came string) string {
		r := simulate.Stripe{Secret: secret}.Sign([]byte(signed), at)
		r.Body = []byte(came)
		return wire(&r)
	}
	return []refused{
		{"stripe as it came", at(stripeKey, now, body, body), "verifies", "", nil},
		{"stripe late", at(stripeKey, now.Add(-time.Hour), body, body), "explained", "too far from the clock", nil},
		{"stripe in time then", at(stripeKey, now.Add(-time.Hour), body, body), "verifies", "", []string{"--at", "1h"}},
		{"stripe compact", at(stripeKey, now, body, pretty.String()), "explained", "compact JSON", nil},
		{"stripe pretty", at(stripeKey, now, pretty.String(), body), "explained", "with its line breaks", nil},
		{"stripe line break", at(stripeKey, now, body, body+"\n"), "explained", "no line break", nil},
		{"stripe other secret", at("whsec_a_guess", now, body, body), "unexplained", "", nil},
	}
}

const (
	ourTopic    = "arn:aws:sns:eu-west-1:123456789012:connect-events"
	ourInstance = "arn:aws:connect:eu-west-1:123456789012:instance/12345678"
	ourAPIKey   = "the key of an API destination"
)

func awsCases(t *testing.T, now time.Time) []refused {
	t.Helper()
	const body = `{"detail":{"contactId":"canary"}}`
	post := func(path string, body []byte, header ...string) string {
		r := simulate.Request{Method: "POST", Path: path, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return wire(&r)
	}
	topic := func(path string, e providertest.Envelope) string {
		return post(path, e.Signed(t, providertest.SNSKey()).Body(t), "X-Amz-Sns-Message-Type", "Notification")
	}
	const contacts, records = "/api/webhooks/connect", "/api/webhooks/connect/records"
	good := providertest.SNSNotification(ourTopic, body, now)
	return []refused{
		{"SNS as it came", topic(contacts, good), "verifies", "", nil},
		{"SNS on another path", topic("/api/webhooks/email", good), "refused", "", nil},
		{"SNS late", topic(contacts, providertest.SNSNotification(ourTopic, body, now.Add(-25*time.Hour))), "refused", "", nil},
		{"SNS in time then", topic(contacts, providertest.SNSNotification(ourTopic, body, now.Add(-25*time.Hour))), "verifies", "", []string{"--at", "24h"}},
		{"SNS without its header", post(contacts, good.Signed(t, providertest.SNSKey()).Body(t), "X-Amz-Sns-Rawdelivery", "false"), "refused", "", nil},
		{"a key", post(contacts, []byte(body), "X-Waybill-Api-Key", ourAPIKey), "verifies", "", nil},
		{"a wrong key", post(contacts, []byte(body), "X-Waybill-Api-Key", "canary"), "refused", "", nil},
		{"a key for the other header", post(records, []byte(body), "X-Amz-Firehose-Access-Key", ourAPIKey), "refused", "", nil},
		{"no key", post(contacts, []byte(body)), "refused", "", nil},
	}
}

func TestDoctorExplainsARefusedRequest(t *testing.T) {
	t.Parallel()
	s := newClinic(t)
	key := s.env["WAYBILL_SECRET_KEY"]
	s.register(key, "twilio", neighbour, "token-2", secondToken)
	s.register(key, "stripe", "default", "token-3", stripeKey)
	s.registerAs(key, events.ConfigSigner{Provider: "sns", Purpose: "connect", Name: ourTopic}, tenants.AlgorithmInstance, "token-4", ourInstance)
	s.registerAs(key, events.ConfigSigner{Provider: "connect", Name: ourInstance}, tenants.AlgorithmAPIKey, "token-5", ourAPIKey)
	certs := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(certs, providertest.SNSCertFile), providertest.SNSCertificate(t, time.Now(), nil), 0o600))
	s.env["WAYBILL_SNS_CERT_DIR"] = certs
	delete(s.env, "WAYBILL_DATABASE_URL")
	var all strings.Builder
	for _, c := range slices.Concat(twilioCases(), stripeCases(time.Now()), awsCases(t, time.Now())) {
		path := filepath.Join(t.TempDir(), "refused.http")
		require.NoError(t, os.WriteFile(path, []byte(c.saved), 0o600))
		args := append([]string{"doctor", "request", path}, c.args...)
		for i, a := range args {
			if a == "FILE" {
				args[i] = s.file(oldToken)
			}
		}
		want := 0
		if c.verdict == operate.VerdictUnexplained {
			want = 1
		}
		table := s.run(args...)
		require.Equal(t, want, table.status, "%s: %s%s", c.name, table.out, table.errOut)
		var e operate.Explanation
		text := s.json(&e, want, args...)
		require.Equal(t, c.verdict, e.Verdict, "%s: %s", c.name, text)
		require.Contains(t, strings.Join(e.Differs, "; "), c.differs, c.name)
		require.NotEmpty(t, e.Next, c.name)
		fmt.Fprintf(&all, "## %s\n%s\n", c.name, table.out)
		if c.name == "order and scheme" {
			testkit.Golden(t, "json/doctor_request.json", []byte(text))
		}
		tellsNothing(t, c.saved, table.out+table.errOut+text)
	}
	testkit.Golden(t, "doctor/requests.txt", []byte(all.String()))
}

// tellsNothing wants no secret and no value of a saved request in a text.
func tellsNothing(t *testing.T, saved, said string) {
	t.Helper()
	secrets := []string{firstToken, secondToken, oldToken, stripeKey, ourAPIKey, ourTopic, ourInstance}
	head, body, _ := strings.Cut(saved, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "Content-Length", "Content-Type", "Host", "X-Forwarded-Host", "X-Forwarded-Prefix": // a proven base URL is the answer
		default:
			secrets = append(secrets, value)
		}
	}
	_, query, _ := strings.Cut(strings.Fields(lines[0])[1], "?")
	for _, text := range []string{body, query} {
		if form, err := url.ParseQuery(text); err == nil {
			for _, values := range form {
				secrets = append(secrets, values...)
			}
		}
	}
	secrets = append(secrets, patient, neighbour, "+15550009999", "15550008888", "canary", "SM0000000000", "evt_", "sub_", "AC0000000000", "v1=")
	for _, secret := range secrets {
		if len(secret) > 1 { // a single letter is everywhere
			require.NotContains(t, said, secret)
		}
	}
}

func TestDoctorSaysWhatASampleLetsItSay(t *testing.T) {
	t.Parallel()
	s := &shell{t: t}
	for sample, want := range map[string]string{
		`{"provider":"twilio","method":"POST","path":"/api/webhooks/sms","headers":["x-forwarded-host","x-twilio-signature"],"query":["wb"],"reason":"url_mismatch","status":401,"at":"2026-11-23T12:00:00Z"}`: "WAYBILL_PUBLIC_URL",
		`{"provider":"stripe","method":"POST","path":"/api/webhooks/stripe","reason":"stale","status":401,"at":"2026-11-23T12:00:00Z"}`:                                                                        "300 s",
		`{"provider":"twilio","method":"POST","path":"/api/webhooks/sms","reason":"url_mismatch","verdict":"the URL had another port","status":401,"at":"2026-11-23T12:00:00Z"}`:                               "the URL had another port",
		`{"provider":"canary","method":"POST","path":"/","verdict":"canary+15550100009","reason":"canary","status":401,"at":"2026-11-23T12:00:00Z"}`:                                                           "does not know",
	} {
		r := s.pipe(sample, "doctor", "request", "-")
		require.Zero(t, r.status, r.errOut)
		require.Contains(t, r.out, want)
		require.NotContains(t, r.out, "canary", "a sample may have been edited")
	}
}

func TestDoctorRefusesWhatIsNoRequest(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for _, saved := range []string{"", "canary", "{}", `{"canary":1`, "POST canary\r\n\r\n"} {
		r := s.pipe(saved, "doctor", "request", "-")
		require.Equal(t, 2, r.status, "%q: %s", saved, r.errOut)
		require.NotContains(t, r.out+r.errOut, "canary")
	}
	require.Equal(t, 2, s.run("doctor", "request", "/nowhere/canary").status)
	delete(s.env, "WAYBILL_SECRET_KEY")
	r := s.pipe(twilioCases()[0].saved, "doctor", "request", "-")
	require.Equal(t, 1, r.status)
	require.Contains(t, r.errOut, "WAYBILL_SECRET_KEY")
}
