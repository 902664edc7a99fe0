package postgres_test

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/tenantmap"
)

// orgActor is an organisation that things happen to. All of them use the same few
// ids for their messages, campaigns and customers, and the same ids of the
// provider: what one calls its own is another's too.
type orgActor struct {
	org    events.OrgID
	signer string
	past   []events.Message
}

const (
	fewIDs      = 4 // messages that an organisation has
	fewParents  = 2 // campaigns, customers
	sharedIDFmt = "00000000-0000-4000-8000-%012x"
)

// happen draws the next event of the organisation: a send, a callback in any
// order, of messages and of e-mails, something written to it or to a sender that
// it shares, something unusable, or what was there before.
func (o *orgActor) happen(t *rapid.T) events.Message {
	what := []string{"send", "status", "status", "status", "inbound", "consent", "mailed", "mail", "mail", "unknown"}
	if len(o.past) > 0 {
		what = append(what, "repeat", "redelivery", "replay")
	}
	var e events.Message
	switch kind := rapid.SampledFrom(what).Draw(t, "what"); kind {
	case "repeat", "redelivery", "replay":
		e = o.past[rapid.IntRange(0, len(o.past)-1).Draw(t, "past")]
		e.Replay = kind == "replay"
		if kind == "repeat" {
			e.Receipt = events.NewReceiptID()
		}
		return e
	default:
		e = o.message(t, kind)
	}
	o.past = append(o.past, e)
	return e
}

func (o *orgActor) message(t *rapid.T, kind string) events.Message {
	n := rapid.IntRange(1, fewIDs).Draw(t, "message")
	at := noon.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "second")) * time.Second)
	e := events.Message{
		Receipt: events.NewReceiptID(), Kind: events.KindMessageStatus, Provider: events.Twilio, Org: o.org,
		Row: events.RowID(fmt.Sprintf(sharedIDFmt, n)), ResolvedBy: tenantmap.ByResource, ProviderID: sid(n), Account: o.signer,
		Channel: events.SMS, Direction: events.Outbound, From: "+12025550101", To: "+12025550177", ReceivedAt: at,
		Raw: events.Position{Topic: events.TopicRawTwilio, Offset: int64(len(o.past))}, Packed: []byte{1},
	}
	if rapid.Bool().Draw(t, "clocked") {
		e.OccurredAt = &at
	}
	switch kind {
	case "send":
		e.Kind, e.Status, e.SentAt = events.KindSend, "accepted", &at
		e.CampaignID = fmt.Sprintf(sharedIDFmt, 0xc0+rapid.IntRange(1, fewParents).Draw(t, "campaign"))
		e.CustomerID = fmt.Sprintf(sharedIDFmt, 0xcc0+rapid.IntRange(1, fewParents).Draw(t, "customer"))
		e.MessageID = fmt.Sprintf(sharedIDFmt, 0x1000+n)
	case "status":
		e.Status = rapid.SampledFrom([]string{"queued", "sending", "sent", "delivered", "undelivered", "failed", "read"}).Draw(t, "status")
		if e.Status == "failed" || e.Status == "undelivered" {
			e.ErrorCode = rapid.SampledFrom([]string{"", "30003", "30008"}).Draw(t, "code")
		}
	case "inbound":
		n += fewIDs
		e.Kind, e.Status, e.Direction, e.ResolvedBy = events.KindMessage, "received", events.Inbound, tenantmap.BySender
		e.From, e.To, e.Body = e.To, e.From, rapid.SampledFrom([]string{"hello", "STOP", "START"}).Draw(t, "body")
		e.Row, e.ProviderID = events.RowID(fmt.Sprintf(sharedIDFmt, n)), sid(n)
	case "consent":
		e.Kind, e.Status, e.Direction, e.ResolvedBy = events.KindConsent, "received", events.Inbound, tenantmap.ByConversation
		e.From, e.To, e.Body = e.To, e.From, rapid.SampledFrom([]string{"STOP", "START"}).Draw(t, "body")
	case "mailed", "mail":
		e.Channel, e.Provider, e.Kind, e.From, e.To = events.Email, events.SES, events.KindEmail, "", ""
		e.Status = rapid.SampledFrom([]string{"sent", "delayed", "delivered", "bounced_permanent"}).Draw(t, "status")
		e.Recipients = []events.Recipient{{Address: "somebody@example.com"}}
		e.Facts = rapid.SampledFrom([][]facts.Fact{nil, {{Name: facts.Opens, At: &at}}}).Draw(t, "facts")
		if kind == "mailed" {
			e.Kind, e.Status, e.SentAt, e.Recipients, e.Facts = events.KindSend, "sent", &at, nil, nil
			e.CampaignID = fmt.Sprintf(sharedIDFmt, 0xc0+rapid.IntRange(1, fewParents).Draw(t, "campaign"))
		}
	case "unknown":
		e.Status = "teleported"
	}
	e.EventID = events.NewEventID(e.Provider, o.signer, e.Kind, e.ProviderID, e.Status, e.ErrorCode)
	return e
}
