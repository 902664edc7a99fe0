// Package campaign_test sends one large campaign through the workers' store, on
// every lane at once, and looks for what a hot row would show: statements that
// wait for each other's locks, and counters whose every change touches an index.
//
//	go test -v ./bench/campaign -messages 1000000
package campaign_test

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"waybill/internal/bus"
	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

var messages = flag.Int("messages", 8_000, "messages of the campaign")

func TestMain(m *testing.M) { testkit.Main(m) }

const batchSize = 500

// lane is one partition with a worker of its own: messages of one organisation
// whose rows fall on one lane.
type lane struct {
	store *postgres.Messages
	part  int
	at    int64
	rows  []events.RowID
}

func TestALargeCampaignHasNoHotRow(t *testing.T) {
	db := testkit.Database(t)
	owner := db.Pool(t, testkit.Owner)
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: config.Secret(db.URL(testkit.Worker)), MaxConns: 8, Prepared: true})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	org := events.OrgID(uuid.NewString())
	_, err = owner.Exec(t.Context(), "INSERT INTO organizations (id, name) VALUES ($1, 'large')", org)
	require.NoError(t, err)

	one := uuid.NewString()
	many := make([]string, 50)
	for i := range many {
		many[i] = uuid.NewString()
	}
	single := play(t, owner, pool, org, func(int) string { return one })
	spread := play(t, owner, pool, org, func(i int) string { return many[i%len(many)] })
	t.Logf("one campaign / fifty: %.2f", single/spread)

	var counted, delivered int
	require.NoError(t, owner.QueryRow(t.Context(), "SELECT sum(messages), sum(messages) FILTER (WHERE status = 'delivered') FROM campaign_counters WHERE campaign_id = $1", one).
		Scan(&counted, &delivered))
	require.Equal(t, *messages, counted)
	require.Equal(t, *messages, delivered)
}

// play sends and delivers as many messages as the flag says, and returns events a second.
func play(t *testing.T, owner *pgxpool.Pool, pool *postgres.DB, org events.OrgID, campaign func(int) string) float64 {
	t.Helper()
	topic := "bench." + uuid.NewString()
	lanes := make([]*lane, events.Lanes)
	for i := range lanes {
		lanes[i] = &lane{store: postgres.NewMessages(pool, topic), part: i}
		require.NoError(t, postgres.NewLedger(pool, topic).Plant(t.Context(), events.TopicMessages, i, 0))
	}
	for range *messages {
		id := events.RowID(uuid.NewString())
		l := lanes[events.Lane(id)]
		l.rows = append(l.rows, id)
	}
	require.NoError(t, lanes[0].found(t.Context(), org, campaign))
	updates, hot := updated(t, owner)
	waits := watchLocks(t, owner)
	began := time.Now()
	g, ctx := errgroup.WithContext(t.Context())
	for _, l := range lanes {
		g.Go(func() error { return l.run(ctx, org, campaign) })
	}
	require.NoError(t, g.Wait())
	took := time.Since(began)
	waited, looks := waits()
	allUpdates, allHot := updated(t, owner)
	rate := float64(2**messages) / took.Seconds()
	t.Logf("%d messages, %d events in %.1f s: %.0f a second; %d of %d looks saw a statement wait for a lock; %d of %d updates of counters touched no index",
		*messages, 2**messages, took.Seconds(), rate, waited, looks, allHot-hot, allUpdates-updates)
	require.LessOrEqual(t, waited*20, looks, "statements wait for each other")
	require.GreaterOrEqual(t, allHot-hot, (allUpdates-updates)/2, "changes of counters touch an index")
	return rate
}

// found makes the campaigns, as a campaign's first message does: whoever sends
// another first one at that moment waits.
func (l *lane) found(ctx context.Context, org events.OrgID, campaign func(int) string) error {
	batch := make([]events.Message, 0, batchSize)
	for i := range min(batchSize, len(l.rows)) {
		m := l.event(org, l.rows[i], events.Intended)
		m.Kind, m.CampaignID = events.KindSend, campaign(i)
		batch = append(batch, m)
	}
	return l.apply(ctx, batch)
}

func (l *lane) apply(ctx context.Context, batch []events.Message) error {
	f := bus.Fence{Topic: events.TopicMessages, Partition: l.part, At: l.at, Next: l.at + int64(len(batch))}
	_, err := l.store.Apply(ctx, []bus.Fence{f}, batch)
	l.at = f.Next
	return err
}

// run sends a batch and delivers the one before, as callbacks follow sends.
func (l *lane) run(ctx context.Context, org events.OrgID, campaign func(int) string) error {
	for i := 0; i < len(l.rows)+batchSize; i += batchSize {
		var batch []events.Message
		for j := i; j < min(i+batchSize, len(l.rows)); j++ {
			m := l.event(org, l.rows[j], "accepted")
			m.Kind, m.CampaignID, m.SentAt = events.KindSend, campaign(j), new(time.Now())
			batch = append(batch, m)
		}
		for j := max(i-batchSize, 0); j < min(i, len(l.rows)); j++ {
			batch = append(batch, l.event(org, l.rows[j], "delivered"))
		}
		if err := l.apply(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

func (l *lane) event(org events.OrgID, row events.RowID, status string) events.Message {
	return events.Message{
		EventID: events.EventID(fmt.Sprintf("bench/%s/%s", row, status)), Receipt: events.NewReceiptID(), Kind: events.KindMessageStatus,
		Provider: events.Twilio, Org: org, Row: row, ProviderID: "SM" + string(row), Channel: events.SMS, Direction: events.Outbound,
		Status: status, ReceivedAt: time.Now(), Raw: events.Position{Topic: events.TopicRawTwilio}, Packed: []byte{1},
	}
}

// updated returns how often counters were updated, and how often that touched no index.
func updated(t *testing.T, owner *pgxpool.Pool) (updates, hot int64) {
	t.Helper()
	_, err := owner.Exec(t.Context(), "SELECT pg_stat_force_next_flush()")
	require.NoError(t, err)
	require.NoError(t, owner.QueryRow(t.Context(),
		"SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'campaign_counters'").Scan(&updates, &hot))
	return updates, hot
}

// watchLocks looks every few milliseconds whether a statement waits for a lock
// of a row, until the returned function is called.
func watchLocks(t *testing.T, owner *pgxpool.Pool) func() (waited, looks int) {
	t.Helper()
	done := make(chan struct{})
	var waited, looks int
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			var n int
			if err := owner.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event IN ('tuple', 'transactionid') AND datname = current_database()").Scan(&n); err != nil {
				continue
			}
			looks++
			if n > 0 {
				waited++
			}
		}
	})
	return func() (int, int) {
		close(done)
		wg.Wait()
		return waited, looks
	}
}
