package campaign

import (
	"cmp"
	"slices"
	"time"

	"waybill/internal/events"
)

// OverdueAfter is how long a message may be open. No provider reports later:
// Twilio and SES give up on a message within a day.
const OverdueAfter = 24 * time.Hour

// Hour names the messages of a campaign's shard that are known since one hour.
type Hour struct {
	Org      events.OrgID
	Campaign string
	Shard    int
	Hour     time.Time // UTC
}

// Since returns the hour of a time, as [Member] names it.
func Since(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }

// LastOverdue returns the last hour all of whose open messages are overdue.
func LastOverdue(now time.Time) time.Time { return Since(now.Add(-OverdueAfter)).Add(-time.Hour) }

// Open gathers by how many messages the hours of a batch change. It holds no
// zero. Make it with make; it is not safe for concurrent use.
type Open map[Hour]int64

// Count adds what the change of one message from before to after means.
func (o Open) Count(org events.OrgID, shard int, before, after Member) {
	o.add(org, shard, before, -1)
	o.add(org, shard, after, +1)
}

func (o Open) add(org events.OrgID, shard int, m Member, sign int64) {
	if m.Campaign == "" || m.OpenSince.IsZero() {
		return
	}
	h := Hour{org, m.Campaign, shard, m.OpenSince}
	if o[h] += sign; o[h] == 0 {
		delete(o, h)
	}
}

// OpenHour is the change of one hour.
type OpenHour struct {
	Hour
	Messages int64
}

// Sorted returns the changes in the order in which every writer locks their rows.
func (o Open) Sorted() []OpenHour {
	all := make([]OpenHour, 0, len(o))
	for h, n := range o {
		all = append(all, OpenHour{h, n})
	}
	slices.SortFunc(all, func(a, b OpenHour) int {
		return cmp.Or(
			cmp.Compare(a.Org, b.Org), cmp.Compare(a.Campaign, b.Campaign), cmp.Compare(a.Shard, b.Shard), a.Hour.Hour.Compare(b.Hour.Hour),
		)
	})
	return all
}
