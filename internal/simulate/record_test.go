package simulate_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/email"
	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/history"
	"waybill/internal/messaging"
	"waybill/internal/provider"
	"waybill/internal/simulate"
	"waybill/internal/voice"
)

type rowKey struct {
	org events.OrgID
	row events.RowID
}

// record is what a Waybill has on record. It is filled by the providers' parsers
// and the domains' own rules, which the simulator does not share.
type record struct {
	messages map[rowKey]messaging.Message
	emails   map[rowKey]email.Message
	calls    map[rowKey]voice.Call

	rows       map[rowKey]history.Row
	reached    map[rowKey][]string
	recipients []history.RecipientRow
	recordings []history.RecordingRow
	timeline   []history.TimelineEntry
	repeats    map[events.EventID]int64
	held       map[events.EventID]events.Outcome
	campaigns  map[string]history.Campaign
	status     []events.Record
	snapshots  []events.Record
	billing    map[string]history.Found
	lag        int64
}

// perfect applies everything that was told once, in any order.
func perfect(t *testing.T, r *simulate.Rehearsal, seed uint64) *record {
	t.Helper()
	rec := &record{
		messages: map[rowKey]messaging.Message{}, emails: map[rowKey]email.Message{}, calls: map[rowKey]voice.Call{},
		rows: map[rowKey]history.Row{}, reached: map[rowKey][]string{},
		repeats: map[events.EventID]int64{}, held: map[events.EventID]events.Outcome{},
		campaigns: map[string]history.Campaign{}, billing: map[string]history.Found{},
	}
	parsed := map[events.EventID]provider.Parsed{}
	for _, l := range r.Letters() {
		if len(l.IDs) == 0 {
			continue // forged
		}
		for _, p := range parse(t, &l) {
			parsed[p.EventID] = p
		}
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
		rec.apply(t, &told[i], parsed[told[i].ID])
	}
	rec.show()
	for id, org := range r.Cast().Campaigns() {
		rec.count(t, org, id)
	}
	return rec
}

func (rec *record) apply(t *testing.T, e *simulate.Told, p provider.Parsed) {
	t.Helper()
	switch {
	case e.Subscription != "":
		return
	case e.Stranger:
		rec.held[e.ID] = events.Quarantined
		return
	}
	key := rowKey{e.Org, e.Row}
	rec.timeline = append(rec.timeline, history.TimelineEntry{Org: e.Org, Row: e.Row, Event: e.ID})
	if e.Times > 1 {
		rec.repeats[e.ID] = e.Times - 1
	}
	var status *events.Status
	switch e.Channel {
	case events.Voice:
		status = rec.call(key, e, p.Call)
	case events.Email:
		status = rec.email(key, e, p.Message)
	default:
		status = rec.message(key, e, p.Message)
	}
	if status != nil {
		out, err := status.Record()
		require.NoError(t, err)
		rec.status = append(rec.status, out)
	}
}

func (rec *record) message(key rowKey, e *simulate.Told, m *events.Message) *events.Status {
	m.EventID, m.Org, m.Row = e.ID, e.Org, e.Row
	row, exists := rec.messages[key]
	after, step := messaging.Fold(row, exists, m)
	rec.messages[key] = after
	if !step.Transition {
		return nil
	}
	s := messaging.StatusEvent(&after, m, step)
	return &s
}

func (rec *record) email(key rowKey, e *simulate.Told, m *events.Message) *events.Status {
	m.EventID, m.Org, m.Row = e.ID, e.Org, e.Row
	row, exists := rec.emails[key]
	after, step := email.Fold(row, exists, m)
	for address, r := range after.Recipients {
		if r.ID == "" {
			r.ID = uuid.NewString()
			after.Recipients[address] = r
		}
	}
	rec.emails[key] = after
	if !step.Transition {
		return nil
	}
	s := email.StatusEvent(&after, m, step)
	return &s
}

func (rec *record) call(key rowKey, e *simulate.Told, c *events.Call) *events.Status {
	c.EventID, c.Org, c.Row = e.ID, e.Org, e.Row
	row, exists := rec.calls[key]
	after, step := voice.Fold(row, exists, c)
	rec.calls[key] = after
	if !step.Transition {
		return nil
	}
	s := voice.StatusEvent(&after, c, step)
	return &s
}

// show writes down the rows as a store would give them.
func (rec *record) show() {
	for key, m := range rec.messages {
		rec.rows[key] = history.Row{
			Kind: history.SMSMessage, Org: key.org, Row: key.row, Direction: m.Direction, CampaignID: m.CampaignID,
			Status: m.Status, ErrorCode: m.ErrorCode, Version: m.Version,
		}
		rec.reached[key] = bits(m.Reached, messaging.BitName)
	}
	for key, m := range rec.emails {
		rec.rows[key] = history.Row{
			Kind: history.EmailMessage, Org: key.org, Row: key.row, Direction: events.Outbound, CampaignID: m.CampaignID,
			Status: m.Status, ErrorCode: m.ErrorCode, Version: m.Version, Facts: known(m.Facts),
		}
		rec.reached[key] = bits(m.Reached, email.BitName)
		for address, r := range m.Recipients {
			rec.recipients = append(rec.recipients, history.RecipientRow{
				Org: key.org, Row: key.row, Recipient: history.Recipient{ID: r.ID, Address: address, Status: r.Status, ErrorCode: r.ErrorCode},
			})
		}
	}
	for key, c := range rec.calls {
		rec.rows[key] = history.Row{
			Kind: history.Call, Org: key.org, Row: key.row, Direction: c.Direction, CampaignID: c.CampaignID,
			Status: c.Status, ErrorCode: c.ErrorCode, Version: c.Version, Facts: known(c.Facts),
		}
		rec.reached[key] = bits(voice.Reached(&c), voice.BitName)
		for id, r := range c.Recordings {
			rec.recordings = append(rec.recordings, history.RecordingRow{
				Org: key.org, Row: key.row, Recording: history.Recording{ProviderID: id, Status: r.Status, Duration: r.Duration, Location: r.Location},
			})
		}
	}
}

func known(all facts.Known) map[string]history.Fact {
	out := map[string]history.Fact{}
	for name, m := range all {
		out[name] = history.Fact{Count: m.Count, Value: m.Value}
	}
	return out
}

func bits(set uint64, name func(int) string) (names []string) {
	for bit := range 64 {
		if set&(1<<bit) != 0 {
			names = append(names, name(bit))
		}
	}
	return names
}

func (rec *record) count(t *testing.T, org events.OrgID, id string) {
	t.Helper()
	c := history.Campaign{Org: org, ID: id, Counters: map[string]int64{}, Reached: map[string]int64{}, Recounted: map[string]int64{}}
	for key, row := range rec.rows {
		if row.CampaignID != id {
			continue
		}
		c.Counters[row.Status]++
		c.Recounted[row.Status]++
		for _, status := range rec.reached[key] {
			c.Reached[status]++
		}
	}
	rec.campaigns[id] = c
	s := events.CampaignStatus{Org: org, CampaignID: id, Counters: maps.Clone(c.Counters), Reached: maps.Clone(c.Reached), Version: 1}
	out, err := s.Record()
	require.NoError(t, err)
	rec.snapshots = append(rec.snapshots, out)
}

func (rec *record) EachRow(_ context.Context, orgs []events.OrgID, fn func(history.Row)) error {
	for key, row := range rec.rows {
		if slices.Contains(orgs, key.org) {
			row.Row = key.row
			fn(row)
		}
	}
	return nil
}

func (rec *record) EachRecipient(_ context.Context, _ []events.OrgID, fn func(history.RecipientRow)) error {
	for _, r := range rec.recipients {
		fn(r)
	}
	return nil
}

func (rec *record) EachRecording(_ context.Context, _ []events.OrgID, fn func(history.RecordingRow)) error {
	for _, r := range rec.recordings {
		fn(r)
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

// Scan gives what was published on a topic.
func (rec *record) Scan(_ context.Context, topic string, fn func([]events.Record) error) error {
	if topic == events.TopicStatusCampaigns {
		return fn(rec.snapshots)
	}
	var out []events.Record
	for _, r := range rec.status {
		if r.Topic == topic {
			out = append(out, r)
		}
	}
	return fn(out)
}
