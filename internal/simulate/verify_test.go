package simulate_test

import (
	"bytes"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/messaging"
	"waybill/internal/simulate"
)

var storm = simulate.Weather{Early: 0.2, Duplicate: 0.3, Reorder: 0.5, Forge: 0.1, CrossTenant: 0.2}

type rowKey struct {
	org events.OrgID
	row events.RowID
}

// record is what a Waybill has on record. It is filled by the domain's own
// rules, which the simulator does not share.
type record struct {
	rows      map[rowKey]messaging.Message
	timeline  []history.TimelineEntry
	repeats   map[events.EventID]int64
	held      map[events.EventID]events.Outcome
	campaigns map[string]history.Campaign
	status    []events.Record
	snapshots []events.Record
	billing   map[string]history.Found
	lag       int64
}

// perfect applies everything that was told once, in any order.
func perfect(t *testing.T, r *simulate.Rehearsal, seed uint64) *record {
	t.Helper()
	rec := &record{
		rows: map[rowKey]messaging.Message{}, repeats: map[events.EventID]int64{}, held: map[events.EventID]events.Outcome{},
		campaigns: map[string]history.Campaign{}, billing: map[string]history.Found{},
	}
	told := r.Told()
	for _, e := range told { // Stripe's clock decides, so the order stays
		if e.Subscription == "" {
			continue
		}
		f := rec.billing[e.Subscription]
		f.Events = append(f.Events, history.Event{ID: e.ID})
		if len(f.Resources) == 0 || f.Resources[0].Status != "canceled" {
			f.Resources = []history.Resource{{Status: e.Status}}
		}
		rec.billing[e.Subscription] = f
	}
	rand.New(rand.NewPCG(seed, 9)).Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
	for i := range told {
		rec.apply(t, &told[i])
	}
	for id, org := range r.Campaigns() {
		rec.count(t, org, id)
	}
	return rec
}

func (rec *record) apply(t *testing.T, e *simulate.Told) {
	t.Helper()
	switch {
	case e.Subscription != "":
		return
	case e.Stranger:
		rec.held[e.ID] = events.Quarantined
		return
	}
	key := rowKey{e.Org, e.Row}
	row, exists := rec.rows[key]
	m := events.Message{
		EventID: e.ID, Org: e.Org, Row: e.Row, Status: e.Status, ErrorCode: e.Code, ProviderID: e.ProviderID, MessageID: e.MessageID,
		CampaignID: e.Campaign, Direction: e.Direction, ReceivedAt: time.Now(),
	}
	if strings.HasPrefix(string(e.ID), string(events.Sender)+"/") {
		m.Kind = events.KindSend
	}
	after, step := messaging.Fold(row, exists, &m)
	rec.rows[key] = after
	rec.timeline = append(rec.timeline, history.TimelineEntry{Org: e.Org, Row: e.Row, Event: e.ID})
	if e.Times > 1 {
		rec.repeats[e.ID] = e.Times - 1
	}
	if step.Transition {
		s := messaging.StatusEvent(&after, &m, step)
		out, err := s.Record()
		require.NoError(t, err)
		rec.status = append(rec.status, out)
	}
}

func (rec *record) count(t *testing.T, org events.OrgID, id string) {
	t.Helper()
	c := history.Campaign{Org: org, ID: id, Counters: map[string]int64{}, Reached: map[string]int64{}, Recounted: map[string]int64{}}
	for key := range rec.rows {
		m := rec.rows[key]
		if m.CampaignID != id {
			continue
		}
		c.Counters[m.Status]++
		c.Recounted[m.Status]++
		for _, s := range messaging.Statuses() {
			if m.Reached&(1<<s.Bit) != 0 {
				c.Reached[s.Name]++
			}
		}
	}
	rec.campaigns[id] = c
	s := events.CampaignStatus{Org: org, CampaignID: id, Counters: maps.Clone(c.Counters), Reached: maps.Clone(c.Reached), Version: 1}
	out, err := s.Record()
	require.NoError(t, err)
	rec.snapshots = append(rec.snapshots, out)
}

func (rec *record) EachMessage(_ context.Context, orgs []events.OrgID, fn func(history.MessageRow)) error {
	for key := range rec.rows {
		if m := rec.rows[key]; slices.Contains(orgs, key.org) {
			fn(history.MessageRow{
				Org: key.org, Row: key.row, Direction: m.Direction, CampaignID: m.CampaignID,
				Status: m.Status, ErrorCode: m.ErrorCode, Version: m.Version,
			})
		}
	}
	return nil
}

func (rec *record) EachEvent(_ context.Context, orgs []events.OrgID, fn func(history.TimelineEntry)) error {
	for _, e := range rec.timeline {
		if slices.Contains(orgs, e.Org) {
			fn(e)
		}
	}
	return nil
}

func (rec *record) EachRepeat(_ context.Context, _ time.Time, fn func(events.EventID, int64)) error {
	for id, n := range rec.repeats {
		fn(id, n)
	}
	return nil
}

func (rec *record) EachHeld(_ context.Context, fn func(events.EventID, events.Outcome)) error {
	for id, state := range rec.held {
		fn(id, state)
	}
	return nil
}

func (rec *record) CampaignsByID(_ context.Context, id string, _ events.OrgID) ([]history.Campaign, error) {
	return []history.Campaign{rec.campaigns[id]}, nil
}

func (rec *record) Find(_ context.Context, q history.Query) (history.Found, error) {
	return rec.billing[q.ID], nil
}

func (rec *record) Lag(context.Context) (int64, error) { return rec.lag, nil }

func (rec *record) Scan(_ context.Context, topic string, fn func([]events.Record) error) error {
	if topic == events.TopicStatusCampaigns {
		return fn(rec.snapshots)
	}
	return fn(rec.status)
}

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
	for range 20 {
		seed := rand.Uint64()
		r := simulate.Rehearse(seed, 1000, storm)
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
		if !e.Stranger && e.Subscription == "" && e.Campaign != "" && e.Status == "delivered" &&
			rec.rows[rowKey{e.Org, e.Row}].Status == "delivered" {
			return e
		}
	}
	require.FailNow(t, "no message was delivered")
	return simulate.Told{}
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
			for id, org := range r.Campaigns() {
				if org == e.Org {
					continue
				}
				for i := range rec.timeline {
					if rec.timeline[i].Event == e.ID {
						rec.timeline[i].Org = org
					}
				}
				_ = id
				return
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
			r := simulate.Rehearse(7, 300, storm)
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
	r := simulate.Rehearse(7, 300, storm)
	whole := perfect(t, r, 7)
	r.Unsure(whole.first(t, r).ID)
	require.Zero(t, verify(t, r, whole).Difference, "it was taken")

	r = simulate.Rehearse(7, 300, storm)
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
