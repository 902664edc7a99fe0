package control

import (
	"sync"
	"time"

	"waybill/internal/events"
)

// triedWithin is far above the longest pause between two tries of a piece of
// work: one that was not tried for so long is done by another process now.
const triedWithin = time.Minute

// waiting is the work that could not be done and is tried again here. It is safe
// for concurrent use.
type waiting struct {
	mu     sync.Mutex
	pieces map[events.EventID]piece
}

type piece struct{ receivedAt, triedAt time.Time }

// put notes that a piece was tried in vain.
func (w *waiting) put(id events.EventID, receivedAt, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pieces[id] = piece{receivedAt, now}
}

// remove forgets a piece that is done or given up.
func (w *waiting) remove(id events.EventID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.pieces, id)
}

// oldest returns the age of the oldest piece, 0 if none waits.
func (w *waiting) oldest(now time.Time) (age time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, p := range w.pieces {
		if now.Sub(p.triedAt) > triedWithin {
			delete(w.pieces, id)
			continue
		}
		age = max(age, now.Sub(p.receivedAt))
	}
	return age
}
