package postgres_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/fault"
)

// written are the tables that a batch of messages writes, in no order.
var written = []string{
	"applied_offsets", "event_ids", "event_duplicates", "held_events", "events",
	"customers", "sms_campaigns", "sms_messages", "campaign_counters", "campaign_open", "campaign_changes",
}

// A batch has one transaction: wherever it breaks off, nothing of it is there,
// its position included, and the same batch can be applied again.
func TestABatchIsWrittenWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	known := d.status(d.orgA, 1, "queued", "", 1)
	d.apply(t, known)
	repeat := known
	repeat.Receipt = events.NewReceiptID()
	send := d.sent(d.orgA, 2)
	send.CustomerID = testCampaign // it may be any id
	batch := []events.Message{send, repeat, d.status(d.orgA, 2, "sent", "", 2), d.status(d.orgA, 2, "teleported", "", 3), d.status(d.orgB, 3, "sent", "", 4)}
	d.exec(t, `CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken off' USING ERRCODE = 'disk_full'; END $$`)
	before := d.contents(t)
	for _, table := range written {
		d.exec(t, "CREATE TRIGGER break_off BEFORE INSERT OR UPDATE ON "+table+" FOR EACH STATEMENT EXECUTE FUNCTION break_off()")
		_, err := d.messages.Apply(t.Context(), []bus.Fence{d.fence(len(batch))}, batch)
		require.ErrorContains(t, err, "SQLSTATE 53100", table)
		require.Equal(t, fault.Unavailable, fault.ClassOf(err), table)
		require.Equal(t, before, d.contents(t), "broken off at %s", table)
		d.exec(t, "DROP TRIGGER break_off ON "+table)
	}
	effect := d.apply(t, batch...)
	require.Equal(t, map[events.Outcome]int{events.Applied: 3, events.Dead: 1}, effect.Outcomes)
	require.Equal(t, 1, effect.Duplicates)
	after := d.contents(t)
	for _, table := range written {
		require.NotEqual(t, before[table], after[table], "%s is not written by the batch", table)
	}
}

// contents is all that is in the tables that a batch writes.
func (d *desk) contents(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, table := range written {
		var rows string
		require.NoError(t, d.owner.QueryRow(context.Background(), "SELECT coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '') FROM "+table+" t").Scan(&rows))
		out[table] = rows
	}
	return out
}
