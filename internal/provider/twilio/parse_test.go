package twilio_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/twilio"
	"waybill/internal/tenantmap"
)

const eventPrefix = "twilio/" + account + "/"

func parse(t *testing.T, kind events.Kind, uri, body string) (provider.Parsed, error) {
	t.Helper()
	r := post(uri, body)
	r.Kind = kind
	return twilio.Parser{}.Parse(rawOf(r))
}

func TestParseStatus(t *testing.T) {
	t.Parallel()
	body := statusForm("undelivered", "ErrorCode", "30003", "MessagingServiceSid", service, "AddedYesterday", "x")
	got, err := parse(t, events.KindMessageStatus, statusURI+"?ref=1&wb="+strings.ToUpper(echo), body)
	require.NoError(t, err)
	want := provider.Parsed{
		EventID: eventPrefix + "message.status/" + messageID + ":undelivered:30003",
		Evidence: tenantmap.Evidence{
			Provider: events.Twilio, Signer: account, ProviderID: messageID, At: received,
			Resources: []tenantmap.Key{tenantmap.ResourceKey(events.Twilio, messageID), tenantmap.EchoKey(echo)},
			Senders:   []tenantmap.Key{tenantmap.SenderKey("+15550100001"), tenantmap.SenderKey(service)},
		},
		Message: &events.Message{
			Kind: events.KindMessageStatus, Provider: events.Twilio, ProviderID: messageID, Account: account,
			Channel: events.SMS, Direction: events.Outbound, From: "+15550100001", To: "+15550100002", Service: service,
			Status: "undelivered", ErrorCode: "30003", ReceivedAt: received,
		},
	}
	require.Empty(t, cmp.Diff(want, got))
}

func TestParseInbound(t *testing.T) {
	t.Parallel()
	body := form(
		"AccountSid", account, "MessageSid", "MM"+messageID[2:], "From", "whatsapp:+15550100002", "To", "whatsapp:+15550100001",
		"MessagingServiceSid", service, "Body", "Grüße + 50 % 🚀\nzweite Zeile ", "SmsStatus", "received",
		"NumMedia", "2", "MediaUrl0", "https://api.example/0", "MediaUrl1", "https://api.example/1", "OptOutType", "STOP",
	)
	got, err := parse(t, events.KindMessage, inboundURI, body)
	require.NoError(t, err)
	sid := "MM" + messageID[2:]
	want := provider.Parsed{
		EventID: events.EventID(eventPrefix + "message.received/" + sid),
		Evidence: tenantmap.Evidence{
			Provider: events.Twilio, Signer: account, ProviderID: sid, At: received, Person: "whatsapp:+15550100002",
			Resources: []tenantmap.Key{tenantmap.ResourceKey(events.Twilio, sid)},
			Senders:   []tenantmap.Key{tenantmap.SenderKey("whatsapp:+15550100001"), tenantmap.SenderKey(service)},
		},
		Message: &events.Message{
			Kind: events.KindMessage, Provider: events.Twilio, ProviderID: sid, Account: account,
			Channel: events.WhatsApp, Direction: events.Inbound, From: "whatsapp:+15550100002", To: "whatsapp:+15550100001",
			Service: service, Body: "Grüße + 50 % 🚀\nzweite Zeile ",
			Media: []string{"https://api.example/0", "https://api.example/1"}, OptOutType: "STOP", Status: "received", ReceivedAt: received,
		},
	}
	require.Empty(t, cmp.Diff(want, got))
}

// What Advanced Opt-Out says is believed word for word or not at all, and never
// costs the message.
func TestParseOptOutType(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		said []string
		want string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"STOP"}, "STOP"},
		{[]string{"START"}, "START"},
		{[]string{"HELP"}, "HELP"},
		{[]string{"stop"}, ""},
		{[]string{"STOP "}, ""},
		{[]string{"SOMETHING"}, ""},
		{[]string{strings.Repeat("S", 1<<16)}, ""},
		{[]string{"ST\x00OP"}, ""},
		{[]string{"STOP", "STOP"}, "STOP"}, // the signature covers equal ones once: anybody can add one
		{[]string{"STOP", "START"}, ""},
		{[]string{"START", "STOP"}, ""},
	} {
		pairs := []string{"AccountSid", account, "MessageSid", messageID, "From", "+15550100002", "To", "+15550100001", "Body", "basta"}
		for _, v := range c.said {
			pairs = append(pairs, "OptOutType", v)
		}
		got, err := parse(t, events.KindMessage, inboundURI, form(pairs...))
		require.NoError(t, err, c.said)
		require.Equal(t, c.want, got.Message.OptOutType, c.said)
		require.Equal(t, "basta", got.Message.Body)
	}
}

func TestParseWaysIn(t *testing.T) {
	t.Parallel()
	body := form("AccountSid", account, "SmsSid", messageID, "SmsStatus", "sent")
	raw := func(method, uri, contentType, body string) *events.Raw {
		return rawOf(&provider.Request{
			Kind: events.KindMessageStatus, Method: method, URI: uri, Body: []byte(body), At: received,
			Header: http.Header{"Content-Type": {contentType}},
		})
	}
	object := `{"AccountSid":"` + account + `","SmsSid":"` + messageID + `","SmsStatus":"sent","NumSegments":1,"ErrorCode":null,"Nested":{"ErrorCode":"1"},"List":["x"],"Yes":true}`
	for name, r := range map[string]*events.Raw{
		"older names":          raw(http.MethodPost, statusURI, formType, body),
		"GET":                  raw(http.MethodGet, statusURI+"?"+body, "", ""),
		"GET ignores its body": raw(http.MethodGet, statusURI+"?"+body, formType, statusForm("failed")),
		"POST ignores query":   raw(http.MethodPost, statusURI+"?MessageStatus=failed", formType, body),
		"JSON":                 raw(http.MethodPost, withHash(statusURI, object), "application/json", object),
		"empty pairs":          raw(http.MethodPost, statusURI, formType, "&&"+body+"&&"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := twilio.Parser{}.Parse(r)
			require.NoError(t, err)
			require.Equal(t, events.EventID(eventPrefix+"message.status/"+messageID+":sent:"), got.EventID)
			require.Equal(t, "sent", got.Message.Status)
		})
	}
}

func TestEveryStatusIsKnown(t *testing.T) {
	t.Parallel()
	for _, status := range []string{
		"accepted", "scheduled", "queued", "sending", "sent", "delivered", "undelivered", "failed", "canceled", "read",
		"partially_delivered", "receiving", "received",
	} {
		got, err := parse(t, events.KindMessageStatus, statusURI, statusForm(status))
		require.NoError(t, err)
		require.Equal(t, status, got.Message.Status)
		require.NotEmpty(t, got.Message.Direction)
	}
}

// Signed but unusable: the dead letter can be found under the id that it
// names, and keeps its event id where that can be read.
func TestUnusable(t *testing.T) {
	t.Parallel()
	const id = eventPrefix + "message.status/" + messageID + ":"
	other := "AC" + strings.Repeat("9", 32)
	with := func(old, replacement string) string { return strings.ReplaceAll(statusForm("sent"), old, replacement) }
	cases := []struct {
		name, body, reason, eventID string
		found                       bool // whether the evidence still names the message
	}{
		{"status twice", statusForm("sent", "MessageStatus", "failed"), "repeated_parameter", "", true},
		{"status twice with one value", statusForm("sent", "MessageStatus", "sent"), "repeated_parameter", "", true},
		{"error code twice", statusForm("failed", "ErrorCode", "1", "ErrorCode", "2"), "repeated_parameter", "", true},
		{"message twice", statusForm("sent", "MessageSid", messageID), "repeated_parameter", "", false},
		{"account twice", statusForm("sent", "AccountSid", account), "repeated_parameter", id + "sent:", true},
		{"sender twice", statusForm("sent", "From", "x"), "repeated_parameter", id + "sent:", true},
		{"unread name twice", statusForm("sent", "X", "1", "X", "2"), "", id + "sent:", true},
		{"upper-case SID", with(messageID, "SM0000000000000000000000000000000A"), "bad_sid", "", false},
		{"short SID", with(messageID, "SM1"), "bad_sid", "", false},
		{"call SID", with(messageID, "CA"+messageID[2:]), "bad_sid", "", false},
		{"bad account", with(account, "AC1"), "bad_sid", id + "sent:", true},
		{"other account", with(account, other), "account_mismatch", id + "sent:", true},
		{"unknown status", statusForm("teleported"), "unknown_status", id + "teleported:", true},
		{"status in capitals", statusForm("Sent"), "unknown_status", id + "Sent:", true},
		{"no status", form("AccountSid", account, "MessageSid", messageID), "unknown_status", "", true},
		{"status that cannot be an id", statusForm("a\x00b"), "unknown_status", "", true},
		{"long status", statusForm(strings.Repeat("s", 33)), "unknown_status", "", true},
		{"long error code", statusForm("failed", "ErrorCode", strings.Repeat("1", 17)), "bad_error_code", "", true},
		{"error code with a blank", statusForm("failed", "ErrorCode", "300 03"), "bad_error_code", "", true},
		{"long address", statusForm("sent", "MessagingServiceSid", strings.Repeat("x", 321)), "oversized_address", id + "sent:", true},
		{"nothing", "", "bad_sid", "", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := parse(t, events.KindMessageStatus, statusURI, c.body)
			if c.reason == "" {
				require.NoError(t, err)
			} else {
				require.Equal(t, c.reason, fault.ReasonOf(err))
				require.Equal(t, fault.Invalid, fault.ClassOf(err))
				require.Nil(t, p.Message)
			}
			require.Equal(t, c.eventID, string(p.EventID))
			require.Equal(t, account, p.Evidence.Signer)
			require.Equal(t, c.found, len(p.Evidence.Resources) == 1)
		})
	}
}

func TestUnusableEcho(t *testing.T) {
	t.Parallel()
	for uri, reason := range map[string]string{
		statusURI + "?wb=" + echo + "&wb=" + echo: "repeated_parameter",
		statusURI + "?wb=not-a-uuid":              "",
		statusURI + "?wb=":                        "",
	} {
		p, err := parse(t, events.KindMessageStatus, uri, statusForm("sent"))
		if reason == "" {
			require.NoError(t, err)
		} else {
			require.Equal(t, reason, fault.ReasonOf(err))
		}
		require.Len(t, p.Evidence.Resources, 1, uri)
		require.NotEmpty(t, p.EventID)
	}
}

func TestUnusableInbound(t *testing.T) {
	t.Parallel()
	body := func(more ...string) string {
		return form(append([]string{"AccountSid", account, "MessageSid", messageID, "From", "+15550100002", "To", "+15550100001"}, more...)...)
	}
	media := func(n int) (pairs []string) {
		for i := range n {
			pairs = append(pairs, "MediaUrl"+strconv.Itoa(i), "https://api.example/"+strconv.Itoa(i))
		}
		return pairs
	}
	for reason, b := range map[string]string{
		"repeated_parameter": body("Body", "a", "Body", "b"),
		"oversized_body":     body("Body", strings.Repeat("x", 256<<10+1)),
		"oversized_media":    body("MediaUrl0", "https://api.example/"+strings.Repeat("x", 2048)),
	} {
		p, err := parse(t, events.KindMessage, inboundURI, b)
		require.Equal(t, reason, fault.ReasonOf(err))
		require.Equal(t, eventPrefix+"message.received/"+messageID, string(p.EventID))
	}
	p, err := parse(t, events.KindMessage, inboundURI, body(media(40)...))
	require.NoError(t, err)
	require.Len(t, p.Message.Media, 32)
}

// Row 35: what is odd but signed is made storable.
func TestOddText(t *testing.T) {
	t.Parallel()
	body := form("AccountSid", account, "MessageSid", messageID, "From", "+1", "To", "+2") +
		"&Body=a%00b%ff%E2%80%AEc%zz%4&Empty=&NoEquals"
	p, err := parse(t, events.KindMessage, inboundURI, body)
	require.NoError(t, err)
	require.Equal(t, "a\uFFFDb\uFFFD\u202Ec%zz%4", p.Message.Body)

	long := strings.Repeat("\x01", 200<<10)
	p, err = parse(t, events.KindMessage, inboundURI, form("AccountSid", account, "MessageSid", messageID, "Body", long))
	require.NoError(t, err)
	p.Message.Packed = make([]byte, 1_000_000)
	rec, err := p.Message.Record()
	require.NoError(t, err)
	require.Less(t, rec.Size(), events.MaxRecordBytes, "what is accepted can be published")
}

func TestUnusableJSON(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, reason string }{
		"deep":     {strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000), "undecodable"},
		"list":     {`["` + messageID + `"]`, "bad_sid"},
		"two":      {`{"MessageSid":"` + messageID + `"}{}`, "undecodable"},
		"cut":      {`{"MessageSid":"` + messageID, "undecodable"},
		"a number": {`1e999`, "bad_sid"},
		"nothing":  {``, "undecodable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := post(statusURI, "")
			r.Body = []byte(c.body)
			r.Header.Set("Content-Type", "application/json")
			p, err := twilio.Parser{}.Parse(rawOf(r))
			require.Equal(t, c.reason, fault.ReasonOf(err))
			require.Empty(t, p.EventID)
		})
	}
	r := post(statusURI, "")
	r.Body = []byte(`{"AccountSid":"` + account + `","MessageSid":"` + messageID + `","MessageStatus":"sent","MessageStatus":"sent","N":1e999}`)
	r.Header.Set("Content-Type", "application/json")
	_, err := twilio.Parser{}.Parse(rawOf(r))
	require.Equal(t, "repeated_parameter", fault.ReasonOf(err))
}
