package router_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
)

// How long a release takes from when the event was set ready is on the metrics.
func TestAReleaseIsTimed(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.publish(status(g.signA, 1, "delivered"))
	g.held(events.Parked, "no_mapping")
	g.publish(g.send(g.orgA, 1))
	require.ElementsMatch(t, []events.Kind{events.KindSend, events.KindMessageStatus}, []events.Kind{next(g, g.messages).Kind, next(g, g.messages).Kind})
	// The status is on its topic before the router lets go of the event and
	// takes the time.
	g.until(func() string {
		if n, _ := g.releaseTimes(); n != 1 {
			return fmt.Sprintf("%d releases are on the metrics", n)
		}
		return ""
	})
	_, seconds := g.releaseTimes()
	require.Less(t, seconds, patience.Seconds())
}

func (g *rig) releaseTimes() (n uint64, seconds float64) {
	g.t.Helper()
	families, err := g.registry.Gather()
	require.NoError(g.t, err)
	for _, f := range families {
		if f.GetName() == "waybill_router_release_seconds" {
			h := f.GetMetric()[0].GetHistogram()
			return h.GetSampleCount(), h.GetSampleSum()
		}
	}
	require.FailNow(g.t, "there is no such metric")
	return 0, 0
}
