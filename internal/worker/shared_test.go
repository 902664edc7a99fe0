package worker_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/worker"
)

// fences is the real store; it keeps how many partitions each transaction was of,
// and holds large ones up until the test lets them go.
type fences struct {
	worker.Messages
	large func() // called before one of more than 200 events; may be nil
	mu    sync.Mutex
	seen  []int
}

func (f *fences) Apply(ctx context.Context, all []bus.Fence, batch []events.Message) (events.Effect, error) {
	if len(batch) > 200 && f.large != nil {
		f.large()
	}
	f.mu.Lock()
	f.seen = append(f.seen, len(all))
	f.mu.Unlock()
	return f.Messages.Apply(ctx, all, batch)
}

// shared opens partitions and has all of them handled while the pause behind a
// first transaction lasts. It returns what each came to.
func (s *shop) shared(n int, batch func(partition int) []events.Record, before func()) []error {
	s.t.Helper()
	open := func(partition int) bus.Partition {
		p, err := s.worker.Open(s.t.Context(), bus.Assignment{Topic: events.TopicMessages, Partition: partition, Committed: -1, End: 1000})
		require.NoError(s.t, err)
		return p
	}
	parts := make([]bus.Partition, n)
	for i := range parts {
		parts[i] = open(i)
	}
	require.NoError(s.t, open(n).Handle(s.t.Context(), s.batch(0, s.org, "SMfirst", "sent")))
	before()
	errs := make([]error, n)
	var all sync.WaitGroup
	for i, p := range parts {
		all.Go(func() { errs[i] = p.Handle(s.t.Context(), batch(i)) })
	}
	all.Wait()
	return errs
}

// long is a pause in which all partitions of a test come together.
func long(s *shop) { s.pause = time.Second }

func TestPartitionsShareATransaction(t *testing.T) {
	t.Parallel()
	s := newShop(t, long)
	seen := &fences{Messages: s.messages.Messages}
	s.messages.Messages = seen
	errs := s.shared(5, func(n int) []events.Record { return s.batch(0, s.org, fmt.Sprint("SM", n), "queued", "sent") }, func() {})
	require.Equal(t, make([]error, 5), errs)
	require.Equal(t, []int{1, 5}, seen.seen)
	said := s.said()[1:]
	slices.Sort(said)
	require.Equal(t, []string{
		"SM0 v1 queued", "SM0 v2 sent", "SM1 v1 queued", "SM1 v2 sent", "SM2 v1 queued", "SM2 v2 sent", "SM3 v1 queued", "SM3 v2 sent", "SM4 v1 queued", "SM4 v2 sent",
	}, said)
}

// One partition that is somebody else's by now, and one with a record that
// cannot be applied, do the others of their transaction no harm.
func TestWhatFailsInASharedTransactionFailsAlone(t *testing.T) {
	t.Parallel()
	s := newShop(t, long)
	nobody := events.OrgID(uuid.NewString())
	errs := s.shared(4, func(n int) []events.Record {
		if n == 2 {
			return append(s.batch(0, s.org, "SM2", "queued"), s.record(1, nobody, "SM2", "sent"), s.record(2, s.org, "SM2", "delivered"))
		}
		return s.batch(0, s.org, fmt.Sprint("SM", n), "sent")
	}, func() {
		_, err := s.owner.Exec(t.Context(), "UPDATE applied_offsets SET next_offset = 7 WHERE topic = $1 AND partition = 1", events.TopicMessages)
		require.NoError(t, err)
	})
	require.ErrorIs(t, errs[1], bus.ErrFenced)
	require.Equal(t, []error{nil, nil, nil}, []error{errs[0], errs[2], errs[3]})
	require.Equal(t, []string{"dead data_rejected"}, s.held())
	said := s.said()[1:]
	slices.Sort(said)
	require.Equal(t, []string{"SM0 v1 sent", "SM2 v1 queued", "SM2 v2 delivered", "SM3 v1 sent"}, said)
}

// While the broker is away all of them keep what was applied and publish it
// again, each its own.
func TestASharedTransactionThatWasNotPublishedIsPublishedAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t, long)
	batch := func(n int) []events.Record { return s.batch(0, s.org, fmt.Sprint("SM", n), "sent") }
	var again []bus.Partition
	errs := s.shared(3, batch, func() { s.published.fail = 1 })
	for n, err := range errs {
		require.ErrorIs(t, err, errAway)
		p, err := s.worker.Open(t.Context(), bus.Assignment{Topic: events.TopicMessages, Partition: n, Committed: 0, End: 1000})
		require.NoError(t, err)
		again = append(again, p)
	}
	require.Len(t, s.said(), 1, "nothing but the first")
	for n, p := range again {
		require.NoError(t, p.Handle(t.Context(), batch(n)))
	}
	require.Equal(t, []string{"SM0 v1 sent", "SM1 v1 sent", "SM2 v1 sent"}, s.said()[1:])
}

// Backlogs take half of the processors, however many partitions have one, and
// whoever keeps up is applied beside them.
func TestWhoKeepsUpWaitsForNobodyWhoIsBehind(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	turns := max(1, runtime.GOMAXPROCS(0)/2)
	large := newHurdle()
	s.messages.Messages = &fences{Messages: s.messages.Messages, large: large.enter}
	open := func(partition int) bus.Partition {
		p, err := s.worker.Open(t.Context(), bus.Assignment{Topic: events.TopicMessages, Partition: partition, Committed: -1, End: 10_000})
		require.NoError(t, err)
		return p
	}
	half := slices.Repeat([]string{"queued"}, 1300) // more than that of a transaction: no two fit in one
	var behind sync.WaitGroup
	errs := make([]error, turns+5)
	for n := range errs {
		p := open(n)
		behind.Go(func() { errs[n] = p.Handle(t.Context(), s.batch(0, s.org, fmt.Sprint("SM", n), half...)) })
	}
	require.Eventually(t, func() bool { return large.most() == turns }, time.Minute, time.Millisecond)
	require.NoError(t, open(turns+5).Handle(t.Context(), s.batch(0, s.org, "SMsmall", "sent")))
	require.Equal(t, []string{"SMsmall v1 sent"}, s.said())
	close(large.open)
	behind.Wait()
	require.Equal(t, make([]error, turns+5), errs)
	require.Equal(t, turns, large.most())
	require.Len(t, s.said(), turns+6)
}

// hurdle holds up whoever enters until it is opened, and counts them.
type hurdle struct {
	open           chan struct{}
	mu             sync.Mutex
	inside, atMost int
}

func newHurdle() *hurdle { return &hurdle{open: make(chan struct{})} }

func (h *hurdle) enter() {
	h.count(1)
	<-h.open
	h.count(-1)
}

func (h *hurdle) count(by int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.inside += by
	h.atMost = max(h.atMost, h.inside)
}

func (h *hurdle) most() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.atMost
}
