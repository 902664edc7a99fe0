package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"waybill/internal/events"
)

// published is one status event, and when it was: the delay is what a campaign
// sender sees between the callback and the news.
type published struct {
	org      events.OrgID
	row      events.RowID
	received time.Time // by ingest
	at       time.Time // on the status topic
}

// statusEvents reads so many status events from the first one on.
func (c *cluster) statusEvents(want int) []published {
	c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(c.broker.addresses(), ",")...),
		kgo.ConsumeTopics(events.TopicStatusMessages), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(c.t, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	list := make([]published, 0, want)
	for len(list) < want {
		fetches := client.PollFetches(ctx)
		require.NoError(c.t, fetches.Err(), "%d of %d status events", len(list), want)
		fetches.EachRecord(func(r *kgo.Record) {
			var s events.Status
			require.NoError(c.t, json.Unmarshal(r.Value, &s))
			list = append(list, published{s.Org, s.ID, s.ReceivedAt, r.Timestamp})
		})
	}
	return list
}

// delays are those of one class of organisations, in one phase.
type delays []time.Duration

func (d delays) percentile(p float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(int(p*float64(len(d))), len(d)-1)]
}

// period is a time in which callbacks were received.
type period struct{ from, to time.Time }

func (p period) holds(at time.Time) bool { return !at.Before(p.from) && at.Before(p.to) }

// class is a set of events whose delay the flood may change in its own way.
type class struct {
	name         string
	quiet, flood delays
}

func (c *class) ratio(p float64) float64 {
	return float64(c.flood.percentile(p)) / float64(max(c.quiet.percentile(p), time.Millisecond))
}

func table(classes []*class) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nwhose events\tbefore\tp50 ms\tp99 ms\tmax ms\tflooded\tp50 ms\tp99 ms\tmax ms\tp50 x\tp99 x\t")
	for _, c := range classes {
		fmt.Fprintf(w, "%s\t", c.name)
		for _, d := range []delays{c.quiet, c.flood} {
			fmt.Fprintf(w, "%d\t%d\t%d\t%d\t", len(d), d.percentile(.5).Milliseconds(), d.percentile(.99).Milliseconds(), d.percentile(1).Milliseconds())
		}
		fmt.Fprintf(w, "%.2f\t%.2f\t\n", c.ratio(.5), c.ratio(.99))
	}
	_ = w.Flush()
	return b.String()
}
