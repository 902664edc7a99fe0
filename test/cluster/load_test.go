package cluster_test

import (
	"testing"
	"time"
)

func TestBadWeather(t *testing.T) {
	c := newCluster(t, 1)
	w := weather{400, 5 * time.Second, bad}
	if *load {
		w = weather{2000, time.Minute, bad}
	}
	c.verdict(c.simulate(w))
	c.audit()
	c.stop()
}
