package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
	"waybill/internal/testkit"
	"waybill/status"
	"waybill/status/kafka"
)

// patience is how long a broker may take for anything.
const patience = 40 * time.Second

// world is a broker, and an organisation of this test's own on it.
type world struct {
	t      *testing.T
	broker string
	client *kafkabus.Client
	org    string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	broker := testkit.Kafka(t)
	client, err := kafkabus.New(kafkabus.Config{Brokers: []string{broker}}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close(context.Background())) })
	return &world{t: t, broker: broker, client: client, org: uuid.NewString()}
}

func (w *world) publish(list ...interface{ Record() (events.Record, error) }) {
	w.t.Helper()
	records := make([]events.Record, len(list))
	for i, e := range list {
		var err error
		records[i], err = e.Record()
		require.NoError(w.t, err)
	}
	require.NoError(w.t, w.client.Publish(w.t.Context(), records...))
}

// transition is version n of a message.
func (w *world) transition(id string, n int64) *events.Status {
	return &events.Status{
		Org: events.OrgID(w.org), ID: events.RowID(id), Channel: events.SMS, Status: fmt.Sprint("step", n), Version: n, ReceivedAt: time.Now(),
	}
}

func (w *world) subscribe(group string) *status.Subscriber {
	w.t.Helper()
	sub, err := kafka.NewSubscriber(kafka.Config{Brokers: []string{w.broker}, Group: group})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, sub.Close()) })
	return status.New(sub, status.Options{Org: w.org}) // a real broker has what other tests left
}

// Rows of all partitions, published together and again from the middle, as a
// worker does after a crash: each row's versions come once, in order.
func TestEachRowsVersionsComeOnceAndInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const rows, versions = 12, 5
	var topic []interface{ Record() (events.Record, error) }
	ids := make([]string, rows)
	for i := range ids {
		ids[i] = uuid.NewString()
	}
	for n := range int64(versions) {
		for _, id := range ids {
			topic = append(topic, w.transition(id, n+1))
		}
	}
	w.publish(topic...)
	w.publish(topic[rows*2:]...)
	for _, id := range ids { // behind the repeats, so that these are read
		w.publish(w.transition(id, versions+1))
	}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	got, complete := map[string][]int64{}, 0
	err := w.subscribe(uuid.NewString()).Messages(ctx, func(_ context.Context, m status.Message) error {
		got[m.ID] = append(got[m.ID], m.Version)
		if m.Version == versions+1 {
			complete++
		}
		if complete == rows {
			stop()
		}
		return nil
	})
	require.NoError(t, err)
	require.Len(t, got, rows)
	for id, seen := range got {
		require.Equal(t, []int64{1, 2, 3, 4, 5, 6}, seen, id)
	}
}

// What a handler refuses comes again before anything later of its row, and what
// was acknowledged does not come again to the same group.
func TestRefusedEventsComeAgainAndAGroupGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, group := uuid.NewString(), uuid.NewString()
	w.publish(w.transition(id, 1), w.transition(id, 2), w.transition(id, 3))

	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	var tried []int64
	refusals := 2
	err := w.subscribe(group).Messages(ctx, func(_ context.Context, m status.Message) error {
		tried = append(tried, m.Version)
		if m.Version == 2 && refusals > 0 {
			refusals--
			return errors.New("the database is away")
		}
		if m.Version == 2 {
			stop()
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2, 2, 2}, tried)

	ctx, stop = context.WithTimeout(t.Context(), patience)
	defer stop()
	var next []int64
	err = w.subscribe(group).Messages(ctx, func(_ context.Context, m status.Message) error {
		next = append(next, m.Version)
		stop()
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []int64{3}, next, "the second was acknowledged when the call returned")
}

// Calls and campaigns have topics of their own; a new group begins at their beginning.
func TestSnapshotsOfCampaigns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	campaign := uuid.NewString()
	snapshot := func(version, sent, delivered int64) *events.CampaignStatus {
		return &events.CampaignStatus{
			Org: events.OrgID(w.org), CampaignID: campaign, Messages: sent + delivered, Version: version, At: time.Now(),
			Counters: map[string]int64{"sent": sent, "delivered": delivered}, Reached: map[string]int64{"sent": sent + delivered},
		}
	}
	w.publish(snapshot(3, 2, 0), snapshot(5, 1, 1), snapshot(5, 1, 1), snapshot(4, 2, 0), snapshot(9, 0, 2))
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	var open []int64
	err := w.subscribe(uuid.NewString()).Campaigns(ctx, func(_ context.Context, c status.Campaign) error {
		if open = append(open, c.Open()); c.Version == 9 {
			stop()
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []int64{2, 1, 0}, open, "a repeat and an older one are left out")
}

// Two calls of one group share the rows, each in order; what moves between them
// may be a repeat and is never lost.
func TestTwoCallsOfAGroupShareTheWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group := uuid.NewString()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	var mu sync.Mutex
	by, rows := map[int]int{}, map[string]int64{}
	var calls sync.WaitGroup
	for member := range 2 {
		s := w.subscribe(group)
		calls.Go(func() {
			_ = s.Messages(ctx, func(_ context.Context, m status.Message) error {
				mu.Lock()
				defer mu.Unlock()
				by[member]++
				rows[m.ID] = max(rows[m.ID], m.Version)
				return nil
			})
		})
	}
	published := 0
	done := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return by[0] > 0 && by[1] > 0 && len(rows) == published
	}
	for ctx.Err() == nil && !done() {
		for range 4 {
			w.publish(w.transition(uuid.NewString(), 1))
			published++
		}
		require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(rows) == published }, patience, 5*time.Millisecond)
	}
	require.NoError(t, ctx.Err(), "both have had some, and nothing is missing")
	stop()
	calls.Wait()
}

func TestEveryProblemOfAConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	_, err := kafka.NewSubscriber(kafka.Config{Brokers: []string{"kafka"}, SASLMechanism: "PLAIN", Password: "hunter2"})
	for _, part := range []string{"Brokers: entry 1", "Username is empty", "name one in Group"} {
		require.ErrorContains(t, err, part)
	}
	require.NotContains(t, err.Error(), "WAYBILL_")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestASubscriberThatWasClosed(t *testing.T) {
	t.Parallel()
	sub, err := kafka.NewSubscriber(kafka.Config{Brokers: []string{"127.0.0.1:1"}, Group: "g"})
	require.NoError(t, err)
	ended := make(chan error, 1)
	s := status.New(sub, status.Options{})
	go func() { ended <- s.Campaigns(context.Background(), nil) }()
	require.NoError(t, sub.Close())
	require.NoError(t, sub.Close())
	select {
	case err := <-ended: // of subscribing, if Close was first
		require.Error(t, err)
	case <-time.After(patience):
		require.FailNow(t, "the call goes on")
	}
	require.ErrorIs(t, s.Campaigns(t.Context(), nil), kafka.ErrClosed)
}
