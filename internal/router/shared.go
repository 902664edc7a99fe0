package router

import (
	"context"
	"slices"
	"time"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/gather"
	"waybill/internal/tenantmap"
)

// What partitions bring at about the same time is handled together: a batch
// costs more than what is done in it for the few records of one partition.
const (
	// Events wait the longer: one that is seen before its send record is parked,
	// which costs more than to look a little later.
	routePause  = 60 * time.Millisecond
	recordPause = 25 * time.Millisecond
	savePause   = 5 * time.Millisecond

	recordSize = 4 << 10           // bytes that a record counts at least
	shareMost  = 1000 * recordSize // bytes in a batch, unless one partition brings more
	// sharePatience bounds what one attempt waits for the database and the
	// broker; then the partitions try again.
	sharePatience = 30 * time.Second
)

// handler processes records, all or none.
type handler func(context.Context, []events.Record) error

// shared is a handler whose batches partitions share. It is safe for concurrent use.
type shared struct {
	router *Router
	handle handler
	shares *gather.Gatherer[[]events.Record, struct{}]
}

// newShared returns one with a pause, or else a default.
func (r *Router) newShared(handle handler, pause, otherwise time.Duration) *shared {
	if pause == 0 {
		pause = otherwise
	}
	return &shared{r, handle, gather.New(gather.Options[[]events.Record, struct{}]{
		Pause: pause, Most: shareMost, Size: sizeOf, Patience: sharePatience,
		Run: func(ctx context.Context, shares [][]events.Record) ([]struct{}, error) {
			return make([]struct{}, len(shares)), handle(ctx, slices.Concat(shares...))
		},
	})}
}

func sizeOf(records []events.Record) (n int) {
	for i := range records {
		n += max(records[i].Size(), recordSize)
	}
	return n
}

// do handles what a partition brings.
func (s *shared) do(ctx context.Context, records []events.Record) error {
	if _, err := s.shares.Do(ctx, records); fault.ClassOf(err) != fault.Invalid {
		return err
	}
	return s.router.isolate(ctx, records, s.handle)
}

// isolate handles a batch. If that fails for good, it halves the batch until
// the record that cannot be handled stands alone, and holds that one as dead.
// Its neighbours may be passed on twice, under the receipts that they have.
func (r *Router) isolate(ctx context.Context, records []events.Record, handle handler) error {
	err := handle(ctx, records)
	if err == nil || fault.ClassOf(err) != fault.Invalid {
		return err
	}
	if half := len(records) / 2; half > 0 {
		if err := r.isolate(ctx, records[:half], handle); err != nil {
			return err
		}
		return r.isolate(ctx, records[half:], handle)
	}
	rec := &records[0]
	r.Log.Error("a record cannot be handled and becomes a dead letter", "topic", rec.Topic, "partition", rec.Partition,
		"offset", rec.Offset, "reason", fault.ReasonOf(err), "error", err)
	r.metrics.decided(providerUnknown, events.Dead, fault.ReasonOf(err))
	return r.Store.Hold(ctx, []tenantmap.Held{unreadable(rec, fault.ReasonOf(err))})
}
