package ses_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/consent"
	"waybill/internal/email"
	"waybill/internal/errorcode"
	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider/providertest"
	"waybill/internal/provider/ses"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

// told writes what an event tells as samples have it.
func told(m *events.Message) (recipients, fact string) {
	var words []string
	for _, r := range m.Recipients {
		word := r.Address
		if r.ErrorCode != "" {
			word += "=" + r.ErrorCode
		}
		words = append(words, word)
	}
	for _, f := range m.Facts {
		fact += f.Name
		if f.Value != "" {
			fact += "=" + f.Value
		}
	}
	return strings.Join(words, " "), fact
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			p := parse(t, s.message)
			providertest.Sound(t, p, nil)
			require.Equal(t, events.EventID("ses/"+topic+"/email.event/"+snsID), p.EventID)
			recipients, fact := told(p.Message)
			require.Equal(t, []string{s.status, s.code, s.recipients, s.fact}, []string{p.Message.Status, p.Message.ErrorCode, recipients, fact})

			// The rules of e-mails understand it, and the fact bears the event's time.
			row, step := email.Fold(email.Message{}, false, p.Message)
			require.Equal(t, events.Applied, step.Outcome)
			require.Len(t, row.Facts, len(p.Message.Facts))
			for _, f := range p.Message.Facts {
				require.Equal(t, p.Message.OccurredAt, f.At)
			}

			golden, err := json.MarshalIndent(struct {
				Evidence tenantmap.Evidence `json:"evidence"`
				Message  *events.Message    `json:"message"`
			}{p.Evidence, p.Message}, "", "  ")
			require.NoError(t, err)
			testkit.Golden(t, s.name+".json", append(golden, '\n'))
		})
	}
}

// Every type of event of either format is among the samples, and what both
// formats can say means the same in both.
func TestFormats(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range samples() {
		seen[s.message["eventType"].(string)] = true
		a, b := parse(t, s.message), parse(t, feedback(s.message))
		require.Empty(t, cmp.Diff(a.Message, b.Message), s.name)
		both := with(s.message, "notificationType", s.message["eventType"])
		require.Empty(t, cmp.Diff(a, parse(t, both)), s.name)
	}
	require.Len(t, seen, 10)
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	good := samples()[2].message
	m := good["mail"].(object)
	detail := func(members ...any) object {
		return with(good, "delivery", with(good["delivery"].(object), members...))
	}
	many := make(list, 257)
	for i := range many {
		many[i] = "a@example.com"
	}
	reached := map[string]bool{}
	for _, c := range []struct {
		name, message, reason string
		anonymous             bool // the message's id cannot be read
	}{
		{"no JSON", "hello", "undecodable", true},
		{"nothing", "\n", "undecodable", true},
		{"cut off", strings.TrimSuffix(text(t, good), "}\n"), "undecodable", true},
		{"two documents", text(t, good) + text(t, good), "undecodable", true},
		{"a list", "[]", "undecodable", true},
		{"deep", `{"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}", "undecodable", true},
		{"null", "null", "not_an_event", true},
		{"no type", text(t, with(good, "eventType", nil)), "not_an_event", false},
		{"two types", text(t, with(good, "notificationType", "Bounce")), "not_an_event", false},
		{"a number for a type", text(t, with(good, "eventType", 1)), "undecodable", false},
		{"an unknown type", text(t, with(good, "eventType", "Teleported")), "unknown_event_type", false},
		{"a type in another case", text(t, with(good, "eventType", "delivery")), "unknown_event_type", false},
		{"no mail", text(t, with(good, "mail", nil)), "bad_message_id", true},
		{"no id", text(t, with(good, "mail", with(m, "messageId", nil))), "bad_message_id", true},
		{"an id with a line feed", text(t, with(good, "mail", with(m, "messageId", "a\nb"))), "bad_message_id", true},
		{"a long id", text(t, with(good, "mail", with(m, "messageId", strings.Repeat("a", 129)))), "bad_message_id", true},
		{"no detail", text(t, with(good, "delivery", nil)), "missing_detail", false},
		{"a detail that is none", text(t, with(good, "delivery", "none")), "undecodable", false},
		{"nobody, of several", text(t, detail("recipients", nil)), "missing_recipients", false},
		{"blank recipients", text(t, detail("recipients", list{"", " ", "Jane <>"})), "missing_recipients", false},
		{"too many", text(t, detail("recipients", many)), "too_many_recipients", false},
		{"an endless address", text(t, detail("recipients", list{strings.Repeat("a", 321)})), "oversized_address", false},
		{"no time", text(t, detail("timestamp", "yesterday")), "bad_timestamp", false},
		{"an ancient time", text(t, detail("timestamp", "0001-01-01T00:00:00Z")), "bad_timestamp", false},
		{"sent at no time", text(t, with(good, "mail", with(m, "timestamp", "?"))), "bad_timestamp", false},
		{"an unknown bounce", text(t, bounced("Gone", "General", object{"emailAddress": jane})), "unknown_bounce_type", false},
		{"a complaint of nobody", text(t, with(complained("complainedRecipients", list{}), "mail", mail(jane, bob))), "missing_recipients", false},
	} {
		p, ignored, err := parseText(c.message)
		require.Empty(t, ignored, c.name)
		require.Equal(t, c.reason, fault.ReasonOf(err), c.name)
		providertest.Sound(t, p, err)
		require.Equal(t, events.EventID("ses/"+topic+"/email.event/"+snsID), p.EventID, c.name)
		require.Equal(t, c.anonymous, p.Evidence.ProviderID == "", "%s: a dead letter is found under the id that it names", c.name)
		reached[c.reason] = true
	}
	for _, reason := range ses.Invalid() {
		require.True(t, reached[reason], "%s is tested", reason)
	}
	require.Len(t, ses.Invalid(), len(reached))
}

func TestIgnored(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"Successfully validated SNS topic for Amazon SES event publishing.":                                              ses.IgnoredSetUp,
		"Successfully validated SNS topic for Amazon SES event publishing.\n":                                            ses.IgnoredSetUp,
		`{"notificationType":"AmazonSnsSubscriptionSucceeded","message":"You have successfully subscribed your topic."}`: ses.IgnoredSetUp,
		`{"notificationType":"Received","mail":{"messageId":"x"},"receipt":{"recipients":["jane@example.com"]}}`:         ses.IgnoredInbound,
		`{"mail":"of another form","notificationType":"Received"}`:                                                       ses.IgnoredInbound,
	} {
		p, ignored, err := parseText(message)
		require.NoError(t, err)
		require.Equal(t, want, ignored)
		require.NotEmpty(t, p.EventID)
		require.Nil(t, p.Message)
	}
}

// Whom an event opts out: whoever bounced for good or complained, and nobody
// else of the e-mail.
func TestConsent(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		m := parse(t, s.message).Message
		var want []string
		if s.status == "bounced_permanent" || strings.HasPrefix(s.fact, "complaints") || s.fact == "unsubscribes=all" {
			for _, r := range m.Recipients {
				want = append(want, r.Address)
			}
			require.NotEmpty(t, want, s.name)
		}
		var out []string
		for _, d := range consent.Decisions(m) {
			require.True(t, d.OptedOut)
			out = append(out, d.Address)
		}
		require.Equal(t, want, out, s.name)
	}
}

// An event that lists nobody is about the one recipient of its e-mail.
func TestSoleRecipient(t *testing.T) {
	t.Parallel()
	e := event("Delivery", "delivery", object{"timestamp": eventAt}, mail("Jane <jane@example.com>"))
	require.Equal(t, []events.Recipient{{Address: jane}}, parse(t, e).Message.Recipients)
}

func TestTimes(t *testing.T) {
	t.Parallel()
	good := samples()[2].message
	timed := func(event, sent any) object {
		return with(good, "delivery", with(good["delivery"].(object), "timestamp", event), "mail", with(good["mail"].(object), "timestamp", sent))
	}
	p := parse(t, timed("2026-11-23T16:04:05.6789+01:00", "2026-11-23T15:00:00Z"))
	require.Equal(t, "2026-11-23T15:04:05.678Z", p.Message.OccurredAt.Format("2006-01-02T15:04:05.999Z07:00"))
	require.Equal(t, "2026-11-23T15:00:00Z", p.Evidence.At.Format("2006-01-02T15:04:05.999Z07:00"), "the sender is who it was when it was sent")

	p = parse(t, timed(nil, nil))
	require.Equal(t, published, *p.Message.OccurredAt, "SNS's clock, where SES has none")
	require.Equal(t, received, p.Evidence.At)

	p = parse(t, timed(eventAt, "2031-01-01T00:00:00Z"))
	require.Equal(t, received, p.Evidence.At, "nothing is sent after it was heard of")

	p, _, err := ses.Parse(&ses.Notification{TopicARN: topic, MessageID: snsID, Message: text(t, timed(nil, nil)), ReceivedAt: received})
	require.NoError(t, err)
	require.Nil(t, p.Message.OccurredAt)
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	good := samples()[0].message
	of := func(members ...any) tenantmap.Evidence {
		return parse(t, with(good, "mail", with(good["mail"].(object), members...))).Evidence
	}
	resource := tenantmap.ResourceKey(events.SES, emailID)
	e := of()
	require.Equal(t, []tenantmap.Key{resource, tenantmap.EchoKey(echo)}, e.Resources)
	require.Equal(t, topic, e.Signer)
	require.Equal(t, []tenantmap.Key{
		tenantmap.SenderKey("News@Shop.Example"), tenantmap.SenderKey("news@shop.example"), tenantmap.SenderKey("shop.example"),
	}, e.Senders)
	for name, tags := range map[string]any{
		"none": nil, "no such tag": object{}, "empty": object{"waybill_message_id": list{}}, "no id": object{"waybill_message_id": list{"x"}},
		"two": object{"waybill_message_id": list{echo, echo}}, "a text": "x", "no list": object{"waybill_message_id": echo}, "another case": object{"Waybill_Message_Id": list{echo}},
	} {
		require.Equal(t, []tenantmap.Key{resource}, of("tags", tags).Resources, name)
	}
	upper := object{"waybill_message_id": list{strings.ToUpper(echo)}}
	require.Equal(t, tenantmap.EchoKey(echo), of("tags", upper).Resources[1], "one spelling")

	require.Equal(t, []tenantmap.Key{tenantmap.SenderKey("other.example")},
		of("source", nil, "sourceArn", "arn:aws:ses:eu-west-1:1:identity/other.example").Senders, "of another's authorisation")
	require.Empty(t, of("source", strings.Repeat("x", 400), "sourceArn", "arn:"+strings.Repeat("x", 400)).Senders)

	account := func(id any) string {
		return parse(t, with(good, "mail", with(good["mail"].(object), "sendingAccountId", id))).Message.Account
	}
	require.Equal(t, []string{"111122223333", "", ""}, []string{account("111122223333"), account(nil), account("a b")})
}

// Words that nobody here knows are kept; what can be no word is left out.
func TestWords(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"": "", "General": "general", "NoEmail": "no_email", "OnAccountSuppressionList": "on_account_suppression_list",
		"InternalFailure": "internal_failure", "IPFailure": "ip_failure", "BYOIPHostNameLookupUnavailable": "byoip_host_name_lookup_unavailable",
		"Bad content": "bad_content", "X": "x", "already_snake": "already_snake", "Code5Dot": "code5_dot", "- a -- b -": "a_b",
		"Ärger": "rger", "AB": "ab", "ABc": "a_bc", strings.Repeat("A", 65): "", "a\x00b": "a_b",
	} {
		require.Equal(t, want, parse(t, bounced("Permanent", given, object{"emailAddress": jane})).Message.ErrorCode, given)
	}
	// What package email knows by name is reached by SES's spelling of it.
	for _, given := range []string{
		"NoEmail", "Suppressed", "OnAccountSuppressionList", "UnsubscribedRecipient", "MailboxFull", "MessageTooLarge", "ContentRejected",
		"AttachmentRejected", "InternalFailure", "SpamDetected", "RecipientServerError", "IPFailure", "TransientCommunicationFailure",
		"BYOIPHostNameLookupUnavailable", "SendingDeferral", "Bad content",
	} {
		m := parse(t, delayedBy(given, object{"emailAddress": jane})).Message
		require.NotEqual(t, errorcode.Unknown, email.ErrorClass(m.ErrorCode), given)
	}
	long := complained("complaintFeedbackType", strings.Repeat("a", 65))
	require.Empty(t, parse(t, long).Message.Facts[0].Value)
	require.Empty(t, parse(t, complained("complaintFeedbackType", "a b")).Message.Facts[0].Value)
}

// A code of a mail server is kept if it is one, and says more than SES's word.
func TestCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sub, status, want string }{
		{"General", "5.1.1", "5.1.1"},
		{"General", " 5.1.1 ", "5.1.1"},
		{"General", "5.0.0", "5.0.0"},
		{"MailboxFull", "5.0.0", ""},
		{"MailboxFull", "5.2.1", "5.2.1"},
		{"Strange", "5.0.0", "5.0.0"},
		{"General", "2.0.0", ""},
		{"General", "5.1", ""},
		{"General", "5.1.1.1", ""},
		{"General", "5.1.1000", ""},
		{"General", "5..1", ""},
		{"General", "5.1.x", ""},
		{"General", "550 <jane@example.com> unknown", ""},
		{"Suppressed", "5.1.1", ""},
	} {
		m := parse(t, bounced("Permanent", c.sub, object{"emailAddress": jane, "status": c.status})).Message
		require.Equal(t, c.want, m.Recipients[0].ErrorCode, "%s %s", c.sub, c.status)
	}
}

// Addresses come with names or without, and must be storable.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"jane@example.com": "jane@example.com", " Jane@Example.com ": "Jane@Example.com", "Jane <jane@example.com>": "jane@example.com",
		`"Doe, Jane <x>" <jane@example.com>`: "jane@example.com", "<jane@example.com>": "jane@example.com", "jane@example.com>": "jane@example.com",
		"j\x00ane@example.com": "j\uFFFDane@example.com",
	} {
		m := parse(t, bounced("Permanent", "General", object{"emailAddress": given})).Message
		require.Equal(t, []events.Recipient{{Address: want}}, m.Recipients, given)
	}
}
