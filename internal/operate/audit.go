package operate

import (
	"context"
	"fmt"
	"time"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/history"
)

// Ledger is where the outcome of every event is on record.
type Ledger interface {
	// Standings calls fn with where every receipt stands that was settled
	// since a time; a receipt may come more than once.
	Standings(ctx context.Context, since time.Time, fn func(history.Standing)) error
	// Recount compares every campaign's counters with its rows.
	Recount(ctx context.Context) (campaigns int, differences []history.Difference, err error)
	// Gaps counts what outcomes, timelines and rows disagree about, so far as
	// it was settled since a time.
	Gaps(ctx context.Context, since time.Time) ([]history.Gap, error)
}

// Log is what an audit needs of the broker.
type Log interface {
	Scan(ctx context.Context, topic string, fn func(records []events.Record) error) error
	Offsets(ctx context.Context, group, topic string) ([]bus.Assignment, error)
}

// Balance says whether what was received adds up with what became of it:
//
//	receipts = final + held + duplicates + in flight + missing
//
// A receipt that stands in several places counts once, as the first of these.
// Its JSON names are promises.
type Balance struct {
	Balanced    bool                   `json:"balanced"` // nothing is missing, no gap, and every campaign's counters equal its rows
	Since       *time.Time             `json:"since"`    // null = everything that the topics still hold
	Receipts    int                    `json:"receipts"` // distinct, in the raw topics and the sends topic
	Final       map[events.Outcome]int `json:"final"`
	Held        map[events.Outcome]int `json:"held"`
	Duplicates  int                    `json:"duplicates"`
	InFlight    int                    `json:"in_flight"` // not yet consumed, or routed and not yet applied
	Missing     int                    `json:"missing"`
	MissingAt   []events.Position      `json:"missing_at"` // the first few
	Records     int                    `json:"records"`    // as read: repeats of a receipt too
	Campaigns   int                    `json:"campaigns"`
	Differences []history.Difference   `json:"campaign_differences"`
	Gaps        []history.Gap          `json:"gaps"` // between outcomes, timelines and rows
	Lag         map[string]int64       `json:"lag"`  // records that a group has not consumed, by topic; zeros left out
}

// Audit compares every receipt in the topics with the ledger, one by one. It
// keeps about 100 bytes of memory a receipt.
//
// What looks missing is looked for again, a second apart: an event that is
// being released stands nowhere for a moment.
type Audit struct {
	Ledger Ledger
	Log    Log
	// Progress is told what is being done; it may be nil.
	Progress func(what string)
}

const (
	auditAttempts = 3
	auditPause    = time.Second
	maxMissingAt  = 20
	lagPoll       = 250 * time.Millisecond
	// settledBefore is how much earlier than its record a receipt may have
	// been settled by the clocks of broker and database.
	settledBefore = time.Hour
)

// Run audits what was received since a time; the zero time means everything
// that the topics still hold.
func (a *Audit) Run(ctx context.Context, since time.Time) (Balance, error) {
	for attempt := 1; ; attempt++ {
		b, err := a.once(ctx, since)
		if err != nil || b.Missing == 0 || attempt == auditAttempts {
			return b, err
		}
		a.say("%d receipts look missing, looking again", b.Missing)
		if err := pause(ctx, auditPause); err != nil {
			return b, err
		}
	}
}

func (a *Audit) once(ctx context.Context, since time.Time) (Balance, error) {
	rs, err := a.scan(ctx, since)
	if err != nil {
		return Balance{}, err
	}
	// The positions before the ledger: what was consumed by now is on record by then.
	pos, err := a.positions(ctx)
	if err != nil {
		return Balance{}, err
	}
	a.say("comparing %d receipts with the ledger", len(rs.at))
	if !since.IsZero() {
		if err := a.Ledger.Standings(ctx, since.Add(-settledBefore), rs.stand); err != nil {
			return Balance{}, err
		}
	}
	if since.IsZero() || rs.anyMissing() { // a receipt that was published again may have been settled long ago
		if err := a.Ledger.Standings(ctx, time.Time{}, rs.stand); err != nil {
			return Balance{}, err
		}
	}
	b := rs.balance(pos)
	if !since.IsZero() {
		b.Since = &since
	}
	a.say("recounting campaigns")
	b.Campaigns, b.Differences, err = a.Ledger.Recount(ctx)
	if b.Differences == nil {
		b.Differences = []history.Difference{}
	}
	if err != nil {
		return b, err
	}
	a.say("comparing outcomes, timelines and rows")
	b.Gaps, err = a.Ledger.Gaps(ctx, since)
	if b.Gaps == nil {
		b.Gaps = []history.Gap{}
	}
	b.Balanced = b.Missing == 0 && len(b.Differences) == 0 && len(b.Gaps) == 0
	return b, err
}

// scan reads which receipts there are.
func (a *Audit) scan(ctx context.Context, since time.Time) (*receipts, error) {
	rs := &receipts{at: map[receiptID]receipt{}, outcomes: []events.Outcome{""}}
	for topic, name := range events.RouterTopics {
		a.say("reading %s", name)
		err := a.Log.Scan(ctx, name, func(records []events.Record) error {
			for i := range records {
				if r := &records[i]; !receivedAt(r).Before(since) {
					rs.saw(topic, r)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	return rs, nil
}

// receivedAt returns when a record was received for the first time: one that was
// published again lies in the topic at a later time.
func receivedAt(r *events.Record) time.Time {
	if at, ok := events.ReceiptTime(events.ReceiptOf(r)); ok {
		return at
	}
	return r.Time
}

// Wait returns nil once router and workers have consumed everything, or when
// so much time has passed.
func (a *Audit) Wait(ctx context.Context, most time.Duration) error {
	for until := time.Now().Add(most); ; {
		pos, err := a.positions(ctx)
		if err != nil {
			return err
		}
		n := pos.total()
		if n == 0 || time.Now().After(until) {
			return nil
		}
		a.say("waiting for %d records to be consumed", n)
		if err := pause(ctx, lagPoll); err != nil {
			return err
		}
	}
}

func (a *Audit) say(format string, args ...any) {
	if a.Progress != nil {
		a.Progress(fmt.Sprintf(format, args...))
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
