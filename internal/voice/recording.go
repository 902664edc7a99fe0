package voice

import (
	"maps"
	"slices"
	"time"

	"waybill/internal/events"
	"waybill/internal/join"
)

// Recording is the row of one recording of a call.
type Recording struct {
	ProviderID string // RE..., or where a contact's recording lies
	Status     string // one of RecordingStatuses
	ErrorCode  string // as given; "" = none

	// What describes it; zero = not known. Where events differ the greatest
	// number and the smallest text win.
	Duration int64 // seconds
	Channels int
	Source   string
	Track    string
	Location string

	// Times, to the millisecond.
	StartedAt  *time.Time // earliest
	ReceivedAt time.Time  // earliest
	LastAt     time.Time  // latest received
}

// recordingTable lists the statuses of a recording in rank order. A failed or
// absent recording that is completed after all can be listened to.
var recordingTable = []string{"in_progress", "absent", "failed", "completed"}

// RecordingStatuses returns the statuses of a recording in rank order; all but
// the first are terminal. The slice is the caller's own.
func RecordingStatuses() []string { return slices.Clone(recordingTable) }

func recordingRank(status string) int { return slices.Index(recordingTable, status) }

// JoinRecording merges what two rows of one recording know; the zero row knows
// nothing. Status and code join as a call's do. Neither argument is modified.
func JoinRecording(a, b Recording) Recording {
	a.merge(&b)
	return a
}

// merge adds to r what b knows, and reports whether that was news and whether
// it moved one of the times of receiving.
func (r *Recording) merge(b *Recording) (news, moved bool) {
	before := State{r.Status, r.ErrorCode}
	after := better(before, State{b.Status, b.ErrorCode}, recordingRank)
	r.Status, r.ErrorCode = after.Status, after.ErrorCode
	news = slices.Contains([]bool{
		after != before,
		join.Smallest(&r.ProviderID, b.ProviderID),
		join.Greatest(&r.Duration, b.Duration),
		join.Greatest(&r.Channels, b.Channels),
		join.Smallest(&r.Source, b.Source),
		join.Smallest(&r.Track, b.Track),
		join.Smallest(&r.Location, b.Location),
		join.Earliest(&r.StartedAt, b.StartedAt),
	}, true)
	first := join.Span(&r.ReceivedAt, &r.LastAt, b.ReceivedAt)
	last := join.Span(&r.ReceivedAt, &r.LastAt, b.LastAt)
	return news, first || last
}

// record merges the recordings that an event is about into its call's.
func record(c *Call, e *events.Call) (news, moved bool) {
	told := e.AllRecordings()
	if len(told) == 0 {
		return false, false
	}
	all := make(map[string]Recording, len(c.Recordings)+len(told))
	maps.Copy(all, c.Recordings)
	for i := range told {
		said := &told[i]
		r := all[said.ProviderID]
		n, m := r.merge(&Recording{
			ProviderID: said.ProviderID, Status: said.Status, ErrorCode: said.ErrorCode,
			Duration: said.Duration, Channels: said.Channels, Source: said.Source, Track: said.Track, Location: said.Location,
			StartedAt: said.StartedAt, ReceivedAt: e.ReceivedAt, LastAt: e.ReceivedAt,
		})
		all[said.ProviderID] = r
		news, moved = news || n, moved || m
	}
	if news || moved {
		c.Recordings = all
	}
	return news, moved
}
