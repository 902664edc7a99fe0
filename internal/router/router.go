// Package router turns what was received into what belongs to somebody. It
// reads raw requests and send records, finds the organisation from evidence,
// and publishes resolved events on the domain topics; what has no home is
// held: parked, quarantined or dead. It alone parks, and it alone releases.
//
//	raw topics ──parse──> evidence ──look up──> organisation ──> domain topic
//	                                    │
//	sends topic ──> tenant map          └──> held ──(key recorded)──> evidence again
//	                    └── sets held events ready
//
// What is about no organisation, such as an SNS topic that asks to be confirmed,
// is final here: ignored, after the work that it asks for was published on the
// control topic.
//
// What somebody asks of a sender that organisations share, STOP or START, goes
// to each of those that ever write to that person: the message to the one that
// it answers, and to the others an event of their own that holds the word alone.
//
// It works in batches, which partitions share: one look-up, one transaction for
// what is held, one publish, then the offsets. Everything it does may happen
// twice; the workers tell a repeat by its receipt.
package router

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/gather"
	"waybill/internal/obs"
	"waybill/internal/provider"
	"waybill/internal/tenantmap"
)

// Config is what the router reads from the environment.
type Config struct {
	ParkMaxAge time.Duration `env:"WAYBILL_PARK_MAX_AGE" envDefault:"72h" doc:"a parked event older than this becomes dead with the reason unclaimed; a late send record still frees it"`
	AdoptAfter time.Duration `env:"WAYBILL_ADOPT_AFTER" envDefault:"15m" doc:"a status event without a send record makes its row after this time, as external, if its signer or sender belongs to one organisation"`
	MaxParked  int           `env:"WAYBILL_PARK_MAX_PER_SIGNER" envDefault:"100000" doc:"most parked events of a signer that keep their request in the database; above it they keep where it lies in Kafka"`
	CacheBytes int           `env:"WAYBILL_ROUTER_CACHE_BYTES" envDefault:"50331648" doc:"most bytes that the cache of the tenant map takes"`
}

// Validate reports what cannot work.
func (c *Config) Validate() error {
	var errs []error
	if c.ParkMaxAge <= 0 {
		errs = append(errs, errors.New("WAYBILL_PARK_MAX_AGE: want a duration above zero, for example 72h"))
	}
	if c.AdoptAfter <= 0 || c.AdoptAfter >= c.ParkMaxAge {
		errs = append(errs, errors.New("WAYBILL_ADOPT_AFTER: want a duration above zero and below WAYBILL_PARK_MAX_AGE, for example 15m"))
	}
	if c.MaxParked < 0 {
		errs = append(errs, errors.New("WAYBILL_PARK_MAX_PER_SIGNER: want 0 or more"))
	}
	if c.CacheBytes < 1<<20 {
		errs = append(errs, errors.New("WAYBILL_ROUTER_CACHE_BYTES: want at least 1048576"))
	}
	return errors.Join(errs...)
}

// Store is what the router needs of the database.
type Store interface {
	tenantmap.Source
	// Settle locks the keys of each event and decides again: it holds what
	// still has no organisation, and enters the ids of what has one. It returns
	// the decisions, and how many held events it set ready.
	Settle(ctx context.Context, batch []tenantmap.Unsettled) (decisions []tenantmap.Decision, ready int64, err error)
	// Hold keeps quarantined and dead events.
	Hold(ctx context.Context, held []tenantmap.Held) error
	// Ignore enters events that are about no organisation as final. One that is
	// final already changes nothing; under another receipt it is a duplicate.
	Ignore(ctx context.Context, ignored []tenantmap.Ignored) error
	// RecordSends enters sends in the map and sets ready what waited for them.
	RecordSends(ctx context.Context, sends []tenantmap.Send) (entries []tenantmap.Entry, ready int64, err error)
	// Ask keeps what people asked of shared senders, and returns for each the
	// organisations beside its own that it concerns now. RecordSends finds it
	// for those that come later.
	Ask(ctx context.Context, requests []tenantmap.Request) ([][]events.OrgID, error)
	// Finals returns under which receipt each of the events became final;
	// those that did not are absent.
	Finals(ctx context.Context, ids []events.EventID) (map[events.EventID]events.ReceiptID, error)
	// ClaimReady leases events that are to be processed anew, behind an event id
	// and in order of their ids, which is the store's own: up to limit, and fewer
	// where their records are large.
	ClaimReady(ctx context.Context, after events.EventID, limit int, lease time.Duration) (tenantmap.Claimed, error)
	// DeleteReleased removes what was processed anew under a lease.
	DeleteReleased(ctx context.Context, token string, ids []events.EventID) error
	// Spoil ends the release of events that can never be published, each for
	// its reason; they stay held.
	Spoil(ctx context.Context, token string, reasons map[events.EventID]string) error
	// WakeHeld sets ready a chunk of what waits for a key that was recorded while
	// very many events did, and returns how many; 0 is the end.
	WakeHeld(ctx context.Context) (int64, error)
	// SupersedeFinal removes what is held of events that are final, of a chunk
	// behind an event id. It returns where to go on, "" after the last chunk.
	SupersedeFinal(ctx context.Context, after events.EventID) (last events.EventID, err error)
	// RetryDue sets events ready that are to be tried again by now, some.
	RetryDue(ctx context.Context, now time.Time) (n int64, err error)
	// CountKept returns how many parked events of each signer keep their record.
	CountKept(ctx context.Context) (map[tenantmap.Signer]int, error)
	// ExpireParked turns events parked since before t into dead ones.
	ExpireParked(ctx context.Context, t time.Time) (int64, error)
	// CountHeld returns the held events by state.
	CountHeld(ctx context.Context) ([]tenantmap.HeldState, error)
	// Touch notes when tokens last signed, by their ids. A time that is older
	// than the one on record changes nothing.
	Touch(ctx context.Context, used map[string]time.Time) error
}

// Positions keeps in the database how far the router has come.
type Positions interface {
	// Next returns the position of a partition, false if it is new.
	Next(ctx context.Context, topic string, partition int) (int64, bool, error)
	// Plant makes a new partition's position known.
	Plant(ctx context.Context, topic string, partition int, at int64) error
	// Advance moves positions, all or none: bus.ErrFenced if one is not where
	// its fence says.
	Advance(ctx context.Context, fences ...bus.Fence) error
}

// Consumers makes a member of a consumer group.
type Consumers interface {
	// Consumer returns a member that gives topics' partitions to h.
	Consumer(group string, topics []string, h bus.Handler) bus.Consumer
}

// HealthConsuming is the health check that is good once the router is a member
// of its group.
const HealthConsuming = "router"

// Options are the router's parts.
type Options struct {
	Config     Config
	Parsers    []provider.Parser
	Store      Store
	Positions  Positions
	Feed       ConfigSource
	Publisher  bus.Publisher
	Follower   bus.Follower
	Consumers  Consumers
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Health     *obs.Health
	Now        func() time.Time // nil = time.Now

	// SharePause is the time between two batches that partitions share;
	// 0 = what serves best.
	SharePause time.Duration
}

// Router is the process. Make it with [New], run it with [Router.Run].
type Router struct {
	Options
	parsers map[events.Provider]provider.Parser
	cache   *tenantmap.Cache
	caps    *caps
	metrics *metrics
	kick    chan struct{} // a send set held events ready
	uses    *uses

	routing   *shared
	recording *shared
	saving    *gather.Gatherer[bus.Fence, struct{}]
}

// New wires a router.
func New(o Options) *Router {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Router{
		Options: o,
		parsers: map[events.Provider]provider.Parser{},
		cache:   tenantmap.NewCache(o.Config.CacheBytes, o.Store, o.Now),
		kick:    make(chan struct{}, 1),
		uses:    newUses(),
	}
	for _, p := range o.Parsers {
		r.parsers[p.Provider()] = p
	}
	r.metrics = newMetrics(o.Registerer, o.Parsers, r.cache, o.Now)
	r.routing = r.newShared(r.route, o.SharePause, routePause)
	r.saving = gather.New(gather.Options[bus.Fence, struct{}]{
		Pause: cmp.Or(o.SharePause, savePause), Most: math.MaxInt, Patience: sharePatience,
		Run: func(ctx context.Context, fences []bus.Fence) ([]struct{}, error) {
			return make([]struct{}, len(fences)), r.Positions.Advance(ctx, fences...)
		},
	})
	r.recording = r.newShared(r.record, o.SharePause, recordPause)
	r.caps = newCaps(o.Config.MaxParked, r.metrics.capped)
	return r
}

// Run routes until ctx is done, then finishes the batches in hand.
func (r *Router) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := r.Consumers.Consumer(events.GroupRouter, events.RouterTopics, r).Run(ctx)
		if err != nil {
			return fmt.Errorf("consuming raw topics: %w", err)
		}
		return nil
	})
	g.Go(func() error { return r.release(ctx) })
	g.Go(func() error { return r.sweep(ctx) })
	g.Go(func() error { return r.confirm(ctx) })
	g.Go(func() error { return r.feed(ctx) })
	g.Go(func() error { return r.recordUses(ctx) })
	return g.Wait()
}
