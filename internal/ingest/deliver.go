package ingest

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"time"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
)

// Bounds of requests that carry many records. They come by the provider's own
// machinery, which waits longer than any other and sends again what was not
// taken in time.
const (
	deliveriesEach   = 2        // at once, of one signer; the next is asked to come again
	deliveriesAtOnce = 3        // of all
	maxDelivery      = 64 << 20 // bytes of a body
	deliveryCost     = 16 << 20 // bytes that one takes, however large it is: a few records read ahead, and a chunk
	deliveryRead     = 120 * time.Second
	deliveryTime     = 150 * time.Second // all in all
	chunkRecords     = 500               // of one publish
	chunkBytes       = 1 << 20           // of whole records
)

// deliveries bounds how many are served at once. There are more places than one
// signer may have, so that none keeps all others out by being slow. It is safe
// for concurrent use.
type deliveries struct {
	mu      sync.Mutex
	all     int
	serving map[name]int
}

func newDeliveries() *deliveries { return &deliveries{serving: map[name]int{}} }

// begin takes a place for a signer, if there is one; end gives it back.
func (d *deliveries) begin(signer name) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.serving[signer] == deliveriesEach || d.all == deliveriesAtOnce {
		return false
	}
	d.serving[signer]++
	d.all++
	return true
}

func (d *deliveries) end(signer name) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all--
	if d.serving[signer]--; d.serving[signer] == 0 {
		delete(d.serving, signer)
	}
}

// deliver verifies a request that carries many records by its head, and then
// keeps each record as it is read; nil means that all are durable. Nothing of
// it is read for a caller who is not known, and it takes no more memory than
// it reserves.
func (e *edge) deliver(v *visit) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.r.Context()), deliveryTime)
	defer cancel()
	req := v.request(nil)
	verified, err := v.route.carrier.Verify(ctx, req, e.signers)
	if err != nil {
		return err
	}
	signer := name{v.route.provider, verified.Signer}
	if !e.deliveries.begin(signer) {
		return errBusy
	}
	defer e.deliveries.end(signer)
	held := &share{budget: e.budget}
	defer held.release()
	if !held.take(requestCost + deliveryCost) {
		return errOverloaded
	}
	if err := v.allow(deliveryRead, deliveryTime); err != nil {
		return err
	}
	v.answer, v.taken = v.route.success, v.route.kind
	c := chunk{edge: e, from: v.route.provider}
	v.delivered, err = v.route.carrier.Deliver(req, verified, v.r.Body, func(one provider.Verified, record []byte) error {
		return c.add(ctx, v.raw(req, one, record))
	})
	if err != nil {
		return err
	}
	v.read = true
	if err := c.publish(ctx); err != nil { // what is left
		return err
	}
	e.metrics.emptyRecords.Add(float64(v.delivered.Empty))
	return nil
}

// allow gives a request so much time to be read and to be answered, from now on
// and whatever the server gives to others.
func (v *visit) allow(read, all time.Duration) error {
	now, control := time.Now(), http.NewResponseController(v.w)
	if err := control.SetReadDeadline(now.Add(read)); err != nil {
		return fault.Wrap(fault.Internal, reasonInternal, err)
	}
	if err := control.SetWriteDeadline(now.Add(all)); err != nil {
		return fault.Wrap(fault.Internal, reasonInternal, err)
	}
	return nil
}

// chunk gathers records until they are worth a publish.
type chunk struct {
	edge    *edge
	from    events.Provider
	records []events.Record
	size    int
}

// add takes a record, and publishes what was gathered when that is enough. The
// body is copied: it may be a small part of something large.
func (c *chunk) add(ctx context.Context, raw events.Raw) error {
	raw.Body = bytes.Clone(raw.Body)
	record := raw.Record()
	c.records = append(c.records, record)
	c.size += record.Size()
	if len(c.records) < chunkRecords && c.size < chunkBytes {
		return nil
	}
	return c.publish(ctx)
}

// publish makes what was gathered durable, within the time that any request has
// for it.
func (c *chunk) publish(ctx context.Context) error {
	if len(c.records) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.edge.timeout)
	defer cancel()
	if err := c.edge.publish(ctx, c.from, c.records...); err != nil {
		return err
	}
	clear(c.records)
	c.records, c.size = c.records[:0], 0
	return nil
}
