package cluster_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/simulate"
)

const steadyTick = 5 * time.Millisecond

// steady is a load that goes on at one rate: the callbacks of a wave of
// messages, status by status, then those of the next wave. A message's next
// status is told when the last one was answered, so that each is news.
type steady struct {
	t      *testing.T
	client *simulate.Client
	end    context.CancelFunc
	loop   sync.WaitGroup // of who decides what is due
	calls  sync.WaitGroup // under way

	mu    sync.Mutex
	taken int            // callbacks answered 204
	other map[string]int // answers that are none
	ran   bool           // out of messages
}

// playSteadily begins to call back. Every message is called back of each status once.
func (c *cluster) playSteadily(k *cast, waves [][]outbound, rate int) *steady {
	ctx, end := context.WithCancel(context.Background())
	s := &steady{t: c.t, client: simulate.NewClient("http://"+c.listen, 64), end: end, other: map[string]int{}}
	c.t.Cleanup(func() { end(); s.loop.Wait(); s.calls.Wait(); s.client.Close() })
	s.loop.Go(func() {
		began, offered := time.Now(), 0
		tick := time.NewTicker(steadyTick)
		defer tick.Stop()
		for _, wave := range waves {
			answered := make([]chan struct{}, len(wave))
			for _, status := range statuses {
				for i := range wave {
					for float64(offered) >= time.Since(began).Seconds()*float64(rate) {
						select {
						case <-ctx.Done():
							return
						case <-tick.C:
						}
					}
					offered++
					before, after := answered[i], make(chan struct{})
					answered[i] = after
					s.calls.Go(func() {
						defer close(after)
						if before != nil {
							<-before
						}
						req := k.callback(&wave[i], status)
						s.call(&req)
					})
				}
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ran = true
	})
	return s
}

func (s *steady) call(r *simulate.Request) {
	status, err := s.client.Do(context.Background(), r)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.other["none"]++
	case status == http.StatusNoContent:
		s.taken++
	default:
		s.other[http.StatusText(status)]++
	}
}

// stop ends the load and returns how many callbacks were taken. None may have
// been refused, and where delays are promised the load must have gone on until now.
func (s *steady) stop() int {
	s.t.Helper()
	s.end()
	s.loop.Wait()
	s.calls.Wait()
	require.False(s.t, s.ran && *load, "the load ended too soon: make more of it")
	require.Empty(s.t, s.other, "callbacks that were not taken")
	return s.taken
}
