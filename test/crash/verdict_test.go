package crash_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
)

// verdict compares what is on record with the model.
type verdict struct {
	t                                *testing.T
	db                               *pgx.Conn
	p                                *program
	lost, twice, wrong, differ, told int
	examples                         []string
	versions                         map[string]int64 // of rows, by SID
}

func newVerdict(t *testing.T, p *program) *verdict {
	t.Helper()
	db, err := pgx.Connect(t.Context(), p.ready.DatabaseURL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	return &verdict{t: t, db: db, p: p, versions: map[string]int64{}}
}

func (v *verdict) example(s string) {
	if len(v.examples) < 10 {
		v.examples = append(v.examples, s)
	}
}

// rows: every message has the status, code, campaign and organisation of the model.
func (v *verdict) rows(l *load) {
	type row struct {
		org, id, campaign, status, code string
		version                         int64
	}
	have := map[string]row{}
	rows, err := v.db.Query(v.t.Context(), "SELECT provider_id, org_id::text, id::text, coalesce(campaign_id::text, ''), status, error_code, version FROM sms_messages")
	require.NoError(v.t, err)
	var sid string
	var r row
	_, err = pgx.ForEachRow(rows, []any{&sid, &r.org, &r.id, &r.campaign, &r.status, &r.code, &r.version}, func() error {
		have[sid] = r
		return nil
	})
	require.NoError(v.t, err)
	for _, m := range l.model {
		want := row{org: l.p.seed.Orgs[m.org].ID, id: m.id, campaign: m.campaign, status: m.final, code: m.code}
		got, ok := have[m.sid]
		v.versions[m.sid] = got.version
		got.version = 0
		switch {
		case !ok:
			v.lost++
			v.example("no row of " + m.sid)
		case got != want:
			v.wrong++
			v.example("wrong row of " + m.sid + ": " + got.status)
		}
	}
	require.Len(v.t, have, len(l.model), "rows that nobody sent")
}

// events: every acknowledged callback and send has its outcome, once, and a
// version for each accepted transition.
func (v *verdict) events(l *load) {
	seen := map[string]int{}
	rows, err := v.db.Query(v.t.Context(), "SELECT event_id FROM events")
	require.NoError(v.t, err)
	var id string
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error { seen[id]++; return nil })
	require.NoError(v.t, err)
	for _, m := range l.model {
		for _, s := range m.statuses {
			code := ""
			if s == m.final {
				code = m.code
			}
			v.once(seen, string(events.NewEventID(events.Twilio, l.accounts[m.org].Account, events.KindMessageStatus, m.sid, s, code)))
		}
		send := events.Send{Org: events.OrgID(l.p.seed.Orgs[m.org].ID), MessageID: m.id, ProviderID: m.sid, Status: "accepted"}
		v.once(seen, string(send.ID()))
	}
	require.Empty(v.t, seen, "events that nobody sent")
}

func (v *verdict) once(seen map[string]int, id string) {
	switch n := seen[id]; {
	case n == 0:
		v.lost++
		v.example("lost " + id)
	case n > 1:
		v.twice++
		v.example("twice " + id)
	}
	delete(seen, id)
}

// counters: kept = model, by campaign and status.
func (v *verdict) counters(l *load) {
	want := map[string]int64{}
	for _, m := range l.model {
		want[m.campaign+" "+m.final]++
	}
	rows, err := v.db.Query(v.t.Context(), "SELECT campaign_id::text || ' ' || status, sum(messages)::bigint FROM campaign_counters GROUP BY 1 HAVING sum(messages) <> 0")
	require.NoError(v.t, err)
	var key string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&key, &n}, func() error {
		if want[key] != n {
			v.differ++
			v.example("counter of " + key)
		}
		delete(want, key)
		return nil
	})
	require.NoError(v.t, err)
	v.differ += len(want)
}

// statusEvents: senders were told every version of every message, and last of
// all its final status.
func (v *verdict) statusEvents(l *load) {
	kafka, err := kafkabus.New(kafkabus.Config{Brokers: []string{v.p.ready.KafkaBrokers}}, slog.New(slog.DiscardHandler), nil)
	require.NoError(v.t, err)
	defer func() { _ = kafka.Close(context.Background()) }()
	type story struct {
		next   int64 // the version that a consumer waits for
		status string
	}
	told := map[string]*story{}
	err = kafka.Scan(v.t.Context(), events.TopicStatusMessages, func(records []events.Record) error {
		for i := range records {
			s, err := events.DecodeMessageStatus(&records[i])
			if err != nil {
				return err
			}
			st := told[string(s.ID)]
			if st == nil {
				st = &story{next: 1}
				told[string(s.ID)] = st
			}
			if s.Version == st.next { // lower ones are repeats, which consumers drop
				st.next, st.status = st.next+1, s.Status
			}
		}
		return nil
	})
	require.NoError(v.t, err)
	for _, m := range l.model {
		st := told[m.id]
		if st == nil || st.status != m.final || st.next-1 != v.versions[m.sid] {
			v.told++
			v.example("status events of " + m.sid)
		}
	}
}
