package ses_test

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/provider"
	"waybill/internal/provider/ses"
)

const (
	topic   = "arn:aws:sns:eu-west-1:111122223333:ses-events"
	snsID   = "8f1c5a52-3f0c-5a0b-9d51-000000000001"
	echo    = "7d4f3a52-90d1-4f0e-8a8c-2f1f5b1c9d10"
	emailID = "0102018f3c9d4e5a-6f1b2c3d-0000-4a4b-8c8d-0123456789ab-000000"
)

var (
	published = time.Date(2026, 11, 23, 15, 4, 6, 0, time.UTC)
	received  = time.Date(2026, 11, 23, 15, 4, 7, 178_000_000, time.UTC)
)

type (
	object = map[string]any
	list   = []any
)

// mail is what every message says of its e-mail.
func mail(destination ...any) object {
	return object{
		"timestamp": "2026-11-23T15:00:00.500Z", "messageId": emailID, "source": "Ann's Shop <News@Shop.Example>",
		"sourceArn": "arn:aws:ses:eu-west-1:111122223333:identity/shop.example", "sendingAccountId": "111122223333",
		"destination": destination, "headersTruncated": false,
		"headers":       list{object{"name": "To", "value": "\"Jane Doe\" <jane@example.com>"}},
		"commonHeaders": object{"messageId": "<other@shop.example>", "to": list{"Jane Doe <jane@example.com>"}, "subject": "Hello"},
		"tags":          object{"ses:configuration-set": list{"news"}, "waybill_message_id": list{echo}},
	}
}

// with returns a copy of an object with other members; nil takes one away.
func with(o object, members ...any) object {
	o = maps.Clone(o)
	for i := 0; i < len(members); i += 2 {
		if name := members[i].(string); members[i+1] == nil {
			delete(o, name)
		} else {
			o[name] = members[i+1]
		}
	}
	return o
}

// event is a message as event publishing writes it.
func event(name, detail string, what, mail object) object {
	return object{"eventType": name, detail: what, "mail": mail}
}

// feedback is the same event as an identity's feedback writes it.
func feedback(e object) object {
	m := with(e["mail"].(object), "tags", nil, "sourceIp", "192.0.2.1", "callerIdentity", "role")
	return with(e, "eventType", nil, "notificationType", e["eventType"], "mail", m)
}

func text(t testing.TB, o object) string {
	t.Helper()
	b, err := json.Marshal(o)
	require.NoError(t, err)
	return string(b) + "\n"
}

func parseText(message string) (provider.Parsed, string, error) {
	return ses.Parse(&ses.Notification{TopicARN: topic, MessageID: snsID, Timestamp: published, Message: message, ReceivedAt: received})
}

// parse reads a message that is fine.
func parse(t testing.TB, o object) provider.Parsed {
	t.Helper()
	p, ignored, err := parseText(text(t, o))
	require.NoError(t, err)
	require.Empty(t, ignored)
	return p
}

const (
	eventAt = "2026-11-23T15:04:05.678Z"
	jane    = "jane@example.com"
	bob     = "bob@example.com"
)

func bounced(kind, sub string, whom ...any) object {
	return event("Bounce", "bounce", object{
		"bounceType": kind, "bounceSubType": sub, "bouncedRecipients": whom, "timestamp": eventAt, "feedbackId": "f-1",
		"reportingMTA": "dns; mta.example.com", "remoteMtaIp": "192.0.2.9",
	}, mail(jane, bob, "mary@example.com"))
}

func complained(members ...any) object {
	return event("Complaint", "complaint", with(object{
		"complainedRecipients": list{object{"emailAddress": jane}}, "timestamp": eventAt, "feedbackId": "f-2",
		"complaintSubType": nil, "userAgent": "loop", "arrivalDate": "2026-11-23T16:04:05.678+01:00",
	}, members...), mail(jane))
}

func delayedBy(kind string, whom ...any) object {
	return event("DeliveryDelay", "deliveryDelay", object{
		"timestamp": eventAt, "delayType": kind, "expirationTime": "2026-11-24T15:04:05.678Z", "delayedRecipients": whom,
	}, mail(jane, bob))
}

func subscribed(from, to object) object {
	return event("Subscription", "subscription", object{
		"contactList": "news", "timestamp": eventAt, "source": "UnsubscribeHeader", "newTopicPreferences": to, "oldTopicPreferences": from,
	}, mail(jane))
}

func preferences(all bool, topics ...string) object {
	var status list
	for i := 0; i < len(topics); i += 2 {
		status = append(status, object{"topicName": topics[i], "subscriptionStatus": topics[i+1]})
	}
	return object{"unsubscribeAll": all, "topicSubscriptionStatus": status}
}

// sample is a message with what must come of it: the status and its code, the
// recipients with theirs, and the fact with its value.
type sample struct {
	name, status, code, recipients, fact string
	message                              object
}

func samples() []sample {
	visit := object{"timestamp": eventAt, "ipAddress": "192.0.2.1", "userAgent": "Mozilla/5.0"}
	dsn := func(a, status string) object {
		return object{"emailAddress": a, "action": "failed", "status": status, "diagnosticCode": "smtp; 550 " + status + " " + a}
	}
	none := preferences(false, "a", "OptIn", "b", "OptOut")
	return []sample{
		{"send", "sent", "", "jane@example.com bob@example.com", "", event("Send", "send", object{}, mail("Jane Doe <jane@example.com>", bob, "JANE@example.com"))},
		{"send_without_detail", "sent", "", jane, "", with(event("Send", "send", object{}, mail(jane)), "send", nil)},
		{"delivery", "delivered", "", jane, "", event("Delivery", "delivery", object{
			"timestamp": eventAt, "recipients": list{jane}, "processingTimeMillis": 546, "smtpResponse": "250 ok", "reportingMTA": "a8-70",
		}, mail(jane, bob))},
		{"delivery_truncated", "delivered", "", jane, "", event("Delivery", "delivery", object{"timestamp": eventAt, "recipients": list{jane}}, with(
			mail(jane, bob), "headersTruncated", true, "headers", list{}, "commonHeaders", nil,
		))},
		{"bounce_permanent", "bounced_permanent", "general", "jane@example.com=5.1.1 bob@example.com=5.2.1", "", bounced("Permanent", "General", dsn(`"Jane" <jane@example.com>`, "5.1.1"), dsn(bob, "5.2.1"))},
		{"bounce_without_dsn", "bounced_permanent", "no_email", "jane@example.com bob@example.com", "", bounced("Permanent", "NoEmail", object{"emailAddress": jane}, object{"emailAddress": bob})},
		{"bounce_transient", "bounced_transient", "mailbox_full", jane, "", bounced("Transient", "MailboxFull", dsn(jane, "5.0.0"))},
		{"bounce_suppressed", "bounced_permanent", "suppressed", jane, "", bounced("Permanent", "Suppressed", dsn(jane, "5.1.1"))},
		{"bounce_account_list", "bounced_permanent", "on_account_suppression_list", jane, "", bounced("Permanent", "OnAccountSuppressionList", dsn(jane, "5.1.1"))},
		{"bounce_unsubscribed", "bounced_permanent", "unsubscribed_recipient", jane, "", bounced("Permanent", "UnsubscribedRecipient", dsn(jane, "5.1.1"))},
		{"bounce_new_sub_type", "bounced_transient", "quantum_mailbox", "jane@example.com=4.2.2", "", bounced("Transient", "QuantumMailbox", dsn(jane, "4.2.2"))},
		{"bounce_undetermined", "bounced_transient", "undetermined", jane, "", bounced("Undetermined", "Undetermined", object{"emailAddress": jane})},
		{"complaint", "", "", jane, "complaints=abuse", complained("complaintFeedbackType", "abuse")},
		{"complaint_without_type", "", "", jane, "complaints", complained()},
		{"complaint_not_spam", "", "", jane, "not_spam", complained("complaintFeedbackType", "not-spam")},
		{"complaint_account_list", "bounced_permanent", "on_account_suppression_list", jane, "complaints=on_account_suppression_list", complained("complaintSubType", "OnAccountSuppressionList")},
		{"reject", "rejected", "bad_content", "", "", event("Reject", "reject", object{"reason": "Bad content"}, mail(jane, bob))},
		{"rendering_failure", "rendering_failed", "", "", "", event("Rendering Failure", "failure", object{
			"templateName": "t", "errorMessage": "Attribute 'jane@example.com' is not present in the rendering data.",
		}, mail(jane, bob))},
		{"delay", "delayed", "transient_communication_failure", "jane@example.com=4.4.1", "", delayedBy("TransientCommunicationFailure", dsn(jane, "4.4.1"))},
		{"delay_without_status", "delayed", "ip_failure", jane, "", delayedBy("IPFailure", object{"emailAddress": jane})},
		{"open", "", "", jane, "opens", event("Open", "open", visit, mail(jane))},
		{"open_by_one_of_two", "", "", "", "opens", event("Open", "open", visit, mail(jane, bob))},
		{"click", "", "", jane, "clicks", event("Click", "click", with(visit, "link", "https://shop.example/?u=jane"), mail(jane))},
		{"unsubscribe_all", "", "", jane, "unsubscribes=all", subscribed(none, preferences(true, "a", "OptIn", "b", "OptOut"))},
		{"unsubscribe_topic", "", "", jane, "unsubscribes", subscribed(none, preferences(false, "a", "OptOut", "b", "OptOut"))},
		{"resubscribe_one", "", "", jane, "resubscribes", subscribed(preferences(false, "a", "OptOut", "b", "OptOut"), none)},
		{"resubscribe", "", "", jane, "resubscribes", subscribed(none, preferences(false, "a", "OptIn", "b", "OptIn"))},
	}
}
