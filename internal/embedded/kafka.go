package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"waybill/internal/events"
)

// cleanEvery is how often retention and compaction run.
const cleanEvery = time.Minute

// KafkaOptions say where a broker lives and what it holds.
type KafkaOptions struct {
	Dir    string             // the data folder; the broker takes Dir/kafka. "" = in memory
	Port   int                // 0 = one that is free, the same at every start while it is
	Sync   bool               // wait for the disk with every batch; wants a publisher that groups
	Log    *slog.Logger       // nil = silent
	Topics []events.TopicSpec // made unless they exist
}

// Kafka is a running broker of one node.
type Kafka struct {
	cluster *kfake.Cluster
	addr    string
	stop    func()
}

// StartKafka starts the broker of a data folder, with the records, topics and
// group offsets of the last time. It makes no topic of its own accord, and
// changes none that exists. The caller holds the folder's [Lock]. A requested
// port that is taken is [ErrPortTaken].
//
// After a crash the broker reads its whole log into memory, so retention must
// keep the log small; a topic without a limit is the caller's own risk.
func StartKafka(ctx context.Context, o KafkaOptions) (*Kafka, error) {
	if err := ctx.Err(); err != nil { // loading cannot be cancelled once it runs
		return nil, fmt.Errorf("starting the broker: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.ListenFn(listener(o)),
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.WithLogger(brokerLog{o.Log}),
		kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": strconv.FormatInt(cleanEvery.Milliseconds(), 10)}),
	}
	if o.Dir != "" {
		folder := filepath.Join(o.Dir, "kafka")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, fmt.Errorf("making the broker's folder: %w", err)
		}
		opts = append(opts, kfake.DataDir(folder))
	}
	if o.Sync {
		opts = append(opts, kfake.SyncWrites())
	}
	cluster, err := kfake.NewCluster(opts...)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, problemf(ErrPortTaken, "port %d on 127.0.0.1, wanted for the broker, is taken by another program: stop that program or choose another port", o.Port)
	}
	if err != nil {
		return nil, fmt.Errorf("starting the broker: %w", err)
	}
	k := &Kafka{cluster: cluster, addr: cluster.ListenAddrs()[0]}
	k.stop = sync.OnceFunc(k.clean())
	if err := k.prepare(o); err != nil {
		k.Stop()
		return nil, err
	}
	o.Log.Info("embedded broker started", "addr", k.addr, "dir", o.Dir)
	return k, nil
}

// Addr returns the broker's host and port.
func (k *Kafka) Addr() string { return k.addr }

// Cluster gives access to the broker itself, for the injection of faults in tests.
func (k *Kafka) Cluster() *kfake.Cluster { return k.cluster }

// Stop writes everything out and ends the broker. Stopping twice is harmless.
func (k *Kafka) Stop() { k.stop() }

// clean applies retention and compaction now and then, and returns what ends
// that and the broker. The broker's own timer is not enough: it begins when a
// topic is made, not when topics are loaded.
func (k *Kafka) clean() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(cleanEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				k.cluster.Compact() // applies retention as well
			}
		}
	}()
	return func() {
		close(quit)
		<-done // a closed cluster would never answer it
		k.cluster.Close()
	}
}

// prepare makes the topics and remembers the port.
func (k *Kafka) prepare(o KafkaOptions) error {
	for _, spec := range o.Topics {
		if k.cluster.TopicInfo(spec.Name) != nil {
			continue
		}
		if err := k.cluster.CreateTopic(spec.Name, int32(spec.Partitions), topicConfigs(spec)); err != nil {
			return fmt.Errorf("creating topic %s: %w", spec.Name, err)
		}
	}
	if o.Dir == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(k.addr)
	if err != nil {
		return fmt.Errorf("reading the broker's port: %w", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("reading the broker's port: %w", err)
	}
	return keptPortOf(o).keep(n)
}

func keptPortOf(o KafkaOptions) keptPort { return keptPort{filepath.Join(o.Dir, "kafka.port")} }

// listener returns how the broker opens its port: the requested one or none,
// else the kept one, else any.
func listener(o KafkaOptions) func(network, address string) (net.Listener, error) {
	return func(network, _ string) (net.Listener, error) {
		if o.Port != 0 {
			return net.Listen(network, loopback(o.Port))
		}
		if o.Dir != "" {
			if port := keptPortOf(o).read(); port != 0 {
				if ln, err := net.Listen(network, loopback(port)); err == nil {
					return ln, nil
				}
			}
		}
		return net.Listen(network, loopback(0))
	}
}

// brokerLog passes on the broker's complaints; the rest is a line a request.
type brokerLog struct{ log *slog.Logger }

func (b brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		b.log.Error("embedded broker failed", "detail", fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		b.log.Warn("embedded broker complained", "detail", fmt.Sprintf(format, args...))
	}
}
