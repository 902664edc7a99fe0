package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
	"waybill/internal/testkit"
)

func TestTheStoryOfAMessage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	delivered := d.status(d.orgA, 1, "delivered", "", 2)
	again := delivered
	again.Receipt = events.NewReceiptID()
	d.apply(t, d.sent(d.orgA, 1), delivered, d.status(d.orgA, 1, "sent", "", 1), d.sent(d.orgB, 2))
	d.apply(t, again)
	quarantined := d.early(1)
	quarantined.Held.State, quarantined.Held.Reason = events.Quarantined, tenantmap.ReasonNotEntitled
	quarantined.Held.EventID, quarantined.Held.ReceivedAt = "twilio/ACforeign/message.status/x:failed:", noon.Add(time.Hour)
	require.NoError(t, postgres.NewRouting(d.open(t, testkit.Router)).Hold(t.Context(), []tenantmap.Held{quarantined.Held}))

	store := postgres.NewInspect(d.open(t, testkit.ReadOnly))
	for name, id := range map[string]string{"provider id": sid(1), "row id": string(row(d.orgA, 1)), "event id": string(delivered.EventID)} {
		s, err := operate.Trace(t.Context(), store, id, "")
		require.NoError(t, err)
		require.True(t, s.Found, name)
		require.Equal(t, d.orgA, *s.Org, name)
		require.Equal(t, history.SMSMessage, s.Resource.Kind, name)
		require.Equal(t, "delivered", s.Resource.Status, name)
		require.Empty(t, s.Resources, name)
		var outcomes []events.Outcome
		for _, e := range s.Events {
			outcomes = append(outcomes, e.Outcome)
		}
		require.Equal(t, []events.Outcome{events.Applied, events.Stale, events.Applied, events.Quarantined}, outcomes, name)
		require.Equal(t, 1, s.Events[2].Duplicates, name)
		require.Zero(t, s.Events[0].Duplicates, name)
		require.Equal(t, tenantmap.ReasonNotEntitled, s.Events[3].Reason, name)
		require.Len(t, s.StatusEvents, 2, name)
		require.EqualValues(t, 2, s.StatusEvents[1].Version, name)
		require.Equal(t, "delivered", s.StatusEvents[1].Status, name)
	}

	s, err := operate.Trace(t.Context(), store, sid(1), string(d.orgB))
	require.NoError(t, err)
	require.Nil(t, s.Resource, "another organisation's message was shown")
	s, err = operate.Trace(t.Context(), store, testCampaign, "")
	require.NoError(t, err)
	require.Len(t, s.Resources, 2)
	s, err = operate.Trace(t.Context(), store, uuid.NewString(), "")
	require.NoError(t, err)
	require.False(t, s.Found)
}

// A contact's id is a UUID as those of rows, customers and campaigns are.
func TestTheStoryOfAContact(t *testing.T) {
	t.Parallel()
	d := newCallDesk(t)
	record := d.call(d.orgA, 1, "completed", 3)
	record.Provider, record.Kind, record.ProviderID = events.Connect, events.KindContactRecord, uuid.NewString()
	record.Recording = &events.Recording{ProviderID: "bucket/a", Status: "completed"}
	record.MoreRecordings = []events.Recording{{ProviderID: "bucket/b", Status: "completed"}}
	d.apply(t, record)
	store := postgres.NewInspect(d.open(t, testkit.ReadOnly))
	s, err := operate.Trace(t.Context(), store, record.ProviderID, "")
	require.NoError(t, err)
	require.Equal(t, []any{history.Call, record.ProviderID, "no_answer"}, []any{s.Resource.Kind, s.Resource.ProviderID, s.Resource.Status})
	require.Len(t, s.Resource.Facts["recordings"], 2)
	require.Empty(t, s.Resources, "it is one")
	require.Len(t, s.Events, 1)
	s, err = operate.Trace(t.Context(), store, record.ProviderID, string(d.orgB))
	require.NoError(t, err)
	require.False(t, s.Found, "another organisation's contact was shown")
}

func TestTheStoryOfAnAddressIsEveryMessage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	one, two := d.status(d.orgA, 1, "sent", "", 1), d.status(d.orgA, 2, "sent", "", 2)
	one.To, two.To = "+15550100001", "whatsapp:+15550100001"
	two.Channel = events.WhatsApp
	d.apply(t, one, two)
	s, err := operate.Trace(t.Context(), postgres.NewInspect(d.open(t, testkit.ReadOnly)), "+1 555 010 0001", "")
	require.NoError(t, err)
	require.Len(t, s.Resources, 2)
	require.Equal(t, sid(2), s.Resource.ProviderID, "the newest stands first")
	require.Len(t, s.Events, 2)
}

func TestACampaignIsCountedAndRecounted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.apply(t, d.sent(d.orgA, 1), d.sent(d.orgA, 2), d.status(d.orgA, 1, "delivered", "", 1), d.sent(d.orgB, 3))
	store := postgres.NewInspect(d.open(t, testkit.ReadOnly))

	_, err := operate.ShowCampaign(t.Context(), store, testCampaign, "")
	var usage *operate.UsageError
	require.ErrorAs(t, err, &usage, "two organisations have it")
	n, err := operate.ShowCampaign(t.Context(), store, testCampaign, string(d.orgA))
	require.NoError(t, err)
	require.True(t, n.Equal)
	require.EqualValues(t, 2, n.Messages)
	require.Equal(t, map[string]int64{"accepted": 1, "delivered": 1}, n.Counters)
	require.Equal(t, n.Counters, n.Recounted)
	_, err = operate.ShowCampaign(t.Context(), store, uuid.NewString(), "")
	var missing *tenants.NotFoundError
	require.ErrorAs(t, err, &missing)

	campaigns, differences, err := store.Recount(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, campaigns)
	require.Empty(t, differences)
	d.exec(t, "UPDATE campaign_counters SET messages = messages + 1 WHERE org_id = $1 AND status = 'delivered'", d.orgA)
	_, differences, err = store.Recount(t.Context())
	require.NoError(t, err)
	require.Equal(t, []history.Difference{{Org: d.orgA, CampaignID: testCampaign, Status: "delivered", Counter: 2, Recounted: 1}}, differences)
}
