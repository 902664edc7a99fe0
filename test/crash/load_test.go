package crash_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus/kafkabus"
	"waybill/internal/events"
	"waybill/internal/simulate"
)

// message is one message of the model, and what must become of it.
type message struct {
	org      int
	sid      string
	id       string // the sender's own
	campaign string
	final    string
	code     string
	early    bool // its callbacks come before its send record
	statuses []string
}

// load plays providers and campaign senders at a steady rate. What is not
// answered 2xx is repeated, byte for byte, as a provider would.
type load struct {
	t         *testing.T
	p         *program
	client    *simulate.Client
	accounts  []simulate.Twilio
	kafka     *kafkabus.Client
	campaigns []string
	stopping  chan struct{}
	random    *rand.Rand

	acked, repeats, retries, messages atomic.Int64
	progress                          chan struct{} // something was acknowledged

	mu    sync.Mutex
	model []*message
	err   error
}

func newLoad(t *testing.T, p *program, seed uint64) *load {
	t.Helper()
	kafka, err := kafkabus.New(kafkabus.Config{Brokers: []string{p.ready.KafkaBrokers}}, slog.New(slog.DiscardHandler), nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = kafka.Close(ctx)
	})
	l := &load{
		t: t, p: p, client: simulate.NewClient(p.ready.HTTPURL, workers), kafka: kafka, stopping: make(chan struct{}),
		random: rand.New(rand.NewPCG(seed, 1)), progress: make(chan struct{}, 1),
	}
	t.Cleanup(l.client.Close)
	for _, o := range p.seed.Orgs {
		l.accounts = append(l.accounts, simulate.Twilio{PublicURL: p.ready.HTTPURL, Account: o.AccountSID, Token: o.AuthToken})
		l.campaigns = append(l.campaigns, uuid.NewString())
	}
	return l
}

const (
	workers     = 256
	tick        = 10 * time.Millisecond
	perMessage  = 3  // callbacks
	earlyShare  = 20 // one in so many
	repeatShare = 10
)

// run offers messages until finish is called, and returns when all of them are
// acknowledged.
func (l *load) run(ctx context.Context) {
	jobs := make(chan *message, rate)
	var g sync.WaitGroup
	for range workers {
		g.Go(func() {
			for m := range jobs {
				l.play(ctx, m)
			}
		})
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	began, offered := time.Now(), 0
	for {
		select {
		case <-l.stopping:
			close(jobs)
			g.Wait()
			return
		case <-ticker.C:
		}
		for due := int(time.Since(began).Seconds() * rate / perMessage); offered < due; offered++ {
			jobs <- l.next()
		}
	}
}

// next makes up a message.
func (l *load) next() *message {
	n := l.messages.Add(1)
	org := l.random.IntN(len(l.accounts))
	m := &message{
		org: org, sid: fmt.Sprintf("SM%032x", n), id: uuid.NewString(), campaign: l.campaigns[org],
		final: "delivered", early: l.random.IntN(earlyShare) == 0, statuses: []string{"queued", "sent"},
	}
	if l.random.IntN(4) == 0 {
		m.final, m.code = "undelivered", "30003"
	}
	m.statuses = append(m.statuses, m.final)
	l.random.Shuffle(len(m.statuses), func(i, j int) { m.statuses[i], m.statuses[j] = m.statuses[j], m.statuses[i] })
	l.mu.Lock()
	defer l.mu.Unlock()
	l.model = append(l.model, m)
	return m
}

// record publishes a message's send record, and again until it is acknowledged.
func (l *load) record(ctx context.Context, m *message) {
	now := time.Now()
	s := events.Send{
		Org: events.OrgID(l.p.seed.Orgs[m.org].ID), Channel: events.SMS, Provider: events.Twilio, Account: l.accounts[m.org].Account,
		ProviderID: m.sid, MessageID: m.id, CampaignID: m.campaign, Status: "accepted", SentAt: &now,
		Receipt: events.NewReceiptID(), ReceivedAt: now,
	}
	rec, err := s.Record()
	if err != nil {
		l.fail(err)
		return
	}
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := l.kafka.Publish(try, rec)
		cancel()
		if err == nil {
			return
		}
		l.retries.Add(1)
		l.pause(ctx)
	}
}

// play sends a message's callbacks one after the other, some of them again.
func (l *load) play(ctx context.Context, m *message) {
	account := l.accounts[m.org]
	if !m.early {
		l.record(ctx, m)
	}
	for _, s := range m.statuses {
		code := ""
		if s == m.final {
			code = m.code
		}
		r := account.Status(m.sid, l.p.seed.Orgs[m.org].Number, "+12025550177", s, code)
		l.call(ctx, &r)
		if l.repeat(m, s) {
			l.repeats.Add(1)
			l.call(ctx, &r)
		}
	}
	if m.early {
		l.record(ctx, m)
	}
}

// repeat chooses without the generator, which belongs to another goroutine.
func (l *load) repeat(m *message, status string) bool {
	return (m.sid[len(m.sid)-1]+status[0])%repeatShare == 0
}

func (l *load) call(ctx context.Context, r *simulate.Request) {
	for ctx.Err() == nil {
		status, err := l.client.Do(ctx, r)
		switch {
		case err == nil && status/100 == 2:
			l.acked.Add(1)
			select {
			case l.progress <- struct{}{}:
			default:
			}
			return
		case err == nil && status/100 != 5:
			l.fail(fmt.Errorf("a genuine callback was answered %d", status))
			return
		}
		l.retries.Add(1)
		l.pause(ctx)
	}
}

func (l *load) pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(50 * time.Millisecond): // as a provider waits before it repeats itself
	}
}

// waitFor returns when so many more callbacks are acknowledged.
func (l *load) waitFor(n int) {
	l.t.Helper()
	deadline := time.After(patience)
	for want := l.acked.Load() + int64(n); l.acked.Load() < want; {
		select {
		case <-l.progress:
		case <-deadline:
			require.FailNow(l.t, "no progress", "%d callbacks acknowledged", l.acked.Load())
		}
	}
}

// finish ends the offering of new messages.
func (l *load) finish() { close(l.stopping) }

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = errors.Join(l.err, err)
}

func (l *load) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
