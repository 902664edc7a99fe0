package ingest

import (
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
)

const (
	maxBody     = 1_000_000 // bytes; no provider on these paths sends more
	firstBuffer = 64 << 10  // bytes taken on the caller's word; more only as it arrives
	requestCost = 8 << 10   // bytes that a request takes beside its body
)

// budget bounds the memory of requests being served. Each takes its part
// before it reads, so a flood is refused instead of swapped.
type budget struct {
	bytes *semaphore.Weighted
	gauge prometheus.Gauge
}

func newBudget(bytes int64, gauge prometheus.Gauge) *budget {
	return &budget{bytes: semaphore.NewWeighted(bytes), gauge: gauge}
}

// share is one request's part of the budget.
type share struct {
	budget *budget
	held   int64
}

// take adds to the share, or tells that there is no room.
func (s *share) take(n int64) bool {
	if !s.budget.bytes.TryAcquire(n) {
		return false
	}
	s.held += n
	s.budget.gauge.Add(float64(n))
	return true
}

// release gives everything back.
func (s *share) release() {
	s.budget.bytes.Release(s.held)
	s.budget.gauge.Sub(float64(s.held))
	s.held = 0
}

// readBody returns the whole body. The buffer grows with what has arrived and
// not with what was announced: a caller who announces much and sends little
// holds little.
func readBody(w http.ResponseWriter, r *http.Request, s *share) ([]byte, error) {
	size := int64(0)
	switch {
	case r.ContentLength > 0:
		size = min(r.ContentLength, firstBuffer)
	case r.ContentLength < 0:
		size = 4 << 10
	}
	if !s.take(requestCost + size) {
		return nil, errOverloaded
	}
	if r.ContentLength == 0 {
		return nil, nil
	}
	body := http.MaxBytesReader(w, r.Body, maxBody)
	buf := make([]byte, 0, size)
	for {
		if len(buf) == cap(buf) {
			size = min(2*int64(cap(buf)), maxBody+1)
			if !s.take(size - int64(cap(buf))) {
				return nil, errOverloaded
			}
			buf = append(make([]byte, 0, size), buf...)
		}
		n, err := body.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case errors.Is(err, io.EOF):
			return buf, nil
		case err != nil:
			return nil, bodyError(err)
		}
	}
}

// bodyError tells why a body could not be read. The cause is dropped: it may
// quote what was sent.
func bodyError(err error) error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return errBodyTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errBodyTimeout
	}
	return errUnreadable
}
