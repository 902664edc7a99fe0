// Package ingest is the HTTP edge: it takes a provider's callback, verifies
// it, publishes it as it was received, and only then answers.
//
//	method, path -> headers -> bounded body -> verify -> publish raw -> 2xx
//
// A request that carries more records than may be held is verified by its head
// instead, and its records are published as they are read.
//
// It promises that a 2xx leaves only after every in-sync replica has the
// request; that a request verified as false is 401, a genuine one that is not
// registered 403, and one that cannot be judged or kept now 503; that every
// refused request moves exactly one counter and writes exactly one line; and
// that memory, time and connections are bounded whatever is sent.
//
// It reads Kafka alone. Who may sign comes from the compacted config topic and
// is served from memory, also while Kafka is away. It never parses what a
// request says, never looks an organisation up, never believes a forwarded
// header, and never lets a value of a request into a log line or a metric.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"waybill/internal/bus"
	"waybill/internal/obs"
	"waybill/internal/provider"
	"waybill/internal/seal"
)

// The health checks that ingest reports.
const (
	HealthServing = "ingest"  // good while requests are taken
	HealthSigners = "signers" // good once the config topic was read to its end
)

var (
	errStarting   = errors.New("not serving yet")
	errReading    = errors.New("reading who may sign")
	errDrainState = errors.New("draining")
)

// Options are what an [Ingest] is made of.
type Options struct {
	Config    Config
	Providers []provider.Verifier // one for each provider that has a path
	Publisher bus.Publisher
	Follower  bus.Follower
	Key       *seal.Key // opens the signers' secrets

	Log        *slog.Logger
	Registerer prometheus.Registerer // nil = metrics are kept but not shown
	Health     *obs.Health           // nil = not reported
	Now        func() time.Time      // nil = time.Now
}

// Ingest is one HTTP edge.
type Ingest struct {
	server   *server
	snapshot *Snapshot
	samples  *sampler
	follower bus.Follower
}

// New returns an edge that is not serving yet. An error means that it was put
// together wrongly.
func New(o Options) (*Ingest, error) {
	if o.Publisher == nil || o.Follower == nil || o.Key == nil || o.Log == nil {
		return nil, errors.New("ingest needs a publisher, a follower, a key and a logger")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Health == nil {
		o.Health = obs.NewHealth()
	}
	table, err := newTable(o.Providers)
	if err != nil {
		return nil, err
	}
	m := newMetrics(o.Registerer, table)
	o.Health.Set(HealthServing, errStarting)
	o.Health.Set(HealthSigners, errReading)
	snapshot := NewSnapshot(o.Key, o.Log, o.Now)
	snapshot.onComplete = func() { o.Health.Set(HealthSigners, nil) }
	m.watch(o.Registerer, snapshot)

	samples := newSampler(o.Publisher, m)
	e := &edge{
		table: table, signers: snapshot, voice: snapshot, publisher: o.Publisher, samples: samples,
		budget: newBudget(o.Config.MaxInflightBytes, m.inflight), timeout: o.Config.RequestTimeout,
		deliveries: newDeliveries(), metrics: m, log: o.Log, now: o.Now,
	}
	return &Ingest{
		server:   &server{config: o.Config, edge: e, health: o.Health, metrics: m, log: o.Log},
		snapshot: snapshot, samples: samples, follower: o.Follower,
	}, nil
}

// Signers returns the snapshot of who may sign that requests are verified by.
func (i *Ingest) Signers() provider.Signers { return i.snapshot }

// Run serves l until ctx is done, then answers what is in flight and returns
// nil: within the drain delay and the shutdown timeout of its config. It
// closes l. The publisher must outlive it.
func (i *Ingest) Run(ctx context.Context, l net.Listener) error {
	// The snapshot stays fresh until the last request is answered.
	side, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	serving, fail := context.WithCancel(ctx)
	defer fail()

	var g errgroup.Group
	g.Go(func() error {
		defer stop()
		return i.server.run(serving, l)
	})
	g.Go(func() error {
		defer fail()
		if err := i.snapshot.Run(side, i.follower); err != nil {
			return fmt.Errorf("following who may sign: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		i.samples.run(side)
		return nil
	})
	return g.Wait()
}
