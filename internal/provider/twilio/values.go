package twilio

import (
	"net/mail"
	"strconv"
	"strings"
	"time"

	"waybill/internal/events"
)

// code returns the first of some codes that says that something went wrong: 0
// and the SIP responses below 300 say that nothing did.
func (r *reader) code(names ...string) string {
	var found string
	for _, name := range names {
		v := r.get(name)
		if !r.check(v == "" || isToken(v, maxCode), invalidCode) || found != "" {
			continue
		}
		n, err := strconv.Atoi(v)
		harmless := err == nil && (n == 0 || name != paramErrorCode && n < 300)
		if v != "" && !harmless {
			found = v
		}
	}
	return found
}

// maxNumber bounds what is counted: seconds, mostly.
const maxNumber = 1 << 31

// number returns the value of a name that counts something; false if it is
// absent or counts nothing.
func (r *reader) number(name string) (int64, bool) {
	n, err := strconv.ParseInt(r.get(name), 10, 64)
	if err != nil || n < 0 || n >= maxNumber {
		return 0, false
	}
	return n, true
}

// isSequence tells whether s is a SequenceNumber in its one spelling: it is part
// of the event's id.
func isSequence(s string) bool {
	n, err := strconv.ParseInt(s, 10, 32)
	return err == nil && n >= 0 && strconv.FormatInt(n, 10) == s
}

// The years of a time that is taken for one.
const firstYear, lastYear = 2000, 2999

// time returns the value of a name that holds a time as RFC 2822 writes it; nil
// if it is absent or holds none.
func (r *reader) time(name string) *time.Time {
	v := r.get(name)
	if v == "" || len(v) > maxTime || strings.ContainsAny(v, "(\n") { // comments could nest
		return nil
	}
	t, err := mail.ParseDate(v)
	if err != nil {
		return nil
	}
	if t = events.Millis(t); t.Year() < firstYear || t.Year() > lastYear {
		return nil
	}
	return &t
}

const maxTime = 64 // bytes
