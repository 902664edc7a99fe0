package messaging

import (
	"time"

	"waybill/internal/events"
)

// Step is what one event did to a row.
type Step struct {
	// Outcome is Applied if the event made the row or told it something: a
	// better state, a description; Stale if the row knew better; Dead if its
	// status is none, then nothing else happened.
	Outcome events.Outcome
	// Transition tells that (status, error code) changed or the row is new:
	// the version went up by one and a status event is due.
	Transition bool
	// Changed tells that the row must be written. A stale event may change it
	// too: a status reached for the first time counts however late it is
	// reported, and LastAt and ReceivedAt move.
	Changed bool
	Version int64 // the row's, after the event
	State   State // the row's, after the event
}

// Fold applies one event to its message's row and returns the row as it is
// afterwards; neither argument is modified. If the row does not exist yet, the
// given one is not looked at. The caller has checked that the event belongs to
// this row (same organisation, same row id) and is not a duplicate; a duplicate
// would be stale and harmless.
func Fold(row Message, exists bool, e *events.Message) (Message, Step) {
	if !exists {
		row = Message{Org: e.Org, ID: e.Row}
	}
	status, ok := Lookup(e.Status)
	if !ok {
		return row, Step{Outcome: events.Dead, Version: row.Version, State: row.State}
	}
	after := row
	after.State = Join(row.State, State{Status: e.Status, ErrorCode: e.ErrorCode})
	after.Reached |= 1 << status.Bit
	described := describe(&after, e)
	clocked := clock(&after, e)

	transition := !exists || after.State != row.State
	if transition {
		after.Version++
	}
	step := Step{Outcome: events.Stale, Transition: transition, Version: after.Version, State: after.State}
	if transition || described {
		step.Outcome = events.Applied
	}
	step.Changed = step.Outcome == events.Applied || clocked || after.Reached != row.Reached
	return after, step
}

// StatusEvent returns the status event that an accepted transition owes: row
// and s are what Fold returned for e. It holds no personal data, and the same
// transition always gives the same event.
func StatusEvent(row Message, e *events.Message, s Step) events.MessageStatus {
	var occurred *time.Time
	latest(&occurred, e.OccurredAt)
	return events.MessageStatus{
		Org: row.Org, ID: row.ID, MessageID: row.MessageID, ProviderID: row.ProviderID,
		Channel: row.Channel, CampaignID: row.CampaignID, CustomerID: row.CustomerID,
		Status: s.State.Status, ErrorCode: s.State.ErrorCode, ErrorClass: ErrorClass(s.State.ErrorCode),
		Version: s.Version, OccurredAt: occurred, ReceivedAt: events.Millis(e.ReceivedAt),
	}
}
