package operate

import (
	"context"
	"time"

	"waybill/internal/events"
	"waybill/internal/privacy"
	"waybill/internal/retention"
)

// Personal is where people's data is on record.
type Personal interface {
	// Export calls fn with everything on record, in one consistent view.
	Export(ctx context.Context, s privacy.Subject, fn func(privacy.Item) error) error
	// Resolve returns the subject with every address of the customer.
	Resolve(ctx context.Context, s privacy.Subject) (privacy.Subject, error)
	// Count returns how many rows of each table are the subject's.
	Count(ctx context.Context, s privacy.Subject) (map[string]int64, error)
	// Begin begins an erasure or goes on with an interrupted one.
	Begin(ctx context.Context, s privacy.Subject, user string) (id string, began privacy.Subject, err error)
	// Tables returns the tables to erase from, in order.
	Tables(ctx context.Context) ([]string, error)
	// EraseRows erases a chunk of a table; 0 is the end.
	EraseRows(ctx context.Context, erasure, table string) (int64, error)
	// EraseHeld erases a chunk of held events; last is "" at the end.
	EraseHeld(ctx context.Context, erasure string, s privacy.Subject, after string) (n int64, last string, err error)
	// Finish ends an erasure.
	Finish(ctx context.Context, erasure string) (privacy.Erased, error)
}

// Whose says whose data is meant, in a person's words.
type Whose struct {
	Org, Customer, Address string
}

func (w Whose) subject() (privacy.Subject, error) {
	org, err := parseOrg(w.Org)
	if err != nil {
		return privacy.Subject{}, err
	}
	s := privacy.Subject{Org: org}
	if w.Customer != "" && w.Address != "" {
		return s, usage("--customer and --address: one of them; a customer's addresses are found by themselves")
	}
	if w.Customer != "" {
		if s.Customer, err = events.ParseUUID(w.Customer); err != nil {
			return s, usage("--customer: %v", err)
		}
	}
	if w.Address != "" {
		if s.Addresses = addresses(w.Address); s.Addresses == nil {
			return s, usage("--address: want a phone number like +12025550123 or an e-mail address")
		}
	}
	return s, nil
}

// Export calls fn with everything on record of whom it is about, in one
// consistent view. It returns how many items there were of each kind; progress
// is told now and then.
func Export(ctx context.Context, p Personal, w Whose, fn func(privacy.Item) error, progress func(what string, n int64)) (map[string]int64, error) {
	s, err := w.subject()
	if err != nil {
		return nil, err
	}
	items := map[string]int64{}
	err = p.Export(ctx, s, func(i privacy.Item) error {
		items[i.Kind]++
		if n := items[i.Kind]; n%progressEvery == 0 {
			progress(i.Kind, n)
		}
		return fn(i)
	})
	return items, err
}

// progressEvery is how many items of a kind are one step of progress.
const progressEvery = 10_000

// Erase is what an erasure works with.
type Erase struct {
	Personal Personal
	Keep     retention.Config
	User     string // who asks, as the operating system knows them
	Now      func() time.Time
	Progress func(what string, n int64) // rows of a table so far
}

// Run erases whose data is meant: what is personal in a person's rows, which
// stay and count as before, or all rows of an organisation. It goes on with an
// erasure of the same subject that was interrupted. With dryRun it only counts.
func (e *Erase) Run(ctx context.Context, w Whose, dryRun bool) (privacy.Erased, error) {
	s, err := w.subject()
	if err != nil {
		return privacy.Erased{}, err
	}
	var done privacy.Erased
	if dryRun {
		done = privacy.Erased{Org: s.Org, Customer: s.Customer, Scope: s.Scope(), DryRun: true}
		done.Rows, err = e.Personal.Count(ctx, s)
	} else {
		done, err = e.run(ctx, s)
	}
	done.Remains = e.remains()
	return done, err
}

func (e *Erase) run(ctx context.Context, s privacy.Subject) (privacy.Erased, error) {
	s, err := e.Personal.Resolve(ctx, s)
	if err != nil {
		return privacy.Erased{}, err
	}
	tables, err := e.Personal.Tables(ctx)
	if err != nil {
		return privacy.Erased{}, err
	}
	id, s, err := e.Personal.Begin(ctx, s, e.User)
	if err != nil {
		return privacy.Erased{}, err
	}
	// Rows come while we erase, of events that were on their way: a round that
	// finds nothing is the last.
	for again := true; again; {
		n, err := e.round(ctx, id, s, tables)
		if err != nil {
			return privacy.Erased{}, err
		}
		again = n > 0
	}
	return e.Personal.Finish(ctx, id)
}

func (e *Erase) round(ctx context.Context, id string, s privacy.Subject, tables []string) (int64, error) {
	var all int64
	for _, t := range tables {
		var of int64
		for {
			n, err := e.Personal.EraseRows(ctx, id, t)
			if err != nil {
				return all, err
			}
			if n == 0 {
				break
			}
			of += n
			e.Progress(t, of)
		}
		all += of
	}
	var held int64
	for after := ""; ; {
		n, last, err := e.Personal.EraseHeld(ctx, id, s, after)
		if err != nil {
			return all, err
		}
		if held += n; n > 0 {
			e.Progress("held_events", held)
		}
		if last == "" {
			return all + held, nil
		}
		after = last
	}
}

// remains says what erasing does not reach: what was received up to now goes
// by itself.
func (e *Erase) remains() []privacy.Remains {
	var out []privacy.Remains
	until := func(where string, d time.Duration) {
		at := events.Millis(e.Now().Add(d))
		out = append(out, privacy.Remains{Where: where, Until: &at})
	}
	for _, t := range events.Topics(e.Keep.Profile(events.Production)) {
		switch t.Name {
		case events.TopicRawTwilio, events.TopicRawSES, events.TopicRawConnect, events.TopicSends, events.TopicMessages, events.TopicCalls:
			until(t.Name, t.Lifetime())
		}
	}
	until("billing_events, which name no organisation: payloads", e.Keep.BillingPayload)
	return append(out, privacy.Remains{Where: "backups of the database"}, privacy.Remains{Where: "the providers' own copies: messages, recordings, logs"})
}
