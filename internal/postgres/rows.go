package postgres

import (
	"slices"

	"github.com/jackc/pgx/v5"

	"waybill/internal/campaign"
	"waybill/internal/events"
)

// table describes one kind of row to a batch: how it is read, changed and
// written. R is the row, E the event that changes it.
type table[R, E any] struct {
	name   string // as in the timeline
	medium campaign.Medium
	// prepare adds what must be known of the rows before their events are
	// folded; it may change the events. nil = nothing.
	prepare func(b *pgx.Batch, org events.OrgID, all []*E)
	// lock reads and locks rows by id, in the order of the ids.
	lock func(b *pgx.Batch, org events.OrgID, ids []string, found func(events.RowID, R))
	fold func(row R, exists bool, e *E) (R, events.Step)
	// status makes the status event of a transition, from the row as it was
	// behind it and as it is at the end of the batch.
	status func(then, now *R, e *E, s events.Step) events.Status
	member func(*R) member
	// bitName names the status of a bit of what a member reached.
	bitName func(bit int) string
	write   func(b *pgx.Batch, org events.OrgID, rows []*row[R]) error
	// replay is the statement that brings status events back from the timeline.
	// Its arguments are organisation, event ids, and when each was applied.
	replay string
	class  func(code string) string // of an error code
}

// row is a row before and after the batch.
type row[R any] struct {
	before, after R
	exists, dirty bool
}

// rowSet is the rows of one kind of one organisation that a batch is about.
type rowSet[R, E any] struct {
	table  *table[R, E]
	events []*E // for the table to prepare, if it wants to
	rows   map[events.RowID]*row[R]
	ids    []string
}

func newRowSet[R, E any](t *table[R, E]) *rowSet[R, E] {
	return &rowSet[R, E]{table: t, rows: map[events.RowID]*row[R]{}}
}

func (s *rowSet[R, E]) resource() string { return s.table.name }

func (s *rowSet[R, E]) take(e *E, id events.RowID) {
	if s.table.prepare != nil {
		s.events = append(s.events, e)
	}
	if s.rows[id] == nil {
		s.rows[id] = &row[R]{}
		s.ids = append(s.ids, string(id))
	}
}

func (s *rowSet[R, E]) queueLock(b *pgx.Batch, org events.OrgID) {
	if len(s.ids) == 0 {
		return
	}
	slices.Sort(s.ids)
	if s.table.prepare != nil {
		s.table.prepare(b, org, s.events)
	}
	s.table.lock(b, org, s.ids, func(id events.RowID, r R) {
		*s.rows[id] = row[R]{before: r, after: r, exists: true}
	})
}

func (s *rowSet[R, E]) fold(e *E, id events.RowID) (events.Step, func() events.Status) {
	row := s.rows[id]
	after, step := s.table.fold(row.after, row.exists || row.dirty, e)
	if !step.Outcome.Final() {
		return step, nil
	}
	row.after, row.dirty = after, row.dirty || step.Changed
	if !step.Transition {
		return step, nil
	}
	return step, func() events.Status { return s.table.status(&after, &row.after, e, step) }
}

// changed returns the rows to be written, in the order of their ids.
func (s *rowSet[R, E]) changed() []*row[R] {
	out := make([]*row[R], 0, len(s.ids))
	for _, id := range s.ids {
		if r := s.rows[events.RowID(id)]; r.dirty {
			out = append(out, r)
		}
	}
	return out
}

func (s *rowSet[R, E]) links(org events.OrgID, l *links) {
	for id, r := range s.rows {
		if !r.dirty {
			continue
		}
		var before member
		if r.exists {
			before = s.table.member(&r.before)
		}
		l.count(org, s.table.medium, events.Lane(id), before, s.table.member(&r.after), s.table.bitName)
	}
}

func (s *rowSet[R, E]) queueWrite(b *pgx.Batch, org events.OrgID) error {
	if rows := s.changed(); len(rows) > 0 {
		return s.table.write(b, org, rows)
	}
	return nil
}

func (s *rowSet[R, E]) queueReplay(b *pgx.Batch, org events.OrgID, r replays, out *[]events.Status) {
	queueReplay(b, s.table.replay, s.table.class, org, r, out)
}

// column returns one value of each row's new state, as an argument of a
// statement that unnests its arguments.
func column[T, R any](rows []*row[R], value func(*R) T) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = value(&r.after)
	}
	return out
}
