package cluster_test

import (
	"flag"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

var floodRate = flag.Int("flood-rate", 150, "callbacks a second of those who share the machine with the flood, with -load")

// deluge is the size of the flood and of what goes on beside it.
type deluge struct {
	messages int           // of the flooding organisation, each with every status
	others   int           // organisations that share a partition with it, and as many that share none
	rate     int           // callbacks a second of all the others
	warm     time.Duration // before anything is measured
	quiet    time.Duration // measured without a flood
	longest  time.Duration // that the load of the others is made for
}

func floodSize() deluge {
	if *load {
		return deluge{messages: 50_000, others: 20, rate: *floodRate, warm: 10 * time.Second, quiet: 30 * time.Second, longest: 4 * time.Minute}
	}
	return deluge{messages: 500, others: 5, rate: 100, warm: 0, quiet: 2 * time.Second, longest: 30 * time.Second}
}

// An organisation lives on four of 24 partitions at most, so a flood of its
// callbacks holds up those that live there as well, for as long as it takes to
// apply it, and leaves the others alone.
func TestFlood(t *testing.T) {
	size := floodSize()
	wide := events.Embedded
	wide.Partitions = events.Production.Partitions
	b, _ := startBroker(t, 1, wide)
	c := newClusterOn(t, b, "production")
	k := newCast("http://"+c.listen, size.others, size.others)
	k.enter(t, c)

	campaign, sends := k.send(t, k.flooding, size.messages)
	waves, more := k.waves(t, size)
	c.produce(t.Context(), append(sends, more...))
	c.audit()
	var flood []*kgo.Record
	for i := 0; i < len(campaign); i += 1000 { // a campaign's messages change status side by side
		for _, status := range statuses {
			for j := i; j < min(i+1000, len(campaign)); j++ {
				flood = append(flood, k.routed(t, &campaign[j], status, events.Position{Topic: events.TopicRawTwilio, Offset: int64(len(flood))}))
			}
		}
	}

	s := c.playSteadily(k, waves, size.rate)
	c.pass(size.warm)
	quiet := period{from: time.Now()}
	c.pass(size.quiet)
	quiet.to = time.Now()
	t.Logf("load average %s, %s", machineLoad(), c.costs())

	require.Zero(t, c.workers[0].Stop())
	began := time.Now()
	ends := c.produce(t.Context(), flood)
	t.Logf("%d callbacks of one organisation on partitions %v, written in %s", len(flood), ends, time.Since(began).Round(time.Millisecond))
	require.LessOrEqual(t, len(ends), events.Lanes)
	for p := range ends {
		require.True(t, k.lanes[p], "partition %d is none of %v", p, k.lanes)
	}
	c.workers[0] = c.start("workers")
	c.drained(ends)
	t.Logf("load average %s, %s", machineLoad(), c.costs())
	taken := s.stop()
	c.audit()

	list := c.statusEvents(len(sends) + len(more) + len(flood) + taken)
	c.judge(k, list, quiet, len(flood))
	c.tally(k, size, taken)
	c.stop()
}

// waves makes up the messages of the others: in each wave one of each organisation.
func (k *cast) waves(t *testing.T, size deluge) (waves [][]outbound, sends []*kgo.Record) {
	t.Helper()
	orgs := append(append([]events.OrgID{}, k.sharing...), k.apart...)
	n := int(size.longest.Seconds())*size.rate/(len(orgs)*len(statuses)) + 1
	waves = make([][]outbound, n)
	for _, org := range orgs {
		list, records := k.send(t, org, n)
		for i := range list {
			waves[i] = append(waves[i], list[i])
		}
		sends = append(sends, records...)
	}
	return waves, sends
}

// tally requires that every row and every timeline says what was told.
func (c *cluster) tally(k *cast, size deluge, taken int) {
	c.t.Helper()
	db, err := postgres.Open(c.t.Context(), postgres.Config{URL: config.Secret(c.database(testkit.Operator)), MaxConns: 2})
	require.NoError(c.t, err)
	defer db.Close()
	inspect := postgres.NewInspect(db)
	rows := map[string]int{}
	require.NoError(c.t, inspect.EachRow(c.t.Context(), []events.OrgID{k.flooding}, func(m history.Row) { rows[m.Status]++ }))
	require.Equal(c.t, map[string]int{statuses[len(statuses)-1]: size.messages}, rows)
	orgs := append(append([]events.OrgID{k.flooding}, k.sharing...), k.apart...)
	told, sends := 0, 0
	require.NoError(c.t, inspect.EachEvent(c.t.Context(), orgs, func(history.TimelineEntry) { told++ }))
	require.NoError(c.t, inspect.EachRow(c.t.Context(), orgs, func(history.Row) { sends++ }))
	require.Equal(c.t, sends+size.messages*len(statuses)+taken, told, "events in the timelines")
}

// pass waits a while.
func (c *cluster) pass(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.t.Context().Done():
	}
}

// drained waits until the workers have committed these offsets of the messages topic.
func (c *cluster) drained(ends map[int32]int64) {
	c.t.Helper()
	client := c.client()
	topic := kmsg.NewOffsetFetchRequestTopic()
	topic.Topic = events.TopicMessages
	for p := range ends {
		topic.Partitions = append(topic.Partitions, p)
	}
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.Topics = events.GroupWorkers, append(req.Topics, topic)
	require.Eventually(c.t, func() bool {
		res, err := req.RequestWith(c.t.Context(), client)
		if err != nil || len(res.Topics) != 1 {
			return false
		}
		for _, p := range res.Topics[0].Partitions {
			if p.Offset < ends[p.Partition] {
				return false
			}
		}
		return true
	}, floodSize().longest, 100*time.Millisecond, "the flood does not drain")
}
