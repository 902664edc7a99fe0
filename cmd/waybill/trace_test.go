package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

// A list was shown as the program holds it.
func TestATraceTellsFactsInWords(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	org, db := events.OrgID(s.org("Harbour Dental")), s.open(testkit.Worker)
	ledger := postgres.NewLedger(db, events.GroupWorkers)
	require.NoError(t, ledger.Plant(t.Context(), events.TopicMessages, 0, 0))
	require.NoError(t, ledger.Plant(t.Context(), events.TopicCalls, 0, 0))
	_, err := postgres.NewMessages(db, events.GroupWorkers).Apply(t.Context(), []bus.Fence{{Topic: events.TopicMessages, Next: 1}}, []events.Message{{
		EventID: "ses/x/email.event/1", Receipt: events.NewReceiptID(), Kind: events.KindEmail, Provider: events.SES, Org: org,
		Row: events.DeriveRowID(org, events.SES, "0100"), ProviderID: "0100", Channel: events.Email, Direction: events.Outbound, Status: "bounced_permanent",
		Recipients: []events.Recipient{{Address: "a@example.com", ErrorCode: "5.1.1"}}, Facts: []facts.Fact{{Name: facts.Opens, At: &noon}},
		ReceivedAt: noon, Packed: []byte{1},
	}})
	require.NoError(t, err)
	_, err = postgres.NewCalls(db, events.GroupWorkers).Apply(t.Context(), []bus.Fence{{Topic: events.TopicCalls, Next: 1}}, []events.Call{{
		EventID: "twilio/x/call.status/1", Receipt: events.NewReceiptID(), Kind: events.KindCall, Provider: events.Twilio, Org: org,
		Row: events.DeriveRowID(org, events.Twilio, "CA1"), ProviderID: "CA1", Direction: events.Outbound, Status: "completed",
		Facts:     []facts.Fact{{Name: facts.Duration, Value: "42"}},
		Recording: &events.Recording{ProviderID: "RE1", Status: "completed", Duration: 40}, ReceivedAt: noon, Packed: []byte{1},
	}})
	require.NoError(t, err)

	mail, call := s.run("trace", "0100").out, s.run("trace", "CA1").out
	require.Regexp(t, `recipient +a@example\.com, bounced_permanent, 5\.1\.1\n`, mail)
	require.Regexp(t, `opens +1, first 20\S+ \S+, last 20`, mail)
	require.Regexp(t, `duration +42\n`, call)
	require.Regexp(t, `recording +RE1, completed, 40 s\n`, call)
	require.NotContains(t, mail+call, "[{")
}
