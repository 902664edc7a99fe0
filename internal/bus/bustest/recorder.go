package bustest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
)

// recorder is a handler that notes what happens to it. Its hooks, set before
// it is used, decide what it answers.
type recorder struct {
	start  func(bus.Assignment) int64                               // nil: the commit, or the first record
	handle func(ctx context.Context, records []events.Record) error // nil: takes everything

	mu      sync.Mutex
	changed chan struct{} // closed at the next change
	joined  []int         // partitions of each generation
	opened  []bus.Assignment
	closed  int
	offered []events.Record // every record given to Handle, each time
	taken   []events.Record // those of batches that were accepted
}

func newRecorder() *recorder { return &recorder{changed: make(chan struct{})} }

func (r *recorder) note(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	close(r.changed)
	r.changed = make(chan struct{})
}

// Open implements [bus.Handler].
func (r *recorder) Open(_ context.Context, a bus.Assignment) (bus.Partition, error) {
	start := max(a.Committed, a.First)
	if r.start != nil {
		start = r.start(a)
	}
	r.note(func() { r.opened = append(r.opened, a) })
	return &recorded{r: r, start: start}, nil
}

// Joined implements [bus.Handler].
func (r *recorder) Joined(partitions int) {
	r.note(func() { r.joined = append(r.joined, partitions) })
}

// assigned returns how many partitions the newest generation brought.
func (r *recorder) assigned() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.joined[len(r.joined)-1]
}

type recorded struct {
	r     *recorder
	start int64
}

func (p *recorded) Start() int64 { return p.start }

func (p *recorded) Handle(ctx context.Context, records []events.Record) error {
	p.r.note(func() { p.r.offered = append(p.r.offered, records...) })
	if p.r.handle != nil {
		if err := p.r.handle(ctx, records); err != nil {
			return err
		}
	}
	p.r.note(func() { p.r.taken = append(p.r.taken, records...) })
	return nil
}

func (p *recorded) Close() { p.r.note(func() { p.r.closed++ }) }

// await blocks until cond holds; it is asked after every change, under the lock.
func (r *recorder) await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		r.mu.Lock()
		ok, changed := cond(), r.changed
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			r.mu.Lock()
			defer r.mu.Unlock()
			require.FailNowf(t, "waited in vain", "for %s; opened %d, offered %d, taken %d", what, len(r.opened), len(r.offered), len(r.taken))
		}
	}
}

func (r *recorder) awaitTaken(t *testing.T, n int) []events.Record {
	t.Helper()
	r.await(t, "records", func() bool { return len(r.taken) >= n })
	return r.snapshot()
}

func (r *recorder) snapshot() []events.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]events.Record(nil), r.taken...)
}

// member is a consumer that runs.
type member struct {
	stop context.CancelFunc
	done chan error
}

// join starts a member of a group; the test's end stops it.
func (w *world) join(t *testing.T, group string, h bus.Handler, topics ...string) *member {
	t.Helper()
	return w.joinOver(t, w.Bus, group, h, topics...)
}

func (w *world) joinOver(t *testing.T, b Bus, group string, h bus.Handler, topics ...string) *member {
	t.Helper()
	ctx, cancel := context.WithCancel(w.ctx)
	m := &member{stop: cancel, done: make(chan error, 1)}
	consumer := b.Consumer(group, topics, h)
	go func() {
		m.done <- consumer.Run(ctx)
		close(m.done)
	}()
	t.Cleanup(func() {
		cancel()
		<-m.done
	})
	return m
}

// leave stops a member and requires a clean end.
func (m *member) leave(t *testing.T) {
	t.Helper()
	m.stop()
	select {
	case err := <-m.done:
		require.NoError(t, err)
	case <-time.After(patience):
		require.FailNow(t, "the consumer did not stop")
	}
}
