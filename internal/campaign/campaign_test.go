package campaign_test

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"pgregory.net/rapid"

	"waybill/internal/campaign"
	"waybill/internal/events"
)

const org = events.OrgID("0d9b1c3e-0000-4000-8000-000000000001")

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var names = []string{"queued", "sent", "delivered"}

// bitName knows three bits.
func bitName(bit int) string {
	if bit < len(names) {
		return names[bit]
	}
	return ""
}

type member = campaign.Member

func count(changes ...[2]member) campaign.Deltas {
	d := make(campaign.Deltas)
	for _, c := range changes {
		d.Count(org, 2, c[0], c[1], bitName)
	}
	return d
}

func TestCount(t *testing.T) {
	t.Parallel()
	cell := func(id, status string) campaign.Cell {
		return campaign.Cell{Org: org, Campaign: id, Shard: 2, Status: status}
	}
	for _, c := range []struct {
		name          string
		before, after member
		want          campaign.Deltas
	}{
		{
			"a new message",
			member{},
			member{Campaign: "c", Status: "queued", Reached: 0b001},
			campaign.Deltas{cell("c", "queued"): {1, 1}},
		},
		{
			"a transition moves it",
			member{Campaign: "c", Status: "queued", Reached: 0b001},
			member{Campaign: "c", Status: "sent", Reached: 0b011},
			campaign.Deltas{cell("c", "queued"): {-1, 0}, cell("c", "sent"): {1, 1}},
		},
		{
			"a stale status still counts as reached",
			member{Campaign: "c", Status: "delivered", Reached: 0b100},
			member{Campaign: "c", Status: "delivered", Reached: 0b110},
			campaign.Deltas{cell("c", "sent"): {0, 1}},
		},
		{
			"a campaign known late counts all of the message",
			member{Campaign: "", Status: "delivered", Reached: 0b101},
			member{Campaign: "c", Status: "delivered", Reached: 0b111},
			campaign.Deltas{cell("c", "queued"): {0, 1}, cell("c", "sent"): {0, 1}, cell("c", "delivered"): {1, 1}},
		},
		{
			"a campaign that changes",
			member{Campaign: "c", Status: "sent", Reached: 0b011},
			member{Campaign: "a", Status: "sent", Reached: 0b011},
			campaign.Deltas{
				cell("c", "queued"): {0, -1}, cell("c", "sent"): {-1, -1},
				cell("a", "queued"): {0, 1}, cell("a", "sent"): {1, 1},
			},
		},
		{"nothing changed", member{Campaign: "c", Status: "sent", Reached: 0b011}, member{Campaign: "c", Status: "sent", Reached: 0b011}, campaign.Deltas{}},
		{"no campaign", member{}, member{Campaign: "", Status: "sent", Reached: 0b010}, campaign.Deltas{}},
		{"no row", member{Campaign: "c", Status: "", Reached: 0b001}, member{Campaign: "c", Status: "", Reached: 0b111}, campaign.Deltas{}},
		{
			"a bit without a name",
			member{Campaign: "c", Status: "sent", Reached: 0b010},
			member{Campaign: "c", Status: "sent", Reached: 1<<63 | 0b010},
			campaign.Deltas{},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, cmp.Diff(c.want, count([2]member{c.before, c.after})))
			require.Empty(t, count([2]member{c.before, c.after}, [2]member{c.after, c.before}), "there and back is nothing")
		})
	}
}

// Two orders of locking are a deadlock.
func TestSortedIsTheLockOrder(t *testing.T) {
	t.Parallel()
	var want []campaign.Counter
	d := make(campaign.Deltas)
	for _, o := range []events.OrgID{"a", "b"} {
		for _, id := range []string{"x", "y"} {
			for _, shard := range []int{0, 3, 10} {
				for _, status := range []string{"delivered", "queued", "sent"} {
					c := campaign.Counter{
						Cell:  campaign.Cell{Org: o, Campaign: id, Shard: shard, Status: status},
						Delta: campaign.Delta{Messages: 1},
					}
					want = append(want, c)
					d[c.Cell] = c.Delta
				}
			}
		}
	}
	require.Empty(t, cmp.Diff(want, d.Sorted()))
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	row := func(id string, shard int, status string, messages, reached int64) campaign.Counter {
		return campaign.Counter{
			Cell:  campaign.Cell{Org: org, Campaign: id, Shard: shard, Status: status},
			Delta: campaign.Delta{Messages: messages, Reached: reached},
		}
	}
	at := time.Date(2026, 11, 23, 12, 0, 0, 1234567, time.UTC)
	got := campaign.Snapshot(org, "c", []campaign.Counter{
		row("c", 0, "queued", 0, 3), row("c", 0, "sent", 2, 2), row("c", 1, "sent", 1, 1), row("c", 1, "queued", 0, 1),
		row("c", 1, "delivered", 1, 1), row("other", 0, "sent", 9, 9),
	}, 17, at)
	require.Empty(t, cmp.Diff(events.CampaignStatus{
		Org: org, CampaignID: "c", Messages: 4, Version: 17, At: at.Truncate(time.Millisecond),
		Counters: map[string]int64{"sent": 3, "delivered": 1},
		Reached:  map[string]int64{"queued": 4, "sent": 3, "delivered": 1},
	}, got))
}

// TestProofCount checks, for every path of two changes of one message, that
// counting the steps equals counting the whole, which equals the difference of
// the two recounts. Any sequence of changes is made of such paths.
func TestProofCount(t *testing.T) {
	t.Parallel()
	var all []member
	for _, id := range []string{"", "a", "b"} {
		for _, status := range append([]string{""}, names[:2]...) {
			for reached := range uint64(4) {
				all = append(all, member{Campaign: id, Status: status, Reached: reached})
			}
		}
	}
	paths := 0
	for _, a := range all {
		for _, c := range all {
			whole := count([2]member{a, c})
			if diff := cmp.Diff(recount(map[int]member{0: a}, map[int]member{0: c}), whole); diff != "" {
				t.Fatalf("%v to %v: %s", a, c, diff)
			}
			for _, b := range all {
				if !maps.Equal(whole, count([2]member{a, b}, [2]member{b, c})) {
					t.Fatalf("%v to %v to %v", a, b, c)
				}
				paths++
			}
		}
	}
	t.Log(message.NewPrinter(language.English).Sprintf("campaign: %d paths of two changes: all add up", paths))
}

// recount returns what after counts beyond before, the slow and obvious way.
// A message's key modulo 3 is its shard if there are several.
func recount(before, after map[int]member) campaign.Deltas {
	d := make(campaign.Deltas)
	tally := func(ms map[int]member, sign int64) {
		for id, m := range ms {
			shard := 2
			if id > 0 {
				shard = id % 3
			}
			if m.Campaign == "" || m.Status == "" {
				continue
			}
			c := campaign.Cell{Org: org, Campaign: m.Campaign, Shard: shard, Status: m.Status}
			d[c] = campaign.Delta{Messages: d[c].Messages + sign, Reached: d[c].Reached}
			for bit, name := range names {
				if m.Reached>>bit&1 == 1 {
					c.Status = name
					d[c] = campaign.Delta{Messages: d[c].Messages, Reached: d[c].Reached + sign}
				}
			}
		}
	}
	tally(before, -1)
	tally(after, 1)
	for c, by := range d {
		if by == (campaign.Delta{}) {
			delete(d, c)
		}
	}
	return d
}

// After any history the counters are what a recount of the rows gives.
func TestCountersEqualTheRows(t *testing.T) {
	t.Parallel()
	change := rapid.Custom(func(t *rapid.T) member {
		return member{
			Campaign:  rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "campaign"),
			Status:    rapid.SampledFrom(append([]string{""}, names...)).Draw(t, "status"),
			Reached:   rapid.Uint64Range(0, 7).Draw(t, "reached"),
			OpenSince: rapid.SampledFrom([]time.Time{{}, noon, noon.Add(time.Hour)}).Draw(t, "open since"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		rows, counters, open := map[int]member{}, make(campaign.Deltas), make(campaign.Open)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			id := rapid.IntRange(1, 8).Draw(t, "message")
			after := change.Draw(t, "after")
			counters.Count(org, id%3, rows[id], after, bitName)
			open.Count(org, id%3, rows[id], after)
			rows[id] = after
		}
		require.Empty(t, cmp.Diff(recount(nil, rows), counters))

		want := campaign.Open{}
		for id, m := range rows {
			if m.Campaign != "" && !m.OpenSince.IsZero() {
				want[campaign.Hour{Org: org, Campaign: m.Campaign, Shard: id % 3, Hour: m.OpenSince}]++
			}
		}
		require.Empty(t, cmp.Diff(want, open))

		members := map[string]int64{}
		for _, m := range rows {
			if m.Campaign != "" && m.Status != "" {
				members[m.Campaign]++
			}
		}
		for _, id := range []string{"a", "b"} {
			s := campaign.Snapshot(org, id, counters.Sorted(), 1, time.Time{})
			require.Equal(t, members[id], s.Messages)
			var sum int64
			for _, n := range s.Counters {
				require.Positive(t, n)
				sum += n
			}
			require.Equal(t, s.Messages, sum)
			for _, n := range s.Reached {
				require.Positive(t, n)
				require.LessOrEqual(t, n, s.Messages)
			}
		}
	})
}

// A message is overdue once it is open for more than a day, to the hour.
func TestLastOverdue(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	known := noon.Add(59*time.Minute + 59*time.Second)
	hour := campaign.Since(known)
	require.Equal(t, noon, hour)
	for after, overdue := range map[time.Duration]bool{0: false, day - 1: false, day: false, day + time.Hour: true, 2 * day: true} {
		require.Equal(t, overdue, !hour.After(campaign.LastOverdue(known.Add(after))), after)
	}
}
