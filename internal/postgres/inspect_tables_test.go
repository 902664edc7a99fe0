package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

// contact is an event of a contact of organisation A that an agent answered.
func (d *callDesk) contact(id string) events.Call {
	c := d.call(d.orgA, 1, "in_progress", 1)
	c.EventID, c.Provider, c.Kind = events.EventID("connect/arn/contact.event/"+id), events.Connect, events.KindContact
	c.ProviderID, c.Direction, c.Row = id, events.Inbound, events.DeriveRowID(d.orgA, events.Connect, id)
	return c
}

// A contact's id is a UUID, like those of rows and campaigns: its story was not
// found by it.
func TestAContactIsFoundByItsID(t *testing.T) {
	t.Parallel()
	d := newCallDesk(t)
	const id = "7c1d2b10-3f6e-4f0e-9a61-5a8f6f1c2d3e"
	d.apply(t, d.contact(id))
	s, err := operate.Trace(t.Context(), postgres.NewInspect(d.open(t, testkit.ReadOnly)), id, "")
	require.NoError(t, err)
	require.True(t, s.Found)
	require.Equal(t, history.Call, s.Resource.Kind)
	require.Equal(t, id, s.Resource.ProviderID)
	require.Len(t, s.Events, 1)
}

func TestWholeTablesAreReadOfTheOrganisationsAskedFor(t *testing.T) {
	t.Parallel()
	d := newCallDesk(t)
	bounced, opened := d.mail(d.orgA, 4, "bounced_permanent", 2, "ada@example.com"), d.mail(d.orgA, 4, "", 3)
	bounced.Recipients[0].ErrorCode = "5.1.1"
	opened.Facts = []facts.Fact{{Name: facts.Opens, At: &noon}}
	d.desk.apply(t, bounced, opened)
	d.at = 0 // of the other topic
	completed := d.call(d.orgA, 1, "completed", 3)
	completed.Facts = []facts.Fact{{Name: facts.Duration, Value: "42", At: &noon}}
	completed.Recording = &events.Recording{ProviderID: "RE1", Status: "completed", Duration: 40, Location: "https://example.com/RE1"}
	plain := d.call(d.orgA, 2, "busy", 1)
	d.apply(t, d.placed(d.orgA, 1), completed, plain, d.call(d.orgB, 3, "ringing", 1))
	store, asked := postgres.NewInspect(d.open(t, testkit.ReadOnly)), []events.OrgID{d.orgA}

	rows := map[events.RowID]history.Row{}
	require.NoError(t, store.EachRow(t.Context(), asked, func(r history.Row) { rows[r.Row] = r }))
	require.Equal(t, map[events.RowID]history.Row{
		completed.Row: {
			Kind: history.Call, Org: d.orgA, Row: completed.Row, Direction: events.Outbound, CampaignID: testCampaign, Status: "completed", Version: 2,
			Facts: map[string]history.Fact{"duration": {Count: 1, Value: "42"}},
		},
		plain.Row: {
			Kind: history.Call, Org: d.orgA, Row: plain.Row, Direction: events.Outbound, Status: "busy", Version: 1, Facts: map[string]history.Fact{},
		},
		bounced.Row: {
			Kind: history.EmailMessage, Org: d.orgA, Row: bounced.Row, Direction: events.Outbound, Status: "bounced_permanent", ErrorCode: "5.1.1",
			Version: 1, Facts: map[string]history.Fact{"opens": {Count: 1}},
		},
	}, rows)

	var recipients []history.RecipientRow
	require.NoError(t, store.EachRecipient(t.Context(), asked, func(r history.RecipientRow) { recipients = append(recipients, r) }))
	require.Len(t, recipients, 1)
	require.NotEmpty(t, recipients[0].ID)
	require.Equal(t, []history.RecipientRow{{
		Org: d.orgA, Row: bounced.Row,
		Recipient: history.Recipient{ID: recipients[0].ID, Address: "ada@example.com", Status: "bounced_permanent", ErrorCode: "5.1.1"},
	}}, recipients)

	var recordings []history.RecordingRow
	require.NoError(t, store.EachRecording(t.Context(), asked, func(r history.RecordingRow) { recordings = append(recordings, r) }))
	require.Equal(t, []history.RecordingRow{{
		Org: d.orgA, Row: completed.Row,
		Recording: history.Recording{ProviderID: "RE1", Status: "completed", Duration: 40, Location: "https://example.com/RE1"},
	}}, recordings)
	require.NoError(t, store.EachRow(t.Context(), nil, func(history.Row) { require.FailNow(t, "nobody was asked for") }))
}
