// Package facts merges what callbacks tell of a message or call beside its
// status: that it was opened, clicked or complained about, how long a call
// lasted, who answered it.
//
// Every fact goes by one rule: it is counted, its first and last time are kept,
// and of several values the newest. Times and values are joins; the
// count is one, too, as long as every event is given once, which is the event
// ledger's promise. The package is pure.
package facts

import (
	"cmp"
	"strconv"
	"time"
)

// Fact is what one event tells. A name is a promise: it is stored and shown.
type Fact struct {
	Name  string     `json:"name"`
	Value string     `json:"value,omitempty"`
	At    *time.Time `json:"at,omitempty"` // the provider's clock; nil if it sent none
}

// Names of facts that more than one room knows.
const (
	Opens        = "opens"
	Clicks       = "clicks"
	Complaints   = "complaints"
	Unsubscribes = "unsubscribes"
	Duration     = "duration" // of a call, in seconds
)

// Everything is the value of [Unsubscribes] where somebody gave up all that a
// sender sends, and not a topic of it.
const Everything = "all"

// Merged is what all events together told of one name. Times are in UTC, to the
// millisecond; nil if no event brought one.
type Merged struct {
	Count   int64      `json:"count"`
	First   *time.Time `json:"first,omitempty"`
	Last    *time.Time `json:"last,omitempty"`
	Value   string     `json:"value,omitempty"`
	ValueAt *time.Time `json:"value_at,omitempty"` // when the value was told
}

// Known is everything that was told, by name. It is stored as JSON.
type Known map[string]Merged

// Fold adds the facts of one event and returns what is known then; known itself
// is not modified. Without facts it returns known.
func Fold(known Known, told []Fact) Known {
	if len(told) == 0 {
		return known
	}
	out := make(Known, len(known)+len(told))
	for name, m := range known {
		out[name] = m
	}
	for _, f := range told {
		out[f.Name] = Join(out[f.Name], one(f))
	}
	return out
}

func one(f Fact) Merged {
	m := Merged{Count: 1, Value: f.Value}
	if f.At != nil {
		at := f.At.UTC().Truncate(time.Millisecond)
		m.First, m.Last = &at, &at
		if f.Value != "" {
			m.ValueAt = &at
		}
	}
	return m
}

// Join merges what two sets of events told of one name; no event may be in both.
func Join(a, b Merged) Merged {
	newest := a
	if compare(a, b) < 0 {
		newest = b
	}
	return Merged{
		Count: a.Count + b.Count, First: pick(a.First, b.First, -1), Last: pick(a.Last, b.Last, +1),
		Value: newest.Value, ValueAt: newest.ValueAt,
	}
}

// compare orders values by their times; no value is below all, and one without
// a time below those that have one.
func compare(a, b Merged) int {
	if a.Value == "" || b.Value == "" {
		return cmp.Compare(len(a.Value), len(b.Value))
	}
	at := func(m Merged) time.Time {
		if m.ValueAt == nil {
			return time.Time{}
		}
		return *m.ValueAt
	}
	return cmp.Or(at(a).Compare(at(b)), compareValues(a.Value, b.Value))
}

// pick returns the earlier (sign -1) or the later (+1) of two times.
func pick(a, b *time.Time, sign int) *time.Time {
	switch {
	case a == nil:
		return b
	case b == nil || a.Compare(*b)*sign >= 0:
		return a
	}
	return b
}

// compareValues is a total order: numbers by size and above texts.
func compareValues(a, b string) int {
	na, aerr := strconv.ParseInt(a, 10, 64)
	nb, berr := strconv.ParseInt(b, 10, 64)
	switch {
	case aerr == nil && berr != nil:
		return 1
	case aerr != nil && berr == nil:
		return -1
	case aerr == nil && na != nb:
		return cmp.Compare(na, nb)
	}
	return cmp.Compare(a, b)
}
