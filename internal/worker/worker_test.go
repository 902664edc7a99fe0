package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/obs"
	"waybill/internal/postgres"
	"waybill/internal/testkit"
	"waybill/internal/worker"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// shop is a worker over a real database. The test is its consumer, so that it
// can stop between any two steps.
type shop struct {
	t         *testing.T
	worker    *worker.Worker
	owner     *pgxpool.Pool
	org       events.OrgID
	published *publisher
	messages  *store
	pause     time.Duration // between two shared transactions; 0 = the default
}

// publisher keeps what is published, and fails as often as it is told to.
type publisher struct {
	mu      sync.Mutex
	records []events.Record
	fail    int
}

var errAway = errors.New("the broker is away")

func (p *publisher) Publish(_ context.Context, records ...events.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail > 0 {
		p.fail--
		return fault.Wrap(fault.Unavailable, "away", errAway)
	}
	p.records = append(p.records, records...)
	return nil
}

// store is the real store; its answer is lost as often as it is told to.
type store struct {
	worker.Messages
	lose int
}

func (s *store) Apply(ctx context.Context, fences []bus.Fence, batch []events.Message) (events.Effect, error) {
	effect, err := s.Messages.Apply(ctx, fences, batch)
	if err == nil && s.lose > 0 {
		s.lose--
		return events.Effect{}, fault.New(fault.Unavailable, "answer_lost")
	}
	return effect, err
}

func newShop(t *testing.T, options ...func(*shop)) *shop {
	t.Helper()
	db := testkit.Database(t)
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: config.Secret(db.URL(testkit.Worker)), MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	s := &shop{
		t: t, owner: db.Pool(t, testkit.Owner), org: events.OrgID(uuid.NewString()), published: &publisher{},
		messages: &store{Messages: postgres.NewMessages(pool, events.GroupWorkers)},
	}
	for _, o := range options {
		o(s)
	}
	_, err = s.owner.Exec(t.Context(), "INSERT INTO organizations (id, name) VALUES ($1, 'test')", s.org)
	require.NoError(t, err)
	ledger := postgres.NewLedger(pool, events.GroupWorkers)
	s.worker = worker.New(worker.Options{
		Ledger: ledger, Messages: s.messages, Calls: postgres.NewCalls(pool, events.GroupWorkers), Billing: postgres.NewBilling(pool, events.GroupWorkers),
		Campaigns: postgres.NewCampaigns(pool), Timeline: ledger, Publisher: s.published,
		Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), Health: obs.NewHealth(), SharePause: s.pause,
	})
	return s
}

// open takes the partition as a group does whose last commit was at an offset.
func (s *shop) open(committed int64) bus.Partition {
	s.t.Helper()
	p, err := s.worker.Open(s.t.Context(), bus.Assignment{Topic: events.TopicMessages, Committed: committed, End: 1000})
	require.NoError(s.t, err)
	return p
}

// record is a status event at an offset.
func (s *shop) record(offset int64, org events.OrgID, sid, status string) events.Record {
	s.t.Helper()
	m := events.Message{
		EventID: events.NewEventID(events.Twilio, "AC", events.KindMessageStatus, sid, status, ""), Receipt: events.ReceiptID(uuid.NewSHA1(uuid.Nil, []byte(sid+status)).String()),
		Kind: events.KindMessageStatus, Provider: events.Twilio, Org: org, Row: events.DeriveRowID(org, events.Twilio, sid),
		ProviderID: sid, Channel: events.SMS, Direction: events.Outbound, Status: status, ReceivedAt: time.Date(2026, 11, 23, 12, 0, int(offset), 0, time.UTC),
		Packed: []byte{1},
	}
	rec, err := m.Record()
	require.NoError(s.t, err)
	rec.Offset = offset
	return rec
}

func (s *shop) batch(from int64, org events.OrgID, sid string, statuses ...string) []events.Record {
	var out []events.Record
	for i, st := range statuses {
		out = append(out, s.record(from+int64(i), org, sid, st))
	}
	return out
}

// said lists the status events that were published.
func (s *shop) said() []string {
	s.t.Helper()
	var out []string
	for i := range s.published.records {
		m, err := events.DecodeStatus(&s.published.records[i])
		require.NoError(s.t, err)
		out = append(out, fmt.Sprintf("%s v%d %s", m.ProviderID, m.Version, m.Status))
	}
	return out
}

func (s *shop) held() (out []string) {
	s.t.Helper()
	rows, err := s.owner.Query(s.t.Context(), "SELECT state || ' ' || reason FROM held_events ORDER BY 1")
	require.NoError(s.t, err)
	for rows.Next() {
		var h string
		require.NoError(s.t, rows.Scan(&h))
		out = append(out, h)
	}
	require.NoError(s.t, rows.Err())
	return out
}

func TestAFailureBetweenCommitAndPublishRepeatsThePublishing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.open(-1)
	batch := s.batch(0, s.org, "SM1", "queued", "sent")
	s.published.fail = 1
	require.ErrorIs(t, p.Handle(t.Context(), batch), errAway)
	require.Empty(t, s.said())
	require.NoError(t, p.Handle(t.Context(), batch))
	require.Equal(t, []string{"SM1 v1 queued", "SM1 v2 sent"}, s.said())
}

func TestALostAnswerOfTheDatabaseAppliesOnceAndPublishes(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.open(-1)
	batch := s.batch(0, s.org, "SM1", "queued", "sent")
	s.messages.lose = 1
	require.ErrorContains(t, p.Handle(t.Context(), batch), "answer_lost")
	require.NoError(t, p.Handle(t.Context(), batch))
	require.Equal(t, []string{"SM1 v1 queued", "SM1 v2 sent"}, s.said())
	require.NoError(t, p.Handle(t.Context(), s.batch(2, s.org, "SM1", "delivered")))
	require.Equal(t, "SM1 v3 delivered", s.said()[2])
}

func TestARestartBehindTheCommitPublishesAgainAndAppliesNothing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	batch := s.batch(0, s.org, "SM1", "queued", "sent", "delivered")
	require.NoError(t, s.open(-1).Handle(t.Context(), batch))
	p := s.open(1) // the group's commit is behind
	require.EqualValues(t, 1, p.Start())
	require.NoError(t, p.Handle(t.Context(), batch[1:]))
	require.Equal(t, []string{"SM1 v1 queued", "SM1 v2 sent", "SM1 v3 delivered", "SM1 v2 sent", "SM1 v3 delivered"}, s.said())
	require.Equal(t, s.published.records[1], s.published.records[3], "byte for byte the same event")
}

func TestAZombieIsFenced(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	zombie := s.open(-1)
	owner := s.open(-1)
	require.NoError(t, owner.Handle(t.Context(), s.batch(0, s.org, "SM1", "queued", "sent")))
	require.ErrorIs(t, zombie.Handle(t.Context(), s.batch(0, s.org, "SM1", "queued")), bus.ErrFenced)
	require.NoError(t, owner.Handle(t.Context(), s.batch(2, s.org, "SM1", "delivered")))
	require.Len(t, s.said(), 3)
}

func TestARecordThatCannotBeAppliedIsIsolated(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	nobody := events.OrgID(uuid.NewString())
	batch := append(s.batch(0, s.org, "SM1", "queued", "sent", "delivered"), s.record(3, nobody, "SM2", "sent"))
	batch = append(batch, events.Record{Topic: events.TopicMessages, Key: []byte("k"), Value: []byte("{"), Offset: 4})
	batch = append(batch, s.batch(5, s.org, "SM3", "sent")...)
	p := s.open(-1)
	require.NoError(t, p.Handle(t.Context(), batch))
	require.ElementsMatch(t, []string{"SM1 v1 queued", "SM1 v2 sent", "SM1 v3 delivered", "SM3 v1 sent"}, s.said())
	require.Equal(t, []string{"dead data_rejected", "dead wrong_type"}, s.held())
	require.NoError(t, p.Handle(t.Context(), s.batch(6, s.org, "SM3", "delivered")), "the partition goes on")
}

// What a newer or broken router wrote is accounted for under the receipt that
// ingest gave it, or the audit would miss that one.
func TestRegressionAnUnreadableEventKeepsItsRawReceipt(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	raw := events.Raw{Receipt: events.NewReceiptID(), Provider: events.Twilio, Kind: events.KindMessageStatus, Signer: "AC", Key: "SM1", ReceivedAt: time.Now()}
	kept := raw.Record()
	rec := s.record(0, s.org, "SM1", "sent")
	rec.Value = []byte("{")
	for i := range rec.Headers {
		if rec.Headers[i].Key == "waybill_raw" {
			rec.Headers[i].Value = events.Pack(&kept)
		}
	}
	require.NoError(t, s.open(-1).Handle(t.Context(), []events.Record{rec}))
	var receipt events.ReceiptID
	var record []byte
	require.NoError(t, s.owner.QueryRow(t.Context(), "SELECT receipt_id, record FROM held_events").Scan(&receipt, &record))
	require.Equal(t, raw.Receipt, receipt)
	require.Equal(t, events.Pack(&kept), record)
}

func TestALogThatEndsBelowWhatWasAppliedIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	require.NoError(t, s.open(-1).Handle(t.Context(), s.batch(0, s.org, "SM1", "queued", "sent")))
	_, err := s.worker.Open(t.Context(), bus.Assignment{Topic: events.TopicMessages, Committed: -1, End: 1})
	require.ErrorIs(t, err, bus.ErrLogBehind)
}
