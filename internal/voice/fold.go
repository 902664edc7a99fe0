package voice

import (
	"time"

	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/join"
)

// Fold applies one event to its call's row and returns the row as it is
// afterwards; neither argument is modified. If the row does not exist yet, the
// given one is not looked at. The caller has checked that the event belongs to
// this row (same organisation, same row id) and is not a duplicate; the facts of
// a duplicate would be counted again, all else of it is stale and harmless. The
// row has at least the recordings that the event is about, so far as known.
func Fold(row Call, exists bool, e *events.Call) (Call, events.Step) {
	if !exists {
		row = Call{Org: e.Org, ID: e.Row}
	}
	said, ok := reportOf(e)
	if !ok {
		dead := step(events.Dead, reasonUnknownStatus, &row)
		return row, dead
	}
	after := row
	described := describe(&after, e)
	clocked := join.Span(&after.ReceivedAt, &after.LastAt, e.ReceivedAt)
	after.Facts = facts.Fold(row.Facts, e.Facts)
	recorded, moved := record(&after, e)
	after.report(said) // after the facts, which have a say

	transition := after.State != row.State // a row that is new had none
	if transition {
		after.Version++
	}
	s := step(events.Stale, "", &after)
	s.Transition = transition
	if transition || described || recorded || len(e.Facts) > 0 {
		s.Outcome = events.Applied
	}
	s.Changed = s.Outcome == events.Applied || clocked || moved || after.Reported != row.Reported
	return after, s
}

// reasonUnknownStatus is why an event is dead that says nothing, or whose
// status, or its recording's, is none of ours.
const reasonUnknownStatus = "unknown_status"

// reportOf returns what an event reports of its call; false if it makes no sense.
//
// An event without a status (a recording, a fact) shows that the provider has
// the call and no more than that, so it reports the least that a provider
// reports: queued. A row that has that or better does not change its state by
// it. It does not report in_progress: Twilio can record from the first ringing,
// and Connect records what nobody but a machine answered.
func reportOf(e *events.Call) (State, bool) {
	recordings := e.AllRecordings()
	for i := range recordings {
		if recordings[i].ProviderID == "" || recordingRank(recordings[i].Status) < 0 {
			return State{}, false
		}
	}
	if e.Status == "" {
		return State{Status: queued}, len(recordings) > 0 || len(e.Facts) > 0
	}
	name := e.Status
	if alias, ok := aliases[name]; ok && e.Kind == events.KindSend {
		name = alias
	}
	_, ok := Lookup(name)
	return State{Status: name, ErrorCode: e.ErrorCode}, ok
}

func step(o events.Outcome, reason string, row *Call) events.Step {
	return events.Step{Outcome: o, Reason: reason, Version: row.Version, Status: row.Status, ErrorCode: row.ErrorCode}
}

// StatusEvent returns the status event that an accepted transition owes: row
// and s are what Fold returned for e. It holds no personal data, and the same
// transition always gives the same event.
func StatusEvent(row *Call, e *events.Call, s events.Step) events.Status {
	var occurred *time.Time
	join.Latest(&occurred, e.OccurredAt)
	return events.Status{
		Org: row.Org, ID: row.ID, MessageID: row.MessageID, ProviderID: row.ProviderID,
		Channel: events.Voice, CampaignID: row.CampaignID, CustomerID: row.CustomerID,
		Status: s.Status, ErrorCode: s.ErrorCode, ErrorClass: ErrorClass(s.ErrorCode),
		Version: s.Version, OccurredAt: occurred, ReceivedAt: events.Millis(e.ReceivedAt),
	}
}
