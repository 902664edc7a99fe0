package router

import (
	"context"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// caps bounds what one signer's parked events take of the database: above most
// of them, an event keeps only where its request lies in Kafka. Nothing is
// dropped; what the topic has forgotten by the time of its release cannot be
// replayed. What other routers
// park and release counts from the next sweep on, so together they may go beyond it by that. It is
// safe for concurrent use.
type caps struct {
	most int
	over prometheus.Counter

	mu   sync.Mutex
	kept map[tenantmap.Signer]*parked
}

// parked is how many events of a signer are parked with their records.
type parked struct {
	counted  int // by the database, at the last sweep
	since    int // by this router, since that sweep began; below 0 if more was released
	reserved int // by this router, in transactions that have not ended
}

func newCaps(most int, over prometheus.Counter) *caps {
	return &caps{most: most, over: over, kept: map[tenantmap.Signer]*parked{}}
}

func (c *caps) of(h *tenantmap.Held) *parked {
	s := tenantmap.Signer{Provider: h.Provider, Name: h.Signer}
	if c.kept[s] == nil {
		c.kept[s] = &parked{}
	}
	return c.kept[s]
}

// reserve takes the records from events that would be parked above the cap, and
// room for the others.
func (c *caps) reserve(batch []tenantmap.Unsettled) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range batch {
		if batch[i].Decision.Outcome != events.Parked {
			continue
		}
		h := &batch[i].Held
		if p := c.of(h); p.counted+p.since+p.reserved < c.most {
			p.reserved++
		} else {
			h.Record = nil
		}
	}
}

// settled turns the room that was reserved into what is parked, or gives it
// back. Decisions are nil if nothing was decided.
func (c *caps) settled(batch []tenantmap.Unsettled, decisions []tenantmap.Decision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range batch {
		if batch[i].Decision.Outcome != events.Parked {
			continue
		}
		h := &batch[i].Held
		stays := i < len(decisions) && decisions[i].Outcome == events.Parked
		switch {
		case h.Record != nil:
			p := c.of(h)
			p.reserved--
			if stays {
				p.since++
			}
		case stays:
			c.over.Inc()
		}
	}
}

// released gives back the room of parked events that are about to be processed
// anew; one that is parked again takes it again.
func (c *caps) released(claims []tenantmap.Claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range claims {
		if p := c.kept[claims[i].Signer]; p != nil && claims[i].State == events.Parked && len(claims[i].Record) > 0 {
			p.since--
		}
	}
}

// begin forgets what was parked before a count that is about to begin.
func (c *caps) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s, p := range c.kept {
		p.counted, p.since = p.counted+p.since, 0
		if p.counted <= 0 && p.reserved == 0 {
			delete(c.kept, s)
		}
	}
}

// counted takes over what the database counts.
func (c *caps) counted(kept map[tenantmap.Signer]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s, n := range kept {
		if c.kept[s] == nil {
			c.kept[s] = &parked{}
		}
		c.kept[s].counted = n
	}
	for s, p := range c.kept {
		if _, ok := kept[s]; !ok {
			p.counted = 0
		}
	}
}

// countKept asks the database how many parked events keep their records.
func (r *Router) countKept(ctx context.Context) error {
	r.caps.begin()
	kept, err := r.Store.CountKept(ctx)
	if err == nil {
		r.caps.counted(kept)
	}
	return err
}
