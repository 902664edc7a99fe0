package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
	"waybill/internal/testkit"
	"waybill/status"
)

func TestMain(m *testing.M) { testkit.Main(m, testkit.NoLeaks()) }

// output is what the program wrote so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// publisher returns what publishes a campaign's next snapshot; fields is the end
// of its JSON.
func publisher(t *testing.T, broker, campaign string) func(fields string) {
	t.Helper()
	client, err := kafkabus.New(kafkabus.Config{Brokers: []string{broker}}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close(context.Background())) })
	c := events.CampaignStatus{Org: events.OrgID(uuid.NewString()), CampaignID: campaign, At: time.Now().UTC()}
	return func(fields string) {
		t.Helper()
		c.Version++
		rec, err := c.Record()
		require.NoError(t, err)
		rec.Value = fmt.Appendf(nil, `{"org_id":%q,"campaign_id":%q,"version":%d,"at":%q,%s}`,
			c.Org, c.CampaignID, c.Version, c.At.Format(time.RFC3339Nano), fields)
		require.NoError(t, client.Publish(t.Context(), rec))
	}
}

const (
	half     = `"messages":4,"counters":{"sent":2,"delivered":1,"failed":1},"overdue":1`
	complete = `"messages":4,"counters":{"sent":1,"delivered":2,"failed":1},"completed_at":"2026-11-23T15:04:05Z"`
)

func TestACampaignIsFollowedToItsEnd(t *testing.T) {
	t.Parallel()
	broker, campaign := testkit.Kafka(t), uuid.NewString()
	publish := publisher(t, broker, campaign)
	publisher(t, broker, uuid.NewString())(complete) // another's end is not ours
	publish(half)
	var stdout, stderr output
	code := make(chan int, 1)
	go func() {
		code <- run(t.Context(), []string{"--brokers", broker, "--campaign", campaign}, &stdout, &stderr)
	}()
	const patience = 40 * time.Second
	require.Eventually(t, func() bool { return strings.Contains(stdout.String(), "50%") }, patience, 5*time.Millisecond)
	publish(complete)
	select {
	case got := <-code:
		require.Equal(t, 0, got, stderr.String())
	case <-time.After(patience):
		require.FailNow(t, "it goes on", stderr.String())
	}
	require.Regexp(t, `^waiting for news of campaign `+campaign+`
\S+Z  50% of 4: delivered 1, failed 1 \| sent 2, overdue 1
\S+Z  75% of 4: delivered 2, failed 1 \| sent 1 \| complete 2026-11-23T15:04:05Z
$`, stdout.String())
}

func TestAnInterruptIsClean(t *testing.T) {
	t.Parallel()
	broker, campaign := testkit.Kafka(t), uuid.NewString()
	publisher(t, broker, campaign)(half)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var stdout, stderr output
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"--brokers", broker, "--campaign", campaign}, &stdout, &stderr) }()
	require.Eventually(t, func() bool { return strings.Contains(stdout.String(), "50%") }, 40*time.Second, 5*time.Millisecond)
	interrupt()
	require.Equal(t, 130, <-code)
	require.True(t, strings.HasSuffix(stderr.String(), "interrupted; the campaign is not complete\n"), stderr.String()) // a broker may have had its say
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--help"}, 0, "Examples:"},
		{nil, 2, "--campaign ID"},
		{[]string{"--campaign", "x", "y"}, 2, "--campaign ID"},
		{[]string{"--loud"}, 2, "not defined"},
		{[]string{"--campaign", "x", "--brokers", "nowhere"}, 2, "Brokers: entry 1 is not host:port"},
		{[]string{"--campaign", "x", "--password-file", "/nowhere/at all"}, 2, "reading the password"},
	} {
		var stdout, stderr output
		require.Equal(t, c.code, run(t.Context(), c.args, &stdout, &stderr), c.args)
		require.Contains(t, stderr.String(), c.says)
		require.Empty(t, stdout.String())
	}
}

func TestTheBarIsNeverTooLong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		messages int64
		counters map[string]int64
		want     string
	}{
		{0, nil, "[------------------------]"},
		{3, map[string]int64{"sent": 3}, "[------------------------]"},
		{3, map[string]int64{"sent": 2, "read": 1}, "[########----------------]"},
		{3, map[string]int64{"delivered": 3}, "[########################]"},
	} {
		require.Equal(t, c.want, bar(&status.Campaign{Messages: c.messages, Counters: c.counters}))
	}
	d := display{out: &output{}, terminal: true}
	d.waiting("c")
	d.progress(&status.Campaign{Messages: 2, Counters: map[string]int64{"sent": 1, "failed": 1}})
	d.end()
	require.Equal(t, "\rwaiting for news of campaign c\x1b[K\r[############------------]  50% of 2: failed 1 | sent 1\x1b[K\n", d.out.(*output).String())
}
