package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

// Each kind of gap is seen when it is made by hand, and none where nothing is wrong.
func TestGapsAreSeen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ what, broken string }{
		{"", "SELECT 1"},
		{"", "UPDATE events SET applied_at = now() - interval '40 days'; DELETE FROM event_ids"}, // they have expired
		{"final events that no timeline holds", "DELETE FROM events WHERE outcome = 'stale'"},
		{"final Stripe events that are not on record", "INSERT INTO event_ids VALUES ('stripe/live/stripe.event/evt_1', gen_random_uuid(), NULL, 'applied', now())"},
		{"timeline entries without a final outcome", "DELETE FROM event_ids WHERE outcome = 'stale'"},
		{"timeline entries without their row", "DELETE FROM sms_messages WHERE status = 'failed'"},
		{"rows that are not where their last transition left them", "UPDATE sms_messages SET status = 'sent' WHERE status = 'delivered'"},
		{"rows that are not where their last transition left them", "UPDATE sms_messages SET version = version + 1"},
		{"rows with a transition missing or twice", "UPDATE events SET version = 4 WHERE version = 3; UPDATE sms_messages SET version = 4 WHERE version = 3"},
		{"events that are final and held at once", `INSERT INTO held_events (event_id, receipt_id, state, reason, provider, kind, signer, received_at, raw_topic, raw_partition, raw_offset)
			SELECT event_id, receipt_id, 'dead', '', '', '', '', now(), '', 0, 0 FROM event_ids LIMIT 1`},
	} {
		t.Run(c.what+": "+c.broken, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.apply(t, d.sent(d.orgA, 1), d.status(d.orgA, 1, "sent", "", 1), d.status(d.orgA, 1, "delivered", "", 2), d.status(d.orgA, 1, "queued", "", 3),
				d.status(d.orgB, 2, "failed", "30003", 1), d.mail(d.orgA, 1, "sent", 1, "a@example.com"), d.wrote(d.orgA, 9, "STOP", 1))
			consent := d.wrote(d.orgB, 9, "STOP", 1)
			consent.Kind, consent.EventID = events.KindConsent, "twilio/AC/consent/SM9:b"
			d.apply(t, consent)
			_, err := d.owner.Exec(t.Context(), c.broken)
			require.NoError(t, err)
			found, err := postgres.NewInspect(d.open(t, testkit.Operator)).Gaps(t.Context(), time.Time{})
			require.NoError(t, err)
			if c.what == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1, "%+v", found)
			require.Equal(t, c.what, found[0].What)
			require.Positive(t, found[0].Count)
			require.NotEmpty(t, found[0].Example)
		})
	}
}
