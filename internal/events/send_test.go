package events_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
)

func TestParseSend(t *testing.T) {
	t.Parallel()
	const ids = `"org_id":"0B8F1C9E-6D52-4A57-9A53-0F6F3C1B2A01","channel":"sms","provider":"twilio"`
	for _, c := range []struct {
		name, json string
		want       events.Send
	}{
		{
			"intended: no provider was asked yet",
			`{` + ids + `,"message_id":"7D4F3A52-90D1-4F0E-8A8C-2F1F5B1C9D10"}`,
			events.Send{Org: org, Channel: events.SMS, Provider: events.Twilio, MessageID: string(row), Status: "intended"},
		},
		{
			"accepted by the provider",
			`{` + ids + `,"provider_id":"SM1"}`,
			events.Send{Org: org, Channel: events.SMS, Provider: events.Twilio, ProviderID: "SM1", Status: "accepted"},
		},
		{
			"a status of its own, and a field that is new",
			`{` + ids + `,"provider_id":"SM1","status":"failed","error_code":"21610","flavour":1}`,
			events.Send{Org: org, Channel: events.SMS, Provider: events.Twilio, ProviderID: "SM1", Status: "failed", ErrorCode: "21610"},
		},
	} {
		got, err := events.ParseSend([]byte(c.json))
		require.NoError(t, err, c.name)
		require.Equal(t, c.want, got, c.name)
	}
}

func TestParseSendNamesTheFieldAndNotTheValue(t *testing.T) {
	t.Parallel()
	const leak = "+15550100002"
	good := func() map[string]string {
		return map[string]string{
			"org_id": `"` + string(org) + `"`, "channel": `"sms"`, "provider": `"twilio"`, "provider_id": `"SM1"`,
		}
	}
	for _, c := range []struct{ field, value string }{
		{"org_id", `"` + leak + `"`},
		{"org_id", `""`},
		{"org_id", `"{0b8f1c9e-6d52-4a57-9a53-0f6f3c1b2a01}"`},
		{"message_id", `"` + leak + `"`},
		{"campaign_id", `"` + leak + `"`},
		{"customer_id", `"` + leak + `"`},
		{"channel", `"` + leak + `"`},
		{"provider", `"` + leak + `"`},
		{"provider", `"stripe"`},
		{"provider_id", `""`},
		{"provider_id", `"` + strings.Repeat("x", 321) + `"`},
		{"to", `"` + leak + `\u0000"`},
		{"from", `"\u0000"`},
		{"account", `"` + strings.Repeat("x", 321) + `"`},
		{"status", `"\u0000"`},
		{"error_code", `30003`},
		{"sent_at", `"` + leak + `"`},
		{"sent_at", `1700000000`},
	} {
		fields := good()
		fields[c.field] = c.value
		var parts []string
		for k, v := range fields {
			parts = append(parts, `"`+k+`":`+v)
		}
		_, err := events.ParseSend([]byte("{" + strings.Join(parts, ",") + "}"))
		require.ErrorContains(t, err, c.field, "%s=%s", c.field, c.value)
		require.NotContains(t, err.Error(), leak)
		require.NotRegexp(t, `events\.|Send\.`, err.Error(), "Go's types mean nothing to a sender")
	}
	_, err := events.ParseSend([]byte(`{"org_id":"x","channel":"fax","provider":"y"}`))
	for _, field := range []string{"org_id", "channel", "provider", "message_id"} {
		require.ErrorContains(t, err, field, "all problems are reported together")
	}
}

func TestParseSendRefusesWhatIsNoSingleObject(t *testing.T) {
	t.Parallel()
	one := `{"org_id":"` + string(org) + `","channel":"sms","provider":"twilio","provider_id":"SM1"}`
	_, err := events.ParseSend([]byte(one + "\n"))
	require.NoError(t, err)
	for _, bad := range []string{"", "null", "[]", `"x"`, one[:20], one + one, one + " x", "\xff"} {
		_, err := events.ParseSend([]byte(bad))
		require.Error(t, err, "%q", bad)
	}
}

func FuzzParseSend(f *testing.F) {
	f.Add([]byte(`{"org_id":"0b8f1c9e-6d52-4a57-9a53-0f6f3c1b2a01","channel":"sms","provider":"twilio","provider_id":"SM1"}`))
	f.Add([]byte(`{"sent_at":"2026-11-23T15:04:05Z","message_id":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := events.ParseSend(b)
		if err != nil {
			return
		}
		r, err := s.Record()
		require.NoError(t, err)
		again, err := events.DecodeSend(&r)
		require.NoError(t, err)
		again.Receipt, again.ReceivedAt = s.Receipt, s.ReceivedAt
		require.Equal(t, s.ID(), again.ID())
		require.Empty(t, cmp.Diff(s, again))
	})
}

// Senders are other people's programs: many will write plain JSON.
func TestDecodeSendWithoutCloudEvents(t *testing.T) {
	t.Parallel()
	want := sendRecord()
	r, err := want.Record()
	require.NoError(t, err)
	plain := events.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Partition: 2, Offset: 41, Time: at.In(time.FixedZone("", 3600))}
	got, err := events.DecodeSend(&plain)
	require.NoError(t, err)
	require.Equal(t, at, got.ReceivedAt, "the broker's time")
	require.Equal(t, events.ReceiptOf(&plain), got.Receipt)
	require.Equal(t, want.ID(), got.ID())

	plain.Value = []byte("{}")
	got, err = events.DecodeSend(&plain)
	require.Equal(t, fault.Invalid, fault.ClassOf(err))
	require.NotEmpty(t, got.Receipt, "a dead letter is found by its receipt")
	require.Equal(t, at, got.ReceivedAt)
}

func TestSendIdentity(t *testing.T) {
	t.Parallel()
	s := sendRecord()
	require.Equal(t, events.EventID("sender/"+string(org)+"/send/"+string(row)+":queued:SM1"), s.ID())
	require.Equal(t, "SM1", s.Key())

	intended := s
	intended.ProviderID, intended.Status = "", events.Intended
	require.NotEqual(t, s.ID(), intended.ID())
	require.Equal(t, string(row), intended.Key(), "the message id until there is a provider id")

	nameless := s
	nameless.MessageID = ""
	require.Equal(t, events.EventID("sender/"+string(org)+"/send/SM1:queued:SM1"), nameless.ID())
}

func TestReceiptOf(t *testing.T) {
	t.Parallel()
	with := func(headers ...string) events.ReceiptID {
		r := events.Record{Topic: events.TopicSends, Partition: 2, Offset: 41}
		for i := 0; i < len(headers); i += 2 {
			r.Headers = append(r.Headers, events.Header{Key: headers[i], Value: []byte(headers[i+1])})
		}
		return events.ReceiptOf(&r)
	}
	require.Equal(t, recpt, with("ce_id", string(recpt)))
	require.Equal(t, recpt, with("ce_id", strings.ToUpper(string(recpt))), "one spelling")
	require.Equal(t, events.ReceiptID("c107f98c-361a-5f82-a840-a63e56784515"), with(), "from the position")
	require.Equal(t, events.ReceiptID("e08e63da-a167-5093-9d03-6a808c6cb095"), with("ce_id", "42", "ce_source", "crm"), "from source and id")
	require.NotEqual(t, with("ce_id", "42", "ce_source", "crm"), with("ce_id", "42", "ce_source", "other"))
	other := events.Record{Topic: events.TopicSends, Partition: 2, Offset: 42}
	require.NotEqual(t, with(), events.ReceiptOf(&other))
}
