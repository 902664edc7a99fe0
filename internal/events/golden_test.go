package events_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/testkit"
)

const (
	org   = events.OrgID("0b8f1c9e-6d52-4a57-9a53-0f6f3c1b2a01")
	row   = events.RowID("7d4f3a52-90d1-4f0e-8a8c-2f1f5b1c9d10")
	recpt = events.ReceiptID("0192f5a0-0000-7000-8000-000000000001")
)

var (
	at   = time.Date(2026, 11, 23, 15, 4, 5, 678_000_000, time.UTC)
	soon = at.Add(1500 * time.Millisecond)
)

func rawEvent() events.Raw {
	return events.Raw{
		Receipt: recpt, Provider: events.Twilio, Kind: events.KindMessageStatus, Signer: "AC1", Key: "SM1",
		Method: "POST", URI: "/api/webhooks/sms/status?wb=7d4f&x=%20",
		Headers: []events.Header{
			{Key: "content-type", Value: []byte("application/x-www-form-urlencoded")},
			{Key: "x-twilio-signature", Value: []byte("c2lnbmF0dXJl")},
		},
		Body: []byte("MessageSid=SM1&MessageStatus=delivered"), ReceivedAt: at,
	}
}

func messageEvent() events.Message {
	return events.Message{
		EventID: "twilio/AC1/message.status/SM1:delivered:", Receipt: recpt, Kind: events.KindMessageStatus,
		Provider: events.Twilio, Org: org, Row: row, ResolvedBy: "resource",
		ProviderID: "SM1", MessageID: string(row), Account: "AC1", Channel: events.SMS, Direction: events.Outbound,
		From: "+15550100001", To: "+15550100002", Service: "MG1", Body: "<hello>", Media: []string{"https://example.com/m"},
		OptOutType: "STOP", CampaignID: "c1", CustomerID: "p1", Status: "delivered", ErrorCode: "30008",
		OccurredAt: &at, SentAt: &at, ReceivedAt: soon,
		Raw:    events.Position{Topic: events.TopicRawTwilio, Partition: 2, Offset: 77},
		Packed: []byte{1, 0, 0, 0, 0},
	}
}

func emailEvent() events.Message {
	return events.Message{
		EventID: "ses/arn/email.event/m1", Receipt: recpt, Kind: events.KindEmail, Provider: events.SES, Org: org, Row: row,
		ResolvedBy: "resource", ProviderID: "0100", Channel: events.Email, Direction: events.Outbound, Status: "bounced_permanent",
		Recipients: []events.Recipient{{Address: "a@example.com", ErrorCode: "5.1.1"}, {Address: "b@example.com"}},
		Facts:      []facts.Fact{{Name: facts.Complaints, Value: "abuse", At: &at}},
		ReceivedAt: soon, Raw: events.Position{Topic: events.TopicRawSES, Partition: 2, Offset: 78}, Packed: []byte{1, 0, 0, 0, 0},
	}
}

func callEvent() events.Call {
	three := 3
	return events.Call{
		EventID: "twilio/AC1/call.status/CA1:completed", Receipt: recpt, Kind: events.KindCall, Provider: events.Twilio, Org: org, Row: row,
		ResolvedBy: "resource", ProviderID: "CA1", MessageID: string(row), ParentID: "CA0", Account: "AC1", Direction: events.Outbound,
		From: "+15550100001", To: "+15550100002", CampaignID: "c1", CustomerID: "p1", Status: "completed", ErrorCode: "200", Sequence: &three,
		Facts: []facts.Fact{{Name: facts.Duration, Value: "42"}},
		Recording: &events.Recording{
			ProviderID: "RE1", Status: "completed", ErrorCode: "1", Duration: 40, Channels: 2, Source: "DialVerb", Track: "both",
			Location: "https://example.com/RE1", StartedAt: &at,
		},
		OccurredAt: &at, SentAt: &at, ReceivedAt: soon,
		Raw: events.Position{Topic: events.TopicRawTwilio, Partition: 2, Offset: 79}, Packed: []byte{1, 0, 0, 0, 0},
	}
}

func billingEvent() events.Billing {
	return events.Billing{
		EventID: "stripe/live/stripe.event/evt_1", Receipt: recpt, StripeID: "evt_1", Mode: "live",
		Type: "customer.subscription.updated", Version: "2026-10-28", Object: "sub_1", Account: "acct_1", Created: at,
		Subscription: &events.ObjectChange{ID: "sub_1", Customer: "cus_1", Status: "active", Previous: "trialing"},
		ReceivedAt:   soon, Raw: events.Position{Topic: events.TopicRawStripe, Partition: 1, Offset: 5},
		Packed: []byte{1, 0, 0, 0, 0},
	}
}

// invoiceEvent is one about something that is charged for.
func invoiceEvent() events.Billing {
	e := billingEvent()
	e.EventID, e.StripeID, e.Type, e.Object = "stripe/live/stripe.event/evt_2", "evt_2", "invoice.paid", "in_1"
	e.Subscription, e.Payment = nil, &events.ObjectChange{Kind: events.ObjectInvoice, ID: "in_1", Customer: "cus_1", Status: "paid", Previous: "open"}
	return e
}

func sendRecord() events.Send {
	return events.Send{
		Org: org, Channel: events.SMS, Provider: events.Twilio, Account: "AC1", ProviderID: "SM1", MessageID: string(row),
		To: "+15550100002", From: "+15550100001", CampaignID: string(org), CustomerID: string(org), Status: "queued",
		ErrorCode: "0", SentAt: &at, Receipt: recpt, ReceivedAt: soon,
	}
}

func messageStatus() events.Status {
	return events.Status{
		Org: org, ID: row, MessageID: string(row), ProviderID: "SM1", Channel: events.SMS, CampaignID: "c1", CustomerID: "p1",
		Status: "undelivered", ErrorCode: "30003", ErrorClass: "unreachable", Version: 3, OccurredAt: &at, ReceivedAt: soon,
	}
}

func campaignStatus() events.CampaignStatus {
	return events.CampaignStatus{
		Org: org, CampaignID: "c1", Messages: 3, Counters: map[string]int64{"sent": 1, "delivered": 2},
		Reached: map[string]int64{"sent": 3, "delivered": 2}, Version: 9, At: at,
	}
}

// The wire forms are promises to programs outside this repository and to
// records that lie in Kafka while Waybill is upgraded. A change of a golden
// file is a new version of the event, not a repair.
func TestWireForms(t *testing.T) {
	t.Parallel()
	raw, message, billing, send := rawEvent(), messageEvent(), billingEvent(), sendRecord()
	withToken := raw
	withToken.Token = "t1"
	invoice := invoiceEvent()
	email, call := emailEvent(), callEvent()
	status, campaign := messageStatus(), campaignStatus()
	emailStatus, callStatus := status, status
	emailStatus.Channel, callStatus.Channel = events.Email, events.Voice
	emailStatus.Recipients = []events.RecipientStatus{{ID: string(org), Status: "delivered"}, {ID: string(row), Status: "bounced_permanent", ErrorCode: "5.1.1", ErrorClass: "unknown"}}
	completed := campaign
	completed.CompletedAt, completed.Overdue = &soon, 1
	intended := events.Send{Org: org, Channel: events.Email, Provider: events.SES, MessageID: string(row), Status: events.Intended, Receipt: recpt, ReceivedAt: at}
	confirmation := events.Confirmation{
		EventID: "ses/arn:aws:sns:eu-central-1:1:t/topic.control/m1", Provider: events.SES, TopicARN: "arn:aws:sns:eu-central-1:1:t", Token: "tok", ReceivedAt: at,
	}
	signer := events.ConfigSigner{
		Provider: "twilio", Name: "AC1",
		Tokens: []events.ConfigToken{{ID: "t1", Sealed: []byte{1, 2, 3}}},
	}
	account := signer
	account.SignsFor = &events.ConfigEntitlement{Orgs: []events.ConfigTenure{{Org: org, To: &at}, {Org: events.OrgID(row), From: &at}}}
	sender := events.ConfigSender{
		ID: "s1", Org: org, Kind: "number", Value: "+15550100001", Shared: true, From: &at, To: &soon,
		VoiceRedirect: "https://example.com/voice",
	}
	// A config record's id is fresh each time; everything else is fixed.
	config := func(key string, body any) func() (events.Record, error) {
		return func() (events.Record, error) {
			r, err := events.ConfigRecord(key, body, at)
			require.NotEmpty(t, r.Header("ce_id"))
			for i := range r.Headers {
				if r.Headers[i].Key == "ce_id" {
					r.Headers[i].Value = []byte("(fresh)")
				}
			}
			return r, err
		}
	}
	for name, record := range map[string]func() (events.Record, error){
		"raw":              func() (events.Record, error) { return raw.Record(), nil },
		"raw_token":        func() (events.Record, error) { return withToken.Record(), nil },
		"message":          message.Record,
		"email":            email.Record,
		"call":             call.Record,
		"billing":          billing.Record,
		"billing_payment":  invoice.Record,
		"send":             send.Record,
		"send_intended":    intended.Record,
		"status_message":   status.Record,
		"status_email":     emailStatus.Record,
		"status_call":      callStatus.Record,
		"status_campaign":  campaign.Record,
		"status_completed": completed.Record,
		"control_confirm":  confirmation.Record,
		"config_signer":    config(signer.Key(), &signer),
		"config_account":   config(account.Key(), &account),
		"config_sender":    config(sender.Key(), &sender),
		"config_tombstone": config(sender.Key(), nil),
		"raw_stripe_no_key": func() (events.Record, error) {
			r := events.Raw{Receipt: recpt, Provider: events.Stripe, Kind: events.KindStripe, ReceivedAt: at}
			return r.Record(), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := record()
			require.NoError(t, err)
			testkit.Golden(t, name+".txt", show(&r))
		})
	}
}

// The packed form lies in PostgreSQL for as long as an event is held.
func TestPackedForm(t *testing.T) {
	t.Parallel()
	raw := rawEvent()
	r := raw.Record()
	testkit.Golden(t, "packed.txt", fmt.Appendf(nil, "%q\n", events.Pack(&r)))
}

// show writes a record so that a reader sees each byte that matters.
func show(r *events.Record) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "topic %s\nkey   %q\n", r.Topic, r.Key)
	for _, h := range r.Headers {
		fmt.Fprintf(&b, "  %s: %q\n", h.Key, h.Value)
	}
	if r.Value == nil {
		b.WriteString("no value\n")
	} else {
		fmt.Fprintf(&b, "\n%s\n", r.Value)
	}
	return b.Bytes()
}
