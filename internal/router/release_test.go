package router_test

import (
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
	require.Equal(t, events.KindSend, next(g, g.messages).Kind)
	require.Equal(t, "delivered", next(g, g.messages).Status)
	families, err := g.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == "waybill_router_release_seconds" {
			h := f.GetMetric()[0].GetHistogram()
			require.EqualValues(t, 1, h.GetSampleCount())
			require.Less(t, h.GetSampleSum(), patience.Seconds())
			return
		}
	}
	t.Fatal("there is no such metric")
}
