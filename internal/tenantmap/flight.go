package tenantmap

import (
	"context"
	"sync"
)

// flights has every key asked for once at a time: whoever needs it meanwhile
// waits for that answer. The library that keeps the entries can do this as well,
// at twice the price of a look-up's work for each key (docs/decisions/0033). It is
// safe for concurrent use.
type flights struct {
	mu    sync.Mutex
	going map[Key]*flight
}

// flight is one question about some keys.
type flight struct {
	done    chan struct{} // closed once the rest is there
	answers map[Key]entry
	err     error
	spoiled map[Key]bool // keys that were forgotten meanwhile: the answer may be old
}

// board returns a flight for those keys that nobody asks for, nil if there are
// none, and the flights that the others are on.
func (f *flights) board(keys []Key) (own *flight, mine []Key, others map[Key]*flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range keys {
		switch fl := f.going[k]; {
		case fl == nil:
			if own == nil {
				own = &flight{done: make(chan struct{})}
				mine = make([]Key, 0, len(keys))
			}
			f.going[k] = own
			mine = append(mine, k)
		case fl != own:
			if others == nil {
				others = map[Key]*flight{}
			}
			others[k] = fl
		}
	}
	return own, mine, others
}

// land ends a flight: keep is called with each answer that is not spoiled.
func (f *flights) land(fl *flight, keys []Key, keep func(Key, entry)) {
	f.mu.Lock()
	for _, k := range keys {
		delete(f.going, k)
		if e, ok := fl.answers[k]; ok && !fl.spoiled[k] {
			keep(k, e) // under the lock, or it could come behind a spoil
		}
	}
	f.mu.Unlock()
	close(fl.done)
}

// spoil has whoever asks for the keys now neither use nor keep the answers.
func (f *flights) spoil(keys ...Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range keys {
		f.mark(k)
	}
}

// spoilAll spoils all keys of which that is said.
func (f *flights) spoilAll(of func(Key) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k := range f.going {
		if of(k) {
			f.mark(k)
		}
	}
}

func (f *flights) mark(k Key) {
	fl := f.going[k]
	if fl == nil {
		return
	}
	if fl.spoiled == nil {
		fl.spoiled = map[Key]bool{}
	}
	fl.spoiled[k] = true
}

// ask tells each what look answers about keys, and keeps it by keep. A key whose
// answer was spoiled is asked for again. Another batch may wait for what this
// one asks for, so the end of ctx does not end the question.
func (f *flights) ask(
	ctx context.Context, keys []Key, look func(context.Context, []Key) (map[Key]entry, error), keep func(Key, entry), each func(Key, entry),
) error {
	for len(keys) > 0 {
		own, mine, others := f.board(keys)
		if own != nil {
			own.answers, own.err = look(context.WithoutCancel(ctx), mine)
			f.land(own, mine, keep)
			if own.err != nil {
				return own.err
			}
		}
		var again []Key
		for _, k := range mine {
			if own.spoiled[k] {
				again = append(again, k)
			} else {
				each(k, own.answers[k])
			}
		}
		for k, fl := range others {
			select {
			case <-fl.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			switch {
			case fl.err != nil:
				return fl.err
			case fl.spoiled[k]:
				again = append(again, k)
			default:
				each(k, fl.answers[k])
			}
		}
		keys = again
	}
	return nil
}
