package cluster_test

import (
	"math/rand/v2"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/testkit"
)

// storm is the load of these tests: what is promised with -load, else a shower.
func storm() weather {
	if *load {
		return weather{2000, time.Minute, bad}
	}
	return weather{300, 10 * time.Second, bad}
}

// inTime compares a time with what is promised of a machine that does nothing
// else: it is required with -load alone, and told otherwise.
func inTime(t *testing.T, what string, took, promised time.Duration) {
	t.Helper()
	t.Logf("%s within %s (promised: %s)", what, took.Round(time.Millisecond), promised)
	if *load {
		require.Less(t, took, promised, what)
	}
}

func TestBadWeather(t *testing.T) {
	c := newCluster(t, 1)
	watch := c.watchOffsets()
	r := c.verdict(c.simulate(storm()))
	inTime(t, "everything is applied after the last callback", time.Duration(r.SettledAfter*float64(time.Second)), 5*time.Second)
	watch.neverFell()
	c.audit()
	c.stop()
}

// Router and workers are killed again and again; with a real broker, that one
// is killed and started again as well.
func TestBadWeatherWithKills(t *testing.T) {
	c := newCluster(t, 1)
	kills := 1 // the embedded broker waits for ever for a member that dies while it joins
	if onKafka() {
		kills = 2
	}
	if *load {
		kills = 5
	}
	const pause = 10 * time.Second
	watch := c.watchOffsets()
	p := c.simulate(storm().untilEnded())
	for i := range kills {
		c.whilePlaying(p, pause*3/5+rand.N(pause/5))
		c.routers[0] = c.killed(c.routers[0])
		c.whilePlaying(p, rand.N(pause/5))
		c.workers[0] = c.killed(c.workers[0])
		if k, ok := c.broker.(*kafka); ok && i == kills/2 {
			k.kill(1)
			began := time.Now()
			k.up()
			t.Logf("the broker was killed and answers again after %s", time.Since(began).Round(time.Millisecond))
		}
	}
	t.Logf("router and workers were killed %d times each", kills)
	c.whilePlaying(p, pause)
	p.Signal(syscall.SIGTERM)
	r := c.verdict(p)
	inTime(t, "everything is applied after the last callback", time.Duration(r.SettledAfter*float64(time.Second)), 5*time.Second)
	watch.neverFell()
	c.audit()
	c.stop()
}

// A member that is frozen for longer than its session loses its partitions, and
// wakes up with a batch in hand that is no longer its own.
func TestZombies(t *testing.T) {
	c := newCluster(t, 1)
	c.routers = append(c.routers, c.start("router"))
	c.workers = append(c.workers, c.start("workers"))
	for _, p := range []*testkit.Process{c.routers[1], c.workers[1]} {
		p.Await("/readyz", http.StatusOK)
	}
	w := storm().untilEnded()
	if !*load {
		w.rate = 100
	}
	watch := c.watchOffsets()
	p := c.simulate(w)
	c.whilePlaying(p, 5*time.Second)
	zombies := []*testkit.Process{c.routers[0], c.workers[0]}
	for _, z := range zombies {
		z.Signal(syscall.SIGSTOP)
	}
	c.whilePlaying(p, 20*time.Second)
	for _, z := range zombies {
		z.Signal(syscall.SIGCONT)
	}
	c.whilePlaying(p, 10*time.Second)
	p.Signal(syscall.SIGTERM)
	c.verdict(p)
	watch.neverFell()
	c.audit()
	for _, z := range zombies {
		z.Await("/readyz", http.StatusOK)
	}
	c.stop()
}

// A rolling deploy: whoever is asked to stop finishes what it has in hand and
// hands its partitions over within a second; ingest answers everything that it
// has begun to read, and its successor takes the port at once.
func TestRollingRestart(t *testing.T) {
	c := newCluster(t, 1)
	p := c.simulate(weather{rate: 300, flags: bad}.untilEnded())
	c.whilePlaying(p, time.Second)
	for name, list := range map[string]*[]*testkit.Process{events.GroupRouter: &c.routers, events.GroupWorkers: &c.workers} {
		old := (*list)[0]
		successor := c.start(old.Name)
		c.members(name, 2)
		began := time.Now()
		old.Signal(syscall.SIGTERM)
		took := c.members(name, 1).Sub(began)
		require.Zero(t, old.Status(10*time.Second))
		inTime(t, old.Name+" hands over", took, time.Second)
		*list = []*testkit.Process{successor}
	}
	c.whilePlaying(p, time.Second)
	require.Zero(t, c.ingest.Stop())
	c.ingest = c.start("ingest")
	c.ingest.Await("/readyz", http.StatusOK)
	c.whilePlaying(p, time.Second)
	p.Signal(syscall.SIGTERM)
	c.verdict(p)
	c.audit()
	c.stop()
}

// Each of three brokers is killed once, and with it the leader of every
// partition; what was acknowledged is on the others.
func TestThreeBrokers(t *testing.T) {
	if !onKafka() {
		t.Skip("three brokers that can be killed need a real Apache Kafka: make test-kafka")
	}
	c := newCluster(t, 3)
	k, _ := c.broker.(*kafka)
	watch := c.watchOffsets()
	p := c.simulate(weather{rate: 500, flags: bad}.untilEnded())
	for node := range k.nodes {
		c.whilePlaying(p, 5*time.Second)
		led := c.leaders()
		k.kill(node + 1)
		c.whilePlaying(p, 8*time.Second) // others lead by now
		k.up()
		c.inSync()
		t.Logf("broker %d was killed while it led %d partitions, and is in sync again", node+1, led[node+1])
	}
	c.whilePlaying(p, 5*time.Second)
	p.Signal(syscall.SIGTERM)
	c.verdict(p)
	watch.neverFell()
	c.audit()
	c.stop()
}
