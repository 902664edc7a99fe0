package campaign

import (
	"cmp"
	"math/bits"
	"slices"
	"time"

	"waybill/internal/events"
)

// Member is what a campaign counts of one message. A message without a
// campaign or without a status (its row does not exist yet) counts nowhere.
type Member struct {
	Campaign  string
	Status    string
	Reached   uint64    // a bit for every status that it ever had
	OpenSince time.Time // the hour since when it is known, UTC; zero once its status is terminal
}

// Medium is by what a campaign reaches people. One id may stand for campaigns of
// several media: a snapshot sums them.
type Medium int

// The media. Their numbers are part of stored shards and so promises.
const (
	SMS Medium = iota
	Email
	Voice
)

// Shard returns the shard of a campaign's counters that a lane of its medium
// writes, so that no two workers meet on a counter row; see events.Lane.
func Shard(m Medium, lane int) int { return int(m)*events.Lanes + lane }

// MediumOf returns the medium that a shard belongs to.
func MediumOf(shard int) Medium { return Medium(shard / events.Lanes) }

// Cell names one counter row. Shards spread a campaign over several rows.
type Cell struct {
	Org      events.OrgID
	Campaign string
	Shard    int
	Status   string
}

// Delta is by how much a counter row changes.
type Delta struct {
	Messages int64 // messages that have the status now
	Reached  int64 // messages that ever had it
}

// Deltas gathers the changes of a batch. It holds no zero. Make it with make;
// it is not safe for concurrent use.
type Deltas map[Cell]Delta

// Count adds what the change of one message from before to after means for the
// counters of the given organisation and shard. It covers a campaign that
// becomes known late (all of the message counts then) and one that changes.
//
// bitName gives the status of a bit of Reached; a bit without a name ("") is
// not counted.
func (d Deltas) Count(org events.OrgID, shard int, before, after Member, bitName func(bit int) string) {
	if before == after {
		return
	}
	if before.Campaign == after.Campaign && before.Status != "" && after.Status != "" {
		// What both count cancels out; leave it out for speed.
		both := before.Reached & after.Reached
		before.Reached, after.Reached = before.Reached&^both, after.Reached&^both
	}
	d.add(org, shard, before, -1, bitName)
	d.add(org, shard, after, +1, bitName)
}

// add counts a message in (sign 1) or out (-1).
func (d Deltas) add(org events.OrgID, shard int, m Member, sign int64, bitName func(bit int) string) {
	if m.Campaign == "" || m.Status == "" {
		return
	}
	cell := Cell{Org: org, Campaign: m.Campaign, Shard: shard, Status: m.Status}
	d.change(cell, Delta{Messages: sign})
	for rest := m.Reached; rest != 0; rest &= rest - 1 {
		if name := bitName(bits.TrailingZeros64(rest)); name != "" {
			cell.Status = name
			d.change(cell, Delta{Reached: sign})
		}
	}
}

func (d Deltas) change(c Cell, by Delta) {
	sum := Delta{Messages: d[c].Messages + by.Messages, Reached: d[c].Reached + by.Reached}
	if sum == (Delta{}) {
		delete(d, c)
		return
	}
	d[c] = sum
}

// Counter is a counter row, or the change of one.
type Counter struct {
	Cell
	Delta
}

// Sorted returns the changes in the order in which every writer locks counter
// rows: by organisation, campaign, shard and status, each ascending by bytes.
func (d Deltas) Sorted() []Counter {
	all := make([]Counter, 0, len(d))
	for c, by := range d {
		all = append(all, Counter{c, by})
	}
	slices.SortFunc(all, func(a, b Counter) int { return a.compare(b.Cell) })
	return all
}

func (c Cell) compare(o Cell) int {
	return cmp.Or(
		cmp.Compare(c.Org, o.Org), cmp.Compare(c.Campaign, o.Campaign),
		cmp.Compare(c.Shard, o.Shard), cmp.Compare(c.Status, o.Status),
	)
}
