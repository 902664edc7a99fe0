// Package kafka writes Waybill's sends topic, for package sends. It is for
// programs that have no Kafka producer of their own.
//
// It promises what package sends builds on: a record is reported durable when
// every in-sync replica has it, and each record of a call is reported by itself.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"waybill/internal/bus"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/internal/events"
	"waybill/sends"
)

// closeTimeout bounds how long Close waits for what is being written.
const closeTimeout = 10 * time.Second

var _ sends.Publisher = (*Publisher)(nil)

// Config says how to reach the brokers, and as whom to write.
type Config struct {
	Brokers []string // addresses to start from, host:port

	TLS bool // with the system's certificates

	SASLMechanism string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; empty for no login
	Username      string
	Password      string

	Log *slog.Logger // is told of trouble with the brokers; nil for nobody
}

// Publisher writes records of the sends topic and of no other. It is safe for
// concurrent use.
type Publisher struct {
	client *kafkabus.Client
}

// NewPublisher returns a publisher. It connects when it is first used, and waits
// for brokers that are away; an error means a configuration that can never work,
// and names every problem.
func NewPublisher(cfg Config) (*Publisher, error) {
	client, err := kafkabus.NewPublic(kafkabus.Config{
		Brokers: cfg.Brokers, TLS: cfg.TLS,
		SASLMechanism: cfg.SASLMechanism, Username: cfg.Username, Password: config.Secret(cfg.Password),
		Topics: []string{sends.Topic},
	}, cfg.Log, nil)
	if err != nil {
		return nil, fmt.Errorf("configuring the publisher: %w", err)
	}
	return &Publisher{client: client}, nil
}

// Publish implements [sends.Publisher]. It waits for brokers that are away for
// as long as ctx allows: give it a deadline. What is not acknowledged by then is
// reported, and may still be written.
func (p *Publisher) Publish(ctx context.Context, records []sends.Record) []error {
	out := make([]events.Record, len(records))
	for i, r := range records {
		out[i] = events.Record{Topic: r.Topic, Key: r.Key, Value: r.Value, Headers: make([]events.Header, len(r.Headers))}
		for j, h := range r.Headers {
			out[i].Headers[j] = events.Header(h)
		}
	}
	err := p.client.Publish(ctx, out...)
	if err == nil {
		return nil
	}
	var partial *bus.PublishError
	if errors.As(err, &partial) {
		return partial.Errs
	}
	errs := make([]error, len(records))
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// Close waits for what is being written, for ten seconds at most, and closes the
// connections.
func (p *Publisher) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return p.client.Close(ctx)
}
