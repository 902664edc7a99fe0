package cluster_test

import (
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
)

// judge compares the delays before and while the flood drains.
func (c *cluster) judge(k *cast, list []published, quiet period, flood int) {
	c.t.Helper()
	drain := k.drain(list)
	apart, own, flooded := &class{name: "sharing no partition"}, &class{name: "sharing, on others"}, &class{name: "sharing, on these"}
	for i := range list {
		e := &list[i]
		var to *class
		switch {
		case e.org == k.flooding:
			continue
		case !k.shares(e.org):
			to = apart
		case k.lanes[k.partition(e)]:
			to = flooded
		default:
			to = own
		}
		if quiet.holds(e.received) {
			to.quiet = append(to.quiet, e.at.Sub(e.received))
		} else if drain.holds(e.received) {
			to.flood = append(to.flood, e.at.Sub(e.received))
		}
	}
	took := drain.to.Sub(drain.from)
	c.t.Log(table([]*class{apart, own, flooded}))
	c.t.Logf("the flood drained in %s, %.0f callbacks a second", took.Round(time.Millisecond), float64(flood)/took.Seconds())
	if *load { // a shower may be over before anybody else calls
		require.Greater(c.t, len(apart.flood), 100)
	}
	inTime(c.t, "p50 of those that share no partition", apart.flood.percentile(.5), 2*apart.quiet.percentile(.5))
	inTime(c.t, "p99 of those that share no partition", apart.flood.percentile(.99), 2*apart.quiet.percentile(.99))
	inTime(c.t, "the last of those that share one", max(own.flood.percentile(1), flooded.flood.percentile(1)), 3*took)
}

// drain returns when the first and the last callback of the flood took effect.
func (k *cast) drain(list []published) (p period) {
	last := map[events.RowID]int{}
	for i := range list {
		e := &list[i]
		if e.org != k.flooding {
			continue
		}
		if last[e.row]++; last[e.row] == 1 {
			continue // its send record, long before
		}
		if p.from.IsZero() || e.at.Before(p.from) {
			p.from = e.at
		}
		if e.at.After(p.to) {
			p.to = e.at
		}
	}
	return p
}

func (k *cast) shares(org events.OrgID) bool {
	return slices.Contains(k.sharing, org)
}

func (k *cast) partition(e *published) int32 {
	return partitionOf(events.DomainKey(e.org, e.row), events.Production.Partitions)
}
