package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/postgres"
	"waybill/internal/retention"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
)

const days = 24 * time.Hour

// sweep forgets everything of a relation that is older than a time.
func sweep(t *testing.T, s *postgres.Retention, relations []string, before time.Time) (n int64, oldest *time.Time) {
	t.Helper()
	for _, r := range relations {
		for page := int64(0); page >= 0; {
			k, left, next, err := s.ExpireRows(t.Context(), r, page, before)
			require.NoError(t, err)
			n += k
			if left != nil && (oldest == nil || left.Before(*oldest)) {
				oldest = left
			}
			require.True(t, next < 0 || next > page, "no end")
			page = next
		}
	}
	return n, oldest
}

func TestWhatIsTooOldExpiresPageByPageAndTheRestStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := postgres.NewRetention(w.open(t, testkit.Worker))
	const each = 60_000 // several chunks of pages in a partition
	w.exec(t, `INSERT INTO event_ids (event_id, receipt_id, outcome, applied_at)
		SELECT 'e' || i, gen_random_uuid(), 'applied', now() - i % 60 * interval '1 day' - interval '1 hour' FROM generate_series(0, $1 - 1) i`, each)
	w.exec(t, `INSERT INTO event_duplicates SELECT 'e' || i, gen_random_uuid(), now() - i % 60 * interval '1 day' FROM generate_series(0, 119) i`)
	before := time.Now().Add(-40 * days)
	n, oldest := sweep(t, s, s.Relations(retention.EventIDs), before)
	require.EqualValues(t, each/3, n, "of 60 days those above 40")
	require.NotNil(t, oldest)
	require.WithinDuration(t, time.Now().Add(-39*days-time.Hour), *oldest, time.Hour)
	again, _ := sweep(t, s, s.Relations(retention.EventIDs), before)
	require.Zero(t, again)
	n, _ = sweep(t, s, s.Relations(retention.Duplicates), before)
	require.EqualValues(t, 40, n, "of 60 days, twice, those of 40 days and more")
	var left int64
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*) FROM event_ids WHERE applied_at < $1", before).Scan(&left))
	require.Zero(t, left)
}

// The second wall: a worker that is set up wrongly cannot forget what is needed.
func TestNothingYoungExpiresWhateverTheWorkerAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := postgres.NewRetention(w.open(t, testkit.Worker))
	for relation, least := range map[string]time.Duration{
		"event_ids_00": 30 * days, "event_duplicates": 7 * days, "events_other": 7 * days, "billing_events": 7 * days,
		"tenant_map": 30 * days, "conversations": 90 * days, "sender_requests": 90 * days,
	} {
		_, _, _, err := s.ExpireRows(t.Context(), relation, 0, time.Now().Add(-least+time.Hour))
		require.Equal(t, fault.Invalid, fault.ClassOf(err), relation)
		_, _, _, err = s.ExpireRows(t.Context(), relation, 0, time.Now().Add(-least-time.Hour))
		require.NoError(t, err, relation)
	}
	for _, relation := range []string{"sms_messages", "held_events", "event_ids", "events", "event_ids_00; DROP TABLE calls", ""} {
		_, _, _, err := s.ExpireRows(t.Context(), relation, 0, time.Now().Add(-1000*days))
		require.Equal(t, fault.Invalid, fault.ClassOf(err), relation)
	}
	_, _, err := s.DropDay(t.Context(), time.Now().Add(-6*days))
	require.Equal(t, fault.Invalid, fault.ClassOf(err))
	pool := w.db.Pool(t, testkit.Worker)
	_, err = pool.Exec(t.Context(), "DELETE FROM event_ids")
	require.Error(t, err, "the role itself may not delete")
	for _, role := range []string{testkit.Router, testkit.Operator, testkit.ReadOnly} {
		_, _, _, err := postgres.NewRetention(w.open(t, role)).ExpireRows(t.Context(), "event_duplicates", 0, time.Now().Add(-1000*days))
		require.Error(t, err, role)
	}
}

func TestTheTimelineExpiresByDays(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	w := d.world
	s := postgres.NewRetention(w.open(t, testkit.Worker))
	d.apply(t, d.sent(d.orgA, 1))
	for _, age := range []int{20, 15, 9} {
		day := time.Now().UTC().AddDate(0, 0, -age)
		w.exec(t, "CREATE TABLE events_"+day.Format("20060102")+" PARTITION OF events FOR VALUES FROM ('"+
			day.Format(time.DateOnly)+" 00:00:00+00') TO ('"+day.AddDate(0, 0, 1).Format(time.DateOnly)+" 00:00:00+00')")
	}
	insert := `INSERT INTO events (org_id, event_id, applied_at, receipt_id, resource, row_id, provider, kind, outcome, received_at, raw_topic, raw_partition, raw_offset)
		SELECT $1, 'old' || i, now() - i * interval '1 day', gen_random_uuid(), 'sms_message', gen_random_uuid(), 'twilio', 'x', 'applied', now(), 't', 0, 0
		FROM generate_series(1, 25) i`
	w.exec(t, insert, w.orgA)
	before := time.Now().Add(-10 * days)
	for _, want := range []bool{true, true, false} {
		dropped, oldest, err := s.DropDay(t.Context(), before)
		require.NoError(t, err)
		require.Equal(t, want, dropped)
		require.NotNil(t, oldest)
	}
	n, _ := sweep(t, s, s.Relations(retention.Timeline), before)
	require.EqualValues(t, 14, n, "what no day took: of those of 10 to 25 days all but two")
	var old, young int64
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*) FILTER (WHERE applied_at < $1), count(*) FILTER (WHERE applied_at >= $1) FROM events",
		before).Scan(&old, &young))
	require.Zero(t, old)
	require.EqualValues(t, 10, young)
}

// A day is dropped only when nobody is in the way, and nobody waits long behind it.
func TestDroppingADayGivesWay(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	day := time.Now().UTC().AddDate(0, 0, -20)
	d.exec(t, "CREATE TABLE events_"+day.Format("20060102")+" PARTITION OF events FOR VALUES FROM ('"+
		day.Format(time.DateOnly)+" 00:00:00+00') TO ('"+day.AddDate(0, 0, 1).Format(time.DateOnly)+" 00:00:00+00')")
	tx, err := d.owner.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT count(*) FROM events")
	require.NoError(t, err)
	s := postgres.NewRetention(d.open(t, testkit.Worker))
	began := time.Now()
	_, _, err = s.DropDay(t.Context(), time.Now().Add(-10*days))
	require.Error(t, err)
	require.Less(t, time.Since(began), 3*time.Second)
	require.NoError(t, tx.Rollback(t.Context()))
	dropped, _, err := s.DropDay(t.Context(), time.Now().Add(-10*days))
	require.NoError(t, err)
	require.True(t, dropped)
}

// What expiry forgets, a repeat brings again: then the merge, being a join,
// changes nothing, and while the id is kept it is not even looked at.
func TestAnOldDuplicateIsNotAppliedAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	s := postgres.NewRetention(d.open(t, testkit.Worker))
	sent := d.status(d.orgA, 1, "sent", "", 1)
	d.apply(t, d.sent(d.orgA, 1), sent, d.status(d.orgA, 1, "delivered", "", 2))
	repeat := func() events.Effect {
		again := sent
		again.Receipt = events.NewReceiptID()
		return d.apply(t, again)
	}
	age := func(interval string) {
		d.exec(t, "UPDATE event_ids SET applied_at = applied_at - $1::interval", interval)
	}
	before := func() time.Time { return time.Now().Add(-30*days - time.Minute) }

	age("29 days 23 hours") // nothing of Waybill's own can come so late: topics keep 8 days, parked events 3
	n, _ := sweep(t, s, s.Relations(retention.EventIDs), before())
	require.Zero(t, n)
	require.Equal(t, 1, repeat().Duplicates)

	age("2 hours")
	n, _ = sweep(t, s, s.Relations(retention.EventIDs), before())
	require.EqualValues(t, 3, n)
	state, version := d.state(t, d.orgA, 1)
	effect := repeat() // a captured request, sent by somebody after a month
	require.Equal(t, map[events.Outcome]int{events.Stale: 1}, effect.Outcomes)
	require.Empty(t, effect.Status)
	state2, version2 := d.state(t, d.orgA, 1)
	require.Equal(t, state, state2)
	require.Equal(t, version, version2)
	kept, recounted := d.counters(t, d.orgA)
	require.Equal(t, recounted, kept)
}

func TestDeadEventsExpireAndParkedOnesDoNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	routing := postgres.NewRouting(w.open(t, testkit.Router))
	s := postgres.NewRetention(w.open(t, testkit.Worker))
	held := map[events.Outcome]tenantmap.Held{}
	for n, state := range []events.Outcome{events.Dead, events.Quarantined, events.Parked} {
		h := w.early(n + 1).Held
		h.State, h.Reason = state, "test"
		require.NoError(t, routing.Hold(t.Context(), []tenantmap.Held{h}))
		held[state] = h
	}
	n, err := s.ExpireHeld(t.Context(), time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = s.ExpireHeld(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	var parked, ignored int
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*) FROM held_events").Scan(&parked))
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*) FROM event_ids WHERE outcome = 'ignored' AND receipt_id IN ($1, $2)",
		held[events.Dead].Receipt, held[events.Quarantined].Receipt).Scan(&ignored))
	require.Equal(t, 1, parked)
	require.Equal(t, 2, ignored, "their receipts stay accounted for")
}

func TestOnePayloadExpiresAndItsEventStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := postgres.NewRetention(w.open(t, testkit.Worker))
	w.exec(t, `INSERT INTO billing_events (event_id, stripe_id, mode, type, outcome, receipt_id, created, received_at, applied_at, raw_topic, raw_partition, raw_offset, payload)
		SELECT 'e' || i, 'evt_' || i, 'live', 'x', 'ignored', $1, current_timestamp, now(), clock_timestamp() - i * interval '10 days', 't', 0, 0, 'payload' FROM generate_series(1, 5) i`, uuid.NewString())
	n, oldest := sweep(t, s, s.Relations(retention.BillingPayload), time.Now().Add(-35*days))
	require.EqualValues(t, 2, n)
	require.WithinDuration(t, time.Now().Add(-30*days), *oldest, time.Hour)
	var rows, payloads int
	require.NoError(t, w.owner.QueryRow(t.Context(), "SELECT count(*), count(*) FILTER (WHERE payload <> '') FROM billing_events").Scan(&rows, &payloads))
	require.Equal(t, 5, rows)
	require.Equal(t, 3, payloads)
}

func TestOneTurnIsTakenByOneWorker(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := postgres.NewRetention(w.open(t, testkit.Worker)), postgres.NewRetention(w.open(t, testkit.Worker))
	taken := make(chan bool, 8)
	for i := range cap(taken) {
		go func() {
			mine, err := []*postgres.Retention{a, b}[i%2].TakeTurn(t.Context(), time.Hour)
			taken <- mine && err == nil
		}()
	}
	turns := 0
	for range cap(taken) {
		if <-taken {
			turns++
		}
	}
	require.Equal(t, 1, turns)
	mine, err := a.TakeTurn(t.Context(), time.Nanosecond)
	require.NoError(t, err)
	require.True(t, mine)
}
