// Package fault is the closed set of error classes and the one table that
// decides what happens to a request or a record that met one.
//
// Every room wraps the errors that it can classify with [New] or [Wrap]; the
// edges (ingest's HTTP answers, the router's and the workers' loops) look the
// class up in the table and do what it says. No other code chooses. An error
// that nobody classified is [Internal]: it is never silently dropped.
package fault

import (
	"errors"
	"fmt"
	"net/http"
)

// Class says what kind of thing went wrong. The zero value is Internal, so an
// unclassified error gets the careful treatment.
type Class uint8

// The closed set of classes.
const (
	Internal      Class = iota // anything unclassified
	Invalid                    // malformed, will never work
	Unverified                 // signature false, stale or missing
	Unregistered               // genuine, but not registered for this path
	UnknownTenant              // no key maps to an organisation yet
	Forbidden                  // evidence contradicts, or the org does not own the row
	Unavailable                // database, broker, timeout: passes by itself
)

// Action is what the router and the workers do with the record.
type Action uint8

// The closed set of actions.
const (
	Isolate    Action = iota // find the record by bisection, back off, alarm
	DeadLetter               // keep it as a dead held event, go on
	Park                     // keep it as a parked held event, go on
	Quarantine               // keep it as a quarantined held event, raise the alarm counter, go on
	Wait                     // back off and try the same batch again; never passes it
)

// Fate is the row of the table for one class.
type Fate struct {
	Status int    // HTTP status ingest answers with
	Action Action // what router and workers do
}

var fates = [...]Fate{
	Internal:      {http.StatusInternalServerError, Isolate},
	Invalid:       {http.StatusBadRequest, DeadLetter},
	Unverified:    {http.StatusUnauthorized, Quarantine},
	Unregistered:  {http.StatusForbidden, Quarantine},
	UnknownTenant: {http.StatusServiceUnavailable, Park},
	Forbidden:     {http.StatusForbidden, Quarantine},
	Unavailable:   {http.StatusServiceUnavailable, Wait},
}

var names = [...]string{
	Internal:      "internal",
	Invalid:       "invalid",
	Unverified:    "unverified",
	Unregistered:  "unregistered",
	UnknownTenant: "unknown_tenant",
	Forbidden:     "forbidden",
	Unavailable:   "unavailable",
}

// Fate returns the class's row of the table.
func (c Class) Fate() Fate {
	if int(c) >= len(fates) {
		return fates[Internal]
	}
	return fates[c]
}

// String returns the class's name as it stands in logs and metrics.
func (c Class) String() string {
	if int(c) >= len(names) {
		return names[Internal]
	}
	return names[c]
}

// Error is an error with a class and a reason. The reason is a constant from
// the closed set of the room that made it, so it may be a metric label; it
// never holds payload, numbers, tokens or URLs.
type Error struct {
	Class  Class
	Reason string
	Err    error // the cause; may be nil
}

// Error returns the reason, and the cause behind it.
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Reason
	}
	return fmt.Sprintf("%s: %v", e.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns a classified error without a cause.
func New(class Class, reason string) error {
	return &Error{Class: class, Reason: reason}
}

// Wrap classifies err; a nil err stays nil.
func Wrap(class Class, reason string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Class: class, Reason: reason, Err: err}
}

// ClassOf returns the class of the outermost classified error in err's chain,
// Internal if there is none.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Internal
}

// ReasonOf returns the reason of the outermost classified error in err's
// chain, "internal" if there is none.
func ReasonOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return names[Internal]
}
