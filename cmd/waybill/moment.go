package main

import (
	"errors"
	"strings"
	"time"
)

// moment is a time as operators write it: RFC 3339, a date (UTC), or a
// duration from now (+30s, -2h).
type moment struct{ time.Time }

var errMoment = errors.New("want a time such as 2026-11-23T14:00:00Z, a date, or a duration from now such as +30s (in the past: --from=-2h)")

// UnmarshalText reads a moment.
func (m *moment) UnmarshalText(text []byte) error {
	s := string(text)
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			m.Time = t.UTC()
			return nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && strings.ContainsAny(s[:1], "+-") {
		m.Time = time.Now().Add(d).UTC()
		return nil
	}
	return errMoment
}

// ptr returns the time, nil if there is none.
func (m *moment) ptr() *time.Time {
	if m == nil {
		return nil
	}
	return &m.Time
}

// past is a moment at which a plain duration lies behind us: 24h is a day ago.
type past struct{ time.Time }

// UnmarshalText reads a past moment.
func (p *past) UnmarshalText(text []byte) error {
	if d, err := time.ParseDuration(string(text)); err == nil && d >= 0 && text[0] != '+' {
		p.Time = time.Now().Add(-d).UTC()
		return nil
	}
	var m moment
	if err := m.UnmarshalText(text); err != nil {
		return errors.New("want a time such as 2026-11-23T14:00:00Z, a date, or how long ago, such as 24h")
	}
	p.Time = m.Time
	return nil
}

// show writes a time for a person, "-" for none.
func show(t *time.Time, none string) string {
	if t == nil || t.IsZero() {
		return none
	}
	return t.UTC().Format("2006-01-02 15:04:05.000Z")
}
