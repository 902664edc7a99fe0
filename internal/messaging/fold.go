package messaging

import (
	"time"

	"waybill/internal/events"
	"waybill/internal/join"
)

// Fold applies one event to its message's row and returns the row as it is
// afterwards; neither argument is modified. If the row does not exist yet, the
// given one is not looked at. The caller has checked that the event belongs to
// this row (same organisation, same row id) and is not a duplicate; a duplicate
// would be stale and harmless.
func Fold(row Message, exists bool, e *events.Message) (Message, events.Step) {
	if !exists {
		row = Message{Org: e.Org, ID: e.Row}
	}
	status, ok := Lookup(e.Status)
	if !ok {
		dead := step(events.Dead, reasonUnknownStatus, &row)
		return row, dead
	}
	after := row
	after.State = Join(row.State, State{Status: e.Status, ErrorCode: e.ErrorCode})
	after.Reached |= 1 << status.Bit
	described := describe(&after, e)
	clocked := join.Span(&after.ReceivedAt, &after.LastAt, e.ReceivedAt)

	transition := !exists || after.State != row.State
	if transition {
		after.Version++
	}
	s := step(events.Stale, "", &after)
	s.Transition = transition
	if transition || described {
		s.Outcome = events.Applied
	}
	s.Changed = s.Outcome == events.Applied || clocked || after.Reached != row.Reached
	return after, s
}

// reasonUnknownStatus is why an event is dead whose status is none of ours.
const reasonUnknownStatus = "unknown_status"

func step(o events.Outcome, reason string, row *Message) events.Step {
	return events.Step{Outcome: o, Reason: reason, Version: row.Version, Status: row.Status, ErrorCode: row.ErrorCode}
}

// StatusEvent returns the status event that an accepted transition owes: row
// and s are what Fold returned for e. It holds no personal data, and the same
// transition always gives the same event.
func StatusEvent(row *Message, e *events.Message, s events.Step) events.Status {
	var occurred *time.Time
	join.Latest(&occurred, e.OccurredAt)
	return events.Status{
		Org: row.Org, ID: row.ID, MessageID: row.MessageID, ProviderID: row.ProviderID,
		Channel: row.Channel, CampaignID: row.CampaignID, CustomerID: row.CustomerID,
		Status: s.Status, ErrorCode: s.ErrorCode, ErrorClass: ErrorClass(s.ErrorCode),
		Version: s.Version, OccurredAt: occurred, ReceivedAt: events.Millis(e.ReceivedAt),
	}
}
