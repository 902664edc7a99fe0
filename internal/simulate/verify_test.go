package simulate_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/simulate"
)

var storm = simulate.Weather{Early: 0.2, Duplicate: 0.3, Reorder: 0.5, Forge: 0.1, CrossTenant: 0.2}

func verify(t *testing.T, r *simulate.Rehearsal, rec *record) simulate.Report {
	t.Helper()
	report, err := r.Verify(t.Context(), rec, rec)
	require.NoError(t, err)
	return report
}

// The simulator's own account of the rules comes to what the domain's rules
// come to, in any order.
func TestWhatIsRightIsFoundRight(t *testing.T) {
	t.Parallel()
	for range 5 {
		seed := rand.Uint64()
		r := rehearse(t, seed, 400, storm)
		report := verify(t, r, perfect(t, r, seed))
		require.Zero(t, report.Difference, "seed %d: %v", seed, report.Examples)
		for _, c := range report.Checks {
			if c.What != "answers" {
				require.Positive(t, c.Compared, "%s compared nothing", c.What)
			}
		}
	}
}

// about tells whether a status event is about an event's message.
func about(e *simulate.Told) func(events.Record) bool {
	key := events.StatusKey(e.Org, string(e.Row))
	return func(rec events.Record) bool { return bytes.Equal(rec.Key, key) }
}

// first returns a message that somebody sent, by the event that decides its status.
func (rec *record) first(t *testing.T, r *simulate.Rehearsal) simulate.Told {
	t.Helper()
	for _, e := range r.Told() {
		if !e.Stranger && e.Channel == events.SMS && e.Campaign != "" && e.Status == "delivered" &&
			rec.rows[rowKey{e.Org, e.Row}].Status == "delivered" {
			return e
		}
	}
	require.FailNow(t, "no message was delivered")
	return simulate.Told{}
}

// spoil changes one row of a kind that has a status.
func (rec *record) spoil(t *testing.T, kind, status string, change func(*history.Row)) {
	t.Helper()
	for key, row := range rec.rows {
		if row.Kind == kind && row.Status == status {
			change(&row)
			rec.rows[key] = row
			return
		}
	}
	require.FailNow(t, "no row is "+status)
}

// spoilFact changes a fact wherever it is known.
func (rec *record) spoilFact(name string, change func(*history.Fact)) {
	for _, row := range rec.rows {
		if f, ok := row.Facts[name]; ok {
			change(&f)
			row.Facts[name] = f
		}
	}
}

// Every way in which a Waybill could be wrong that these checks are there for.
func TestWhatIsWrongIsFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		check string
		spoil func(t *testing.T, r *simulate.Rehearsal, rec *record, e simulate.Told)
	}{
		{"answers", func(_ *testing.T, r *simulate.Rehearsal, _ *record, _ simulate.Told) { r.ForgedTaken() }},
		{"events applied once", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, e simulate.Told) { // lost
			rec.timeline = slices.DeleteFunc(rec.timeline, func(x history.TimelineEntry) bool { return x.Event == e.ID })
		}},
		{"events applied once", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, e simulate.Told) { // twice
			rec.timeline = append(rec.timeline, history.TimelineEntry{Org: e.Org, Row: e.Row, Event: e.ID})
		}},
		{"events applied once", func(_ *testing.T, r *simulate.Rehearsal, rec *record, e simulate.Told) { // to another organisation's row
			other := r.Cast().Tenants[0].Org
			if other == e.Org {
				other = r.Cast().Tenants[1].Org
			}
			for i := range rec.timeline {
				if rec.timeline[i].Event == e.ID {
					rec.timeline[i].Org = other
				}
			}
		}},
		{"events applied once", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, e simulate.Told) { // out of nothing
			rec.timeline = append(rec.timeline, history.TimelineEntry{Org: e.Org, Row: e.Row, Event: "twilio/x"})
		}},
		{"repeats counted", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, e simulate.Told) { rec.repeats[e.ID]++ }},
		{"rows", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, e simulate.Told) { // fell back
			m := rec.rows[rowKey{e.Org, e.Row}]
			m.Status = "sent"
			rec.rows[rowKey{e.Org, e.Row}] = m
		}},
		{"rows", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, e simulate.Told) {
			delete(rec.rows, rowKey{e.Org, e.Row})
		}},
		{"rows", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, e simulate.Told) { // one too many
			rec.rows[rowKey{e.Org, events.RowID(uuid.NewString())}] = rec.rows[rowKey{e.Org, e.Row}]
		}},
		{"rows", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, e simulate.Told) { // another campaign
			m := rec.rows[rowKey{e.Org, e.Row}]
			m.CampaignID = uuid.NewString()
			rec.rows[rowKey{e.Org, e.Row}] = m
		}},
		{"rows", func(t *testing.T, _ *simulate.Rehearsal, rec *record, _ simulate.Told) { // an e-mail whose bounce after delivery is thrown away
			rec.spoil(t, history.EmailMessage, "bounced_permanent", func(row *history.Row) { row.Status, row.ErrorCode = "delivered", "" })
		}},
		{"rows", func(t *testing.T, _ *simulate.Rehearsal, rec *record, _ simulate.Told) { // a contact that nobody answered
			rec.spoil(t, history.Call, "no_answer", func(row *history.Row) { row.Status = "completed" })
		}},
		{"recipients", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, _ simulate.Told) { // somebody else's bounce
			at := slices.IndexFunc(rec.recipients, func(r history.RecipientRow) bool { return r.Status == "delivered" })
			rec.recipients[at].Status = "bounced_permanent"
		}},
		{"recipients", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, _ simulate.Told) {
			rec.recipients = rec.recipients[1:]
		}},
		{"facts", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, _ simulate.Told) { // a repeated open is counted
			rec.spoilFact("opens", func(f *history.Fact) { f.Count++ })
		}},
		{"facts", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, _ simulate.Told) {
			rec.spoilFact("duration", func(f *history.Fact) { f.Value = "0" })
		}},
		{"recordings", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, _ simulate.Told) {
			rec.recordings[0].Status = "in_progress"
		}},
		{"recordings", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, _ simulate.Told) {
			rec.recordings = rec.recordings[1:]
		}},
		{"strangers quarantined", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, _ simulate.Told) { clear(rec.held) }},
		{"nothing else held", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, e simulate.Told) { rec.held[e.ID] = events.Dead }},
		{"campaign counters", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, e simulate.Told) { // counted on a duplicate
			rec.campaigns[e.Campaign].Counters["delivered"]++
		}},
		{"campaign counters", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, e simulate.Told) {
			rec.campaigns[e.Campaign].Reached["sent"]--
		}},
		{"status events", func(t *testing.T, _ *simulate.Rehearsal, rec *record, e simulate.Told) { // one was never published
			at := slices.IndexFunc(rec.status, about(&e))
			require.GreaterOrEqual(t, at, 0)
			rec.status = slices.Delete(rec.status, at, at+1)
		}},
		{"status events", func(t *testing.T, _ *simulate.Rehearsal, rec *record, e simulate.Told) { // in another order
			var at []int
			for i := range rec.status {
				if about(&e)(rec.status[i]) {
					at = append(at, i)
				}
			}
			require.NotEmpty(t, at)
			s, err := events.DecodeStatus(&rec.status[at[len(at)-1]])
			require.NoError(t, err)
			s.Version++ // a gap, or a version that the row never had
			rec.status[at[len(at)-1]], err = s.Record()
			require.NoError(t, err)
		}},
		{"status events", func(t *testing.T, _ *simulate.Rehearsal, rec *record, _ simulate.Told) { // a call's last was never published
			at := slices.IndexFunc(rec.status, func(r events.Record) bool { return r.Topic == events.TopicStatusCalls })
			require.GreaterOrEqual(t, at, 0)
			rec.status = slices.Delete(rec.status, at, at+1)
		}},
		{"status events", func(t *testing.T, _ *simulate.Rehearsal, rec *record, _ simulate.Told) { // a recipient is left out
			at := slices.IndexFunc(rec.status, func(r events.Record) bool {
				s, err := events.DecodeStatus(&r)
				return err == nil && len(s.Recipients) > 0 && rec.rows[rowKey{s.Org, s.ID}].Version == s.Version
			})
			require.GreaterOrEqual(t, at, 0)
			s, err := events.DecodeStatus(&rec.status[at])
			require.NoError(t, err)
			s.Recipients[0].Status = "sent"
			rec.status[at], err = s.Record()
			require.NoError(t, err)
		}},
		{"campaign snapshots", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, _ simulate.Told) {
			rec.snapshots = rec.snapshots[1:]
		}},
		{"subscriptions", func(_ *testing.T, _ *simulate.Rehearsal, rec *record, _ simulate.Told) {
			for id, f := range rec.billing {
				f.Resources = nil
				rec.billing[id] = f
			}
		}},
	} {
		t.Run(c.check, func(t *testing.T) {
			t.Parallel()
			r := rehearse(t, 7, 150, storm)
			rec := perfect(t, r, 7)
			c.spoil(t, r, rec, rec.first(t, r))
			report := verify(t, r, rec)
			require.Positive(t, report.Difference)
			for _, found := range report.Checks {
				if found.What == c.check {
					require.Positive(t, found.Different, "%v", report.Checks)
				}
			}
			require.NotEmpty(t, report.Examples)
		})
	}
}

// A callback that was never answered may be on record or not.
func TestWhatMayBeIsRightEitherWay(t *testing.T) {
	t.Parallel()
	r := rehearse(t, 7, 150, storm)
	whole := perfect(t, r, 7)
	r.Unsure(whole.first(t, r).ID)
	require.Zero(t, verify(t, r, whole).Difference, "it was taken")

	r = rehearse(t, 7, 150, storm)
	var e simulate.Told
	for _, told := range r.Told() { // an event that decides nothing, so that leaving it out is easy
		if told.Status == "received" && told.Times == 1 {
			e = told
		}
	}
	without := perfect(t, r, 7)
	delete(without.rows, rowKey{e.Org, e.Row})
	without.timeline = slices.DeleteFunc(without.timeline, func(x history.TimelineEntry) bool { return x.Event == e.ID })
	without.status = slices.DeleteFunc(without.status, about(&e))
	require.Positive(t, verify(t, r, without).Difference, "it was acknowledged")
	r.Unsure(e.ID)
	require.Zero(t, verify(t, r, without).Difference, "it was not taken")
}
