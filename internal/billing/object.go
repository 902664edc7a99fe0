package billing

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"waybill/internal/events"
)

// Object is the row of one Stripe object: a subscription, an invoice, a charge
// or a checkout session.
type Object struct {
	Kind     string // [events.ObjectSubscription] ...
	ID       string // sub_..., in_..., ch_..., cs_...
	Mode     string // live or test
	Customer string // cus_...

	Status  string    // derived from Latest
	Newest  time.Time // the second that decides, UTC
	Latest  []Seen    // what the second Newest said: a set, sorted, never modified
	Version int64     // accepted transitions so far, from 1
}

// Seen is what one event said of the status.
type Seen struct {
	StripeID string `json:"id"` // evt_...
	Status   string `json:"status"`
	Previous string `json:"previous,omitempty"` // "" if this event did not change the status
}

// Step is what one event did to a row.
type Step struct {
	Outcome    events.Outcome // Applied: the row must be written; Stale: it knew better; Ignored: not about a status
	Transition bool           // the status changed or the row is new: the version went up by one
	Version    int64          // the row's, after the event
	Status     string         // the row's, after the event
}

// Known tells whether an API version can be Stripe's: a date, with or without
// the name of its release, that does not lie after the event was received. An
// event before versions were recorded has none. What a later or malformed
// version means is not ours to guess: its event is ignored and its payload kept.
func Known(version string, received time.Time) bool {
	if version == "" {
		return true
	}
	date, name, named := strings.Cut(version, ".")
	day, err := time.Parse(time.DateOnly, date)
	return err == nil && (!named || name != "") && !day.After(received.Add(24*time.Hour))
}

// Fold applies one event to its object's row and returns the row as it is
// afterwards; neither argument is modified. If the row does not exist yet, the
// given one is not looked at. The caller has checked that the event belongs to
// this row: same mode, kind and id.
func Fold(row Object, exists bool, e *events.Billing) (Object, Step) {
	if !exists {
		row = Object{}
	}
	kind, said := e.About()
	if !Handled(kind, e.Type) || !Known(e.Version, e.ReceivedAt) || said.Status == "" {
		return row, Step{Outcome: events.Ignored, Version: row.Version, Status: row.Status}
	}
	after := Join(row, Object{
		Kind: kind, ID: said.ID, Mode: e.Mode, Customer: said.Customer,
		Status: said.Status, Newest: e.Created.UTC().Truncate(time.Second),
		Latest: []Seen{{StripeID: e.StripeID, Status: said.Status, Previous: said.Previous}},
	})
	step := Step{Outcome: events.Stale, Transition: !exists || after.Status != row.Status}
	if step.Transition {
		after.Version++
	}
	if step.Transition || !after.same(&row) {
		step.Outcome = events.Applied
	}
	step.Version, step.Status = after.Version, after.Status
	return after, step
}

// Join merges what two rows of one object know; the zero row knows
// nothing. Of a row that has ended and one that has not, the ended one is kept;
// else that of the newer second; of the same second both, as the union of their
// sets. Texts that differ (they should not) give the smallest. The version is
// the greater one and no part of the law.
func Join(a, b Object) Object {
	a.Kind = smallest(a.Kind, b.Kind)
	b.Kind = a.Kind
	newer := a
	switch c := compareAge(&a, &b); {
	case c < 0:
		newer = b
	case c == 0:
		newer.Latest = union(a.Latest, b.Latest)
		newer.Status = derive(kinds[newer.Kind].life, newer.Latest)
	}
	newer.ID = smallest(a.ID, b.ID)
	newer.Mode = smallest(a.Mode, b.Mode)
	newer.Customer = smallest(a.Customer, b.Customer)
	newer.Version = max(a.Version, b.Version)
	return newer
}

// compareAge orders rows by what absorbs what. Equal ones have the same second
// and are both ended or both not, so a set never mixes the two.
func compareAge(a, b *Object) int {
	age := func(s *Object) int {
		switch {
		case len(s.Latest) == 0:
			return 0
		case !Ended(s.Kind, s.Status):
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(age(a), age(b)), a.Newest.Compare(b.Newest))
}

func (s *Object) same(o *Object) bool {
	return s.Kind == o.Kind && s.ID == o.ID && s.Mode == o.Mode && s.Customer == o.Customer &&
		s.Status == o.Status && s.Newest.Equal(o.Newest) && slices.Equal(s.Latest, o.Latest)
}

// smallest returns the smaller of two texts; "" is no text.
func smallest(a, b string) string {
	if a == "" || (b != "" && b < a) {
		return b
	}
	return a
}

func union(a, b []Seen) []Seen {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y Seen) int {
		return cmp.Or(
			cmp.Compare(x.StripeID, y.StripeID), cmp.Compare(x.Status, y.Status), cmp.Compare(x.Previous, y.Previous),
		)
	})
	return slices.Compact(all)
}
