package ingest_test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio's scheme
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	waitFor = 5 * time.Second
	tick    = time.Millisecond

	publicURL    = "https://hooks.example.com"
	account      = "AC0123456789abcdef0123456789abcdef"
	emptyAccount = "ACeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"
	token        = "f00dfeedf00dfeedf00dfeedf00dfeed"
	stripeSecret = "whsec_waybill_test_secret"

	statusPath  = "/api/webhooks/sms/status"
	inboundPath = "/api/webhooks/sms"
	stripePath  = "/api/webhooks/stripe"

	form      = "application/x-www-form-urlencoded"
	jsonType  = "application/json"
	signature = "X-Twilio-Signature"
)

// request is one request as it goes over the wire; nothing is added but Host
// and Content-Length, and those only if they are not there.
type request struct {
	method, uri string
	header      [][2]string
	body        string
}

func (r request) with(name, value string) request {
	r.header = append(slices.Clone(r.header), [2]string{name, value})
	return r
}

func (r request) without(name string) request {
	r.header = slices.DeleteFunc(slices.Clone(r.header), func(h [2]string) bool { return h[0] == name })
	return r
}

func (r request) get(name string) string {
	for _, h := range r.header {
		if h[0] == name {
			return h[1]
		}
	}
	return ""
}

func (r request) bytes() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.method, r.uri)
	if r.get("Host") == "" {
		b.WriteString("Host: internal:8080\r\n")
	}
	for _, h := range r.header {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	if r.get("Content-Length") == "" && r.get("Transfer-Encoding") == "" && r.method != http.MethodGet {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n" + r.body)
	return b.Bytes()
}

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// client is one connection.
type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(waitFor)))
	return &client{Conn: c, in: bufio.NewReader(c)}
}

// write sends bytes; the server may close while they are on their way.
func (c *client) write(b []byte) { _, _ = c.Write(b) }

func (c *client) answer(t *testing.T) answer {
	t.Helper()
	a, err := c.read()
	require.NoError(t, err)
	return a
}

func (c *client) read() (answer, error) {
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	if resp.Close { // ReadResponse takes the header away
		resp.Header.Set("Connection", "close")
	}
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body)}, err
}

// send makes one request over a connection of its own.
func send(t *testing.T, addr string, raw []byte) answer {
	t.Helper()
	c := dial(t, addr)
	c.write(raw)
	return c.answer(t)
}

// twilioMAC signs as Twilio does: the URL, then every parameter by name.
func twilioMAC(secret, signedURL string, params url.Values) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(signedURL))
	names := make([]string, 0, len(params))
	for n := range params {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		values := slices.Clone(params[n])
		slices.Sort(values)
		for _, v := range slices.Compact(values) {
			mac.Write([]byte(n + v))
		}
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// callback returns the parameters of a message's status.
func callback(status string) url.Values {
	return url.Values{
		"AccountSid": {account}, "MessageSid": {"SM0123456789abcdef0123456789abcdef"}, "MessageStatus": {status},
		"To": {"+15550100002"}, "From": {"+15550100001"},
	}
}

// twilioPost returns a genuine form of the account.
func twilioPost(uri string, params url.Values) request {
	return request{
		method: http.MethodPost, uri: uri, body: params.Encode(),
		header: [][2]string{{"Content-Type", form}, {signature, twilioMAC(token, publicURL+uri, params)}},
	}
}

// twilioJSON returns a genuine JSON request: its hash is in the signed URL.
func twilioJSON(path, body string) request {
	sum := sha256.Sum256([]byte(body))
	uri := path + "?bodySHA256=" + hex.EncodeToString(sum[:])
	return request{
		method: http.MethodPost, uri: uri, body: body,
		header: [][2]string{{"Content-Type", jsonType}, {signature, twilioMAC(token, publicURL+uri, nil)}},
	}
}

// stripeMAC returns one v1 value.
func stripeMAC(at time.Time, body string) string {
	mac := hmac.New(sha256.New, []byte(stripeSecret))
	mac.Write([]byte(strconv.FormatInt(at.Unix(), 10) + "." + body))
	return hex.EncodeToString(mac.Sum(nil))
}

const stripeBody = `{"id":"evt_1","object":"event","api_version":"2031-01-01","created":1790000000,` +
	`"livemode":false,"type":"unheard.of","data":{"object":{"id":"sub_1","object":"subscription"}}}`

// stripePost returns a genuine event, signed at a time.
func stripePost(at time.Time, body string) request {
	return request{
		method: http.MethodPost, uri: stripePath, body: body,
		header: [][2]string{
			{"Content-Type", "application/json; charset=utf-8"},
			{"Stripe-Signature", fmt.Sprintf("t=%d,v1=%s", at.Unix(), stripeMAC(at, body))},
		},
	}
}
