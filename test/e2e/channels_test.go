package e2e_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/history"
	"waybill/internal/operate"
)

// record records a send of any channel.
func (h *house) record(s events.Send) {
	h.t.Helper()
	line, err := json.Marshal(s)
	require.NoError(h.t, err)
	sent, err := operate.RecordSends(h.t.Context(), bytes.NewReader(line), h.kafka, time.Now, func(int) {})
	require.NoError(h.t, err)
	require.Empty(h.t, sent.Rejected)
}

// A campaign may reach people by every channel under one id: each message has a
// row of its kind, and the numbers add up over all of them.
func TestACampaignOfEveryChannelAddsUp(t *testing.T) {
	h := open(t)
	campaign, org := uuid.NewString(), events.OrgID(h.a.org)
	ids := map[events.Channel]string{events.SMS: h.id("SM"), events.Email: h.id("0100"), events.Voice: h.id("CA")}
	providers := map[events.Channel]events.Provider{events.SMS: events.Twilio, events.Email: events.SES, events.Voice: events.Twilio}
	to := map[events.Channel]string{events.SMS: person, events.Email: "somebody@example.com", events.Voice: person}
	for channel, id := range ids {
		h.record(events.Send{
			Org: org, Channel: channel, Provider: providers[channel], Account: h.a.Account, ProviderID: id, To: to[channel], CampaignID: campaign,
		})
	}
	kinds := map[string]string{}
	for channel, status := range map[events.Channel]string{events.SMS: "accepted", events.Email: "sent", events.Voice: "queued"} {
		kinds[h.row(ids[channel], status).Kind] = status
	}
	require.Equal(t, map[string]string{history.SMSMessage: "accepted", history.EmailMessage: "sent", history.Call: "queued"}, kinds)
	n, err := operate.ShowCampaign(t.Context(), h.inspect, campaign, h.a.org)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"accepted": 1, "sent": 1, "queued": 1}, n.Counters)
	require.Equal(t, n.Counters, n.Recounted)
}

// What the router resolves of e-mails and calls is applied, and a trace tells it.
func TestEmailsAndCallsAreAppliedAndTraced(t *testing.T) {
	h := open(t)
	org, now := events.OrgID(h.a.org), time.Now()
	mail, call := h.id("0100"), h.id("CA")
	raw := events.Raw{Receipt: events.NewReceiptID(), Provider: events.Twilio, Kind: events.KindCall, Signer: h.a.Account, Key: call, ReceivedAt: now}
	packed := raw.Record()
	m := events.Message{
		Receipt: events.NewReceiptID(), Kind: events.KindEmail, Provider: events.SES, Org: org, Row: events.DeriveRowID(org, events.SES, mail),
		ResolvedBy: "resource", ProviderID: mail, Channel: events.Email, Direction: events.Outbound, Status: "delivered",
		Recipients: []events.Recipient{{Address: "a@example.com"}, {Address: "b@example.com"}}, ReceivedAt: now, Packed: events.Pack(&packed),
	}
	bounced := m
	bounced.Status, bounced.Recipients = "bounced_permanent", []events.Recipient{{Address: "b@example.com", ErrorCode: "5.1.1"}}
	bounced.Facts = []facts.Fact{{Name: facts.Opens, At: &now}}
	c := events.Call{
		Receipt: raw.Receipt, Kind: events.KindCall, Provider: events.Twilio, Org: org, Row: events.DeriveRowID(org, events.Twilio, call),
		ResolvedBy: "resource", ProviderID: call, Direction: events.Outbound, Status: "completed",
		Facts:     []facts.Fact{{Name: facts.Duration, Value: "42", At: &now}},
		Recording: &events.Recording{ProviderID: h.id("RE"), Status: "completed", Duration: 40}, ReceivedAt: now, Packed: events.Pack(&packed),
	}
	m.EventID, bounced.EventID, c.EventID = events.EventID("ses/x/"+mail+"/1"), events.EventID("ses/x/"+mail+"/2"), events.EventID("twilio/x/"+call)
	for _, record := range []func() (events.Record, error){m.Record, bounced.Record, c.Record} {
		rec, err := record()
		require.NoError(t, err)
		require.NoError(t, h.kafka.Publish(t.Context(), rec))
	}
	email := h.row(mail, "bounced_permanent")
	require.Equal(t, "5.1.1", email.ErrorCode)
	require.Len(t, email.Facts["recipients"], 2)
	require.EqualValues(t, 1, email.Facts[facts.Opens].(history.Tally).Count)
	called := h.row(call, "completed")
	require.EqualValues(t, 42, called.Facts[facts.Duration])
	require.Len(t, called.Facts["recordings"], 1)
	said := h.story(mail).StatusEvents
	require.Len(t, said, 2)
	require.Len(t, said[1].Recipients, 2)
	require.Equal(t, events.Voice, h.story(call).StatusEvents[0].Channel)
}
