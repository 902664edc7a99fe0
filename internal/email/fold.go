package email

import (
	"cmp"
	"slices"
	"time"

	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/join"
)

// Fold applies one event to its e-mail's row and returns the row as it is
// afterwards; neither argument is modified. If the row does not exist yet, the
// given one is not looked at. The caller has checked that the event belongs to
// this row (same organisation, same row id) and is not a duplicate; a duplicate
// would be stale and harmless, save that its facts were counted again.
func Fold(row Message, exists bool, e *events.Message) (Message, events.Step) {
	if !exists {
		row = Message{Org: e.Org, ID: e.Row}
	}
	said, ok := reportOf(e)
	if !ok {
		s := step(events.Dead, reasonUnknownStatus, &row)
		return row, s
	}
	after := row
	noted, moved := after.hear(said)
	described := describe(&after, e)
	clocked := join.Span(&after.ReceivedAt, &after.LastAt, e.ReceivedAt)
	after.Facts = facts.Fold(row.Facts, e.Facts)

	transition := !exists || moved
	if transition {
		after.Version++
	}
	s := step(events.Stale, "", &after)
	s.Transition = transition
	if transition || described || len(e.Facts) > 0 {
		s.Outcome = events.Applied
	}
	s.Changed = s.Outcome == events.Applied || clocked || noted
	return after, s
}

// reasonUnknownStatus is why an event is dead whose status is none of ours.
const reasonUnknownStatus = "unknown_status"

func step(o events.Outcome, reason string, row *Message) events.Step {
	return events.Step{Outcome: o, Reason: reason, Version: row.Version, Status: row.Status, ErrorCode: row.ErrorCode}
}

// StatusEvent returns the status event that an accepted transition owes: row
// and s are what Fold returned for e, every recipient with its id. It holds no
// personal data, and the same transition always gives the same event.
func StatusEvent(row *Message, e *events.Message, s events.Step) events.Status {
	var occurred *time.Time
	join.Latest(&occurred, e.OccurredAt)
	return events.Status{
		Org: row.Org, ID: row.ID, MessageID: row.MessageID, ProviderID: row.ProviderID,
		Channel: events.Email, CampaignID: row.CampaignID, CustomerID: row.CustomerID,
		Status: s.Status, ErrorCode: s.ErrorCode, ErrorClass: ErrorClass(s.ErrorCode),
		Recipients: recipients(row),
		Version:    s.Version, OccurredAt: occurred, ReceivedAt: events.Millis(e.ReceivedAt),
	}
}

func recipients(row *Message) []events.RecipientStatus {
	if len(row.Recipients) == 0 {
		return nil
	}
	list := make([]events.RecipientStatus, 0, len(row.Recipients))
	for _, r := range row.Recipients {
		list = append(list, events.RecipientStatus{
			ID: r.ID, Status: r.Status, ErrorCode: r.ErrorCode, ErrorClass: ErrorClass(r.ErrorCode),
		})
	}
	slices.SortFunc(list, func(a, b events.RecipientStatus) int { return cmp.Compare(a.ID, b.ID) })
	return list
}
