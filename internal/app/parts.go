package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"waybill/internal/bus"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/control"
	"waybill/internal/events"
	"waybill/internal/ingest"
	"waybill/internal/postgres"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/ses"
	"waybill/internal/provider/sns"
	"waybill/internal/provider/stripe"
	"waybill/internal/provider/twilio"
	"waybill/internal/retention"
	"waybill/internal/router"
	"waybill/internal/seal"
	"waybill/internal/worker"
)

// stripeTolerance is how far a Stripe signature's time may lie from ours, on
// both sides.
const stripeTolerance = 300 * time.Second

// openBus connects to Kafka; its cleanup publishes what is queued.
func (p *process) openBus(cfg kafkabus.Config) (*kafkabus.Client, error) {
	cfg.Topics, cfg.Instance = events.TopicNames(), p.instance
	client, err := kafkabus.New(cfg, p.log, p.registry)
	if err != nil {
		return nil, err
	}
	p.onStop("bus", client.Close)
	return client, nil
}

// consumers gives router and workers their members of a group.
type consumers struct {
	client         *kafkabus.Client
	partitionBytes int // 0 = the default
}

func (c consumers) Consumer(group string, topics []string, h bus.Handler) bus.Consumer {
	return c.client.Consumer(kafkabus.ConsumerOptions{Group: group, Topics: topics, Handler: h, PartitionBytes: c.partitionBytes})
}

// openDatabase waits for the database and refuses one whose schema is too old.
func (p *process) openDatabase(ctx context.Context, cfg postgres.Config) (*postgres.DB, error) {
	cfg.Prepared = true
	db, err := postgres.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	p.onStop("database", db.CloseWithin)
	for {
		err := db.Check(ctx)
		if err == nil {
			break
		}
		if errors.Is(err, postgres.ErrOldSchema) {
			return nil, postgres.ErrOldSchema
		}
		p.log.Warn("waiting for the database", "error", err)
		if err := sleep(ctx, time.Second); err != nil {
			return nil, err
		}
	}
	return db, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// SNSOptions returns how messages of SNS are verified. It reads the certificates
// that are pinned.
func SNSOptions(cfg ingest.SNSConfig) (sns.Options, error) {
	o := sns.Options{MaxAge: cfg.MaxAge, RefuseSHA1: cfg.RefuseSHA1}
	if cfg.CertDir == "" {
		return o, nil
	}
	var err error
	if o.Pinned, err = sns.ReadPinned(os.DirFS(cfg.CertDir)); err != nil {
		return o, fmt.Errorf("WAYBILL_SNS_CERT_DIR: %w", err)
	}
	return o, nil
}

// startIngest serves the providers' callbacks. It returns the address, and who
// may sign as ingest knows it.
func (p *process) startIngest(cfg ingest.Config, client *kafkabus.Client) (string, provider.Signers, error) {
	key, err := seal.ParseKey(string(cfg.SecretKey))
	if err != nil {
		return "", nil, err
	}
	tw, err := twilio.New(cfg.PublicURL)
	if err != nil {
		return "", nil, err
	}
	topics, err := SNSOptions(cfg.SNS)
	if err != nil {
		return "", nil, err
	}
	envelopes := sns.New(topics)
	in, err := ingest.New(ingest.Options{
		Config: cfg, Providers: []provider.Verifier{tw, ses.New(envelopes), connect.New(envelopes), stripe.New(stripeTolerance)},
		Publisher: client, Follower: client, Key: key,
		Log: p.log.With("part", "ingest"), Registerer: p.registry, Health: p.health,
	})
	if err != nil {
		return "", nil, err
	}
	l, err := p.listen("WAYBILL_LISTEN", cfg.Listen)
	if err != nil {
		return "", nil, err
	}
	p.start("ingest", func(ctx context.Context) error { return in.Run(ctx, l) })
	return l.Addr().String(), in.Signers(), nil
}

// Parsers returns what reads the raw topics: every provider's.
func Parsers() []provider.Parser {
	return []provider.Parser{twilio.Parser{}, ses.Parser{}, connect.Parser{}, stripe.Parser{}}
}

// startRouter routes what ingest and the senders publish, and does the work that
// is asked for beside.
func (p *process) startRouter(cfg router.Config, client *kafkabus.Client, db *postgres.DB) error {
	feed := postgres.NewConfigFeed(db)
	p.onStop("config feed", func(context.Context) error { feed.Close(); return nil })
	r := router.New(router.Options{
		Config: cfg, Parsers: Parsers(),
		Store: postgres.NewRouting(db), Positions: postgres.NewOffsets(db, events.GroupRouter), Feed: feed,
		Publisher: client, Follower: client, Consumers: consumers{client, routerPartitionBytes},
		Log: p.log.With("part", "router"), Registerer: p.registry, Health: p.health,
	})
	p.start("router", r.Run)
	return p.startControl(client)
}

// startControl does the work that the router asks for.
func (p *process) startControl(client *kafkabus.Client) error {
	subscriber, err := kafkabus.NewWatermillSubscriber(client, kafkabus.WatermillConfig{Group: events.GroupControl})
	if err != nil {
		return err
	}
	log := p.log.With("part", "control")
	c := control.New(control.Options{
		Subscriber: subscriber, Log: log, Registerer: p.registry,
		Confirmer: control.NewSNS(log),
	})
	p.start("control", c.Run)
	return nil
}

// startWorkers applies what the router resolves.
func (p *process) startWorkers(keep retention.Config, client *kafkabus.Client, db *postgres.DB) {
	ledger := postgres.NewLedger(db, events.GroupWorkers)
	w := worker.New(worker.Options{
		Ledger: ledger, Messages: postgres.NewMessages(db, events.GroupWorkers), Calls: postgres.NewCalls(db, events.GroupWorkers),
		Billing:   postgres.NewBilling(db, events.GroupWorkers),
		Campaigns: postgres.NewCampaigns(db), Timeline: ledger,
		Expiry: postgres.NewRetention(db), Keep: keep,
		Publisher: client, Consumers: consumers{client: client},
		Log: p.log.With("part", "workers"), Registerer: p.registry, Health: p.health,
	})
	p.start("workers", w.Run)
}
