// Package control does the work that events ask for beside themselves, one piece
// at a time: it confirms subscriptions of registered SNS topics, by the call
// that AWS has for it, built from the topic and its token. No URL of a request
// is ever fetched.
//
//	control topic ──> never works? counted, logged, passed
//	                  too old?     counted, logged, passed
//	                  works later? waits, and is tried again by itself
//	                  done         counted, passed
//
// Work may be done twice: whatever is asked for here must be harmless when it is
// repeated. A token never gets into a log, an error or a metric.
package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/prometheus/client_golang/prometheus"

	"waybill/internal/events"
	"waybill/internal/fault"
)

// Confirmer confirms the subscription to a topic. Doing so again is harmless.
type Confirmer interface {
	// Confirm returns nil, or a fault: Invalid, with one of [Reasons], for what
	// can never work, else Unavailable.
	Confirm(ctx context.Context, topicARN, token string) error
}

// Options are the parts of a [Control].
type Options struct {
	// Subscriber gives the messages of the control topic. One that is refused
	// must come again. It is closed when Run returns.
	Subscriber message.Subscriber
	Confirmer  Confirmer
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time // nil = time.Now
}

// Control is the part of a process that does control work. Make it with [New],
// run it with [Control.Run], once.
type Control struct {
	Options
	done    *prometheus.CounterVec // outcome
	waiting waiting
}

const (
	// A piece of work is tried so often before its message is refused, and then
	// again when it comes again; nothing behind it on its partition is done
	// meanwhile, since the same would fail.
	retries    = 3
	firstPause = 200 * time.Millisecond
	maxPause   = 2 * time.Second

	attemptTimeout = 10 * time.Second
	stopTimeout    = 5 * time.Second

	// A token of SNS's lives so long. Work that is older is passed, whatever kept
	// it from being done: it would fail, and stop what is behind it for ever.
	maxAge = 3 * 24 * time.Hour
)

// Outcomes of confirmations beside the [Reasons] for which they never work.
const (
	confirmed  = "confirmed"
	deferred   = "deferred"   // could not be done now, and is tried again
	expired    = "expired"    // is older than its token can be
	unreadable = "unreadable" // no work that is known here
	panicked   = "panic"
)

// New returns a Control with its counters at zero.
func New(o Options) *Control {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Control{Options: o, waiting: waiting{pieces: map[events.EventID]piece{}}, done: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "waybill_control_confirmations_total",
		Help: "Attempts to confirm SNS subscriptions, by outcome; deferred ones are tried again for three days and then expire. Alarm on any but confirmed and deferred, and on waybill_control_oldest_seconds for those.",
	}, []string{"outcome"})}
	oldest := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "waybill_control_oldest_seconds",
		Help: "Time since SNS asked for the oldest confirmation that is tried again; 0 if there is none. Alarm above 3600: nothing behind it on its partition is done.",
	}, func() float64 { return c.waiting.oldest(o.Now()).Seconds() })
	o.Registerer.MustRegister(c.done, oldest)
	for _, outcome := range append([]string{confirmed, deferred, expired, unreadable, panicked}, Reasons()...) {
		c.done.WithLabelValues(outcome)
	}
	return c
}

// Run works until ctx is done, then lets the piece in hand end or be given up.
func (c *Control) Run(ctx context.Context) error {
	logger := watermill.NewSlogLogger(c.Log)
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: stopTimeout}, logger)
	if err != nil {
		return fmt.Errorf("preparing control work: %w", err)
	}
	again := middleware.Retry{
		MaxRetries: retries, InitialInterval: firstPause, MaxInterval: maxPause, Multiplier: 2,
		ShouldRetry: func(p middleware.RetryParams) bool { return !hopeless(p.Err) },
	}
	router.AddMiddleware(c.pass, again.Middleware, middleware.Recoverer)
	router.AddConsumerHandler("confirmations", events.TopicControl, c.Subscriber, c.handle)
	return router.Run(ctx)
}

// pass lets go of work that can never be done, so that it does not stop what is
// behind it.
func (c *Control) pass(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		_, err := next(msg)
		if !hopeless(err) {
			return nil, err
		}
		reason := panicked
		if fault.ClassOf(err) == fault.Invalid {
			reason = fault.ReasonOf(err)
		}
		c.done.WithLabelValues(reason).Inc()
		c.Log.Error("control work can never be done and is passed", "reason", reason, "event_id", msg.Metadata.Get("ce_id"), "topic_arn", msg.Metadata.Get("ce_subject"))
		return nil, nil
	}
}

// hopeless tells whether trying again changes nothing.
func hopeless(err error) bool {
	var crash middleware.RecoveredPanicError
	return err != nil && (fault.ClassOf(err) == fault.Invalid || errors.As(err, &crash))
}

// handle does one piece of work.
func (c *Control) handle(msg *message.Message) error {
	work, err := events.DecodeConfirmation(recordOf(msg))
	if err != nil {
		return fault.New(fault.Invalid, unreadable)
	}
	if c.Now().Sub(work.ReceivedAt) > maxAge {
		c.waiting.remove(work.EventID)
		return fault.New(fault.Invalid, expired)
	}
	ctx, cancel := context.WithTimeout(msg.Context(), attemptTimeout)
	defer cancel()
	err = c.Confirmer.Confirm(ctx, work.TopicARN, work.Token)
	if err != nil && fault.ClassOf(err) != fault.Invalid {
		c.waiting.put(work.EventID, work.ReceivedAt, c.Now())
		c.done.WithLabelValues(deferred).Inc()
		c.Log.Warn("a subscription cannot be confirmed now, will be tried again", "event_id", work.EventID, "topic_arn", work.TopicARN, "error", err)
		return err
	}
	c.waiting.remove(work.EventID)
	if err != nil {
		return err
	}
	c.done.WithLabelValues(confirmed).Inc()
	c.Log.Info("subscription confirmed", "event_id", work.EventID, "provider", work.Provider, "topic_arn", work.TopicARN)
	return nil
}

// recordOf returns the record that a message was.
func recordOf(msg *message.Message) *events.Record {
	rec := &events.Record{Topic: events.TopicControl, Value: msg.Payload}
	for name, value := range msg.Metadata {
		rec.Headers = append(rec.Headers, events.Header{Key: name, Value: []byte(value)})
	}
	return rec
}
