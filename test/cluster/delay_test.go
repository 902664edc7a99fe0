package cluster_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"

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

// statusEvents reads the status events from the first one on, once there are so
// many.
func (c *cluster) statusEvents(want int) []published {
	c.t.Helper()
	list := make([]published, 0, want)
	for deadline := time.Now().Add(time.Minute); ; <-time.After(100 * time.Millisecond) {
		list = list[:0]
		c.eachRecord(events.TopicStatusMessages, time.Time{}, func(r *events.Record) {
			var s events.Status
			require.NoError(c.t, json.Unmarshal(r.Value, &s))
			list = append(list, published{s.Org, s.ID, s.ReceivedAt, r.Time})
		})
		if len(list) >= want {
			return list
		}
		require.True(c.t, time.Now().Before(deadline), "%d of %d status events", len(list), want)
	}
}

// delays are how long something took each time.
type delays []time.Duration

// percentile returns the delay that a share p of them does not exceed, by the
// nearest rank; 0 if there are none.
func (d delays) percentile(p float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[max(int(math.Ceil(p*float64(len(d)))), 1)-1]
}

func (d delays) String() string {
	ms := func(p float64) int64 { return d.percentile(p).Milliseconds() }
	return fmt.Sprintf("%d, p50 %d ms, p99 %d ms, at most %d ms", len(d), ms(.5), ms(.99), ms(1))
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
