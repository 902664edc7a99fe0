package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
)

// retryAfter is the pause in seconds that every 503 asks for.
const retryAfter = "1"

// edge answers requests.
type edge struct {
	table     table
	signers   provider.Signers
	voice     *Snapshot
	publisher bus.Publisher
	samples   *sampler
	budget    *budget
	timeout   time.Duration // for one request, from here to its answer
	draining  atomic.Bool

	deliveries *deliveries

	metrics *metrics
	log     *slog.Logger
	now     func() time.Time
}

// visit is one request on its way through the edge.
type visit struct {
	w     http.ResponseWriter
	r     *http.Request
	route *route // nil = unknown path
	at    time.Time
	read  bool // nothing of the request is left on the wire

	taken     events.Kind // what it turned out to be
	answer    success     // once it is durable
	delivered provider.Delivered
}

func (v *visit) provider() events.Provider {
	if v.route == nil {
		return nobody
	}
	return v.route.provider
}

func (v *visit) kind() events.Kind {
	if v.route == nil {
		return ""
	}
	return v.route.kind
}

// request returns what a verifier sees.
func (v *visit) request(body []byte) *provider.Request {
	return &provider.Request{
		Kind: v.route.kind, Method: v.r.Method, URI: v.r.RequestURI, Header: v.r.Header, Body: body, At: v.at,
	}
}

// raw returns a record of the request as it is kept, under a receipt of its own.
func (v *visit) raw(req *provider.Request, verified provider.Verified, body []byte) events.Raw {
	return events.Raw{
		Receipt: events.NewReceiptID(), Provider: v.route.provider, Kind: v.taken,
		Signer: verified.Signer, Token: verified.Token, Key: verified.Key, Headers: verified.Headers,
		Method: req.Method, URI: req.URI, Body: body, ReceivedAt: req.At,
	}
}

// ServeHTTP implements [http.Handler].
func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	connOf(r.Context()).handled()
	v := &visit{w: w, r: r, route: e.table.find(r.RequestURI), at: e.now(), read: r.ContentLength == 0}
	defer func() {
		e.metrics.requestSeconds.WithLabelValues(string(v.provider())).Observe(e.now().Sub(v.at).Seconds())
	}()
	if err := e.take(v); err != nil {
		e.refuse(v, err)
		return
	}
	e.accept(v)
}

// take verifies and keeps a request; nil means that it is durable.
func (e *edge) take(v *visit) (err error) {
	defer func() {
		if thrown := recover(); thrown != nil {
			err = caught(thrown)
		}
	}()
	if v.route == nil {
		return errUnknownPath
	}
	if err := v.route.admit(v.r); err != nil {
		return err
	}
	if e.draining.Load() {
		return errDraining
	}
	if v.route.carrier != nil {
		return e.deliver(v)
	}
	timeout := e.timeout
	if within := v.route.within; within > 0 && within < timeout {
		timeout = within
		if err := v.allow(timeout, 2*timeout); err != nil {
			return err
		}
	}
	// A caller who hangs up does not undo what it sent: it may have closed only
	// its own side, and would send the same again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.r.Context()), timeout)
	defer cancel()
	held := &share{budget: e.budget}
	defer held.release()
	body, err := readBody(v.w, v.r, held)
	if err != nil {
		return err
	}
	v.read = true
	req := v.request(body)
	verified, err := v.route.verifier.Verify(ctx, req, e.signers)
	if err != nil {
		return err
	}
	if v.answer, v.taken, err = e.reply(v.route, &verified); err != nil {
		return err
	}
	raw := v.raw(req, verified, req.Body)
	return e.publish(ctx, v.route.provider, raw.Record())
}

// publish makes records of a genuine request durable.
func (e *edge) publish(ctx context.Context, from events.Provider, records ...events.Record) error {
	start := e.now()
	err := e.publisher.Publish(ctx, records...)
	e.metrics.publishSeconds.WithLabelValues(string(from)).Observe(e.now().Sub(start).Seconds())
	switch {
	case err == nil:
		e.metrics.published.WithLabelValues(events.RawTopic(from)).Add(float64(len(records)))
		return nil
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		return fault.Wrap(fault.Unavailable, reasonPublishTimeout, err)
	}
	return fault.Wrap(fault.Unavailable, reasonPublishFailed, err)
}

// accept answers a request that is durable.
func (e *edge) accept(v *visit) {
	e.metrics.accepted.WithLabelValues(string(v.route.provider), string(v.taken)).Inc()
	ok := v.answer
	if ok == rejectCall {
		e.metrics.callsRejected.Inc()
	}
	e.log.LogAttrs(context.Background(), slog.LevelDebug, "request accepted",
		slog.String("provider", string(v.route.provider)), slog.String("kind", string(v.taken)),
		slog.String("outcome", "accepted"), slog.Int("status", ok.status))
	v.write(ok)
}

// write answers, in the words of the route's provider where it has some.
func (v *visit) write(a success) {
	if v.route != nil && v.route.carrier != nil {
		contentType, body := v.route.carrier.Reply(v.r.Header, v.delivered, v.at, a.status)
		a.contentType, a.body = contentType, string(body)
		v.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	if a.contentType != "" {
		v.w.Header().Set("Content-Type", a.contentType)
	}
	v.w.WriteHeader(a.status)
	_, _ = io.WriteString(v.w, a.body)
}

// refuse counts, logs and answers a request that was not kept. The answer says
// nothing that its status does not say.
func (e *edge) refuse(v *visit, err error) {
	status, reason := verdict(err)
	reason = e.metrics.refuse(v.provider(), reason)
	e.logRefusal(v, status, reason, err)
	if status < http.StatusInternalServerError {
		e.samples.offer(v, status, reason, err)
	}

	h := v.w.Header()
	if status == http.StatusMethodNotAllowed {
		h.Set("Allow", strings.Join(v.route.methods, ", "))
	}
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter)
	}
	if !v.read || reason == reasonDraining {
		h.Set("Connection", "close") // answer now; do not read the rest first
	}
	if !v.read {
		connOf(v.r.Context()).linger()
	}
	v.write(success{status, "text/plain; charset=utf-8", http.StatusText(status) + "\n"})
}

// logRefusal writes the one line of a refused request. The cause is added only
// where it is ours: what a caller sent never reaches the log.
func (e *edge) logRefusal(v *visit, status int, reason string, err error) {
	level := slog.LevelInfo
	attrs := refusalAttrs(v.provider(), v.kind(), status, reason)
	if status >= http.StatusInternalServerError {
		level = slog.LevelWarn
		attrs = append(attrs, slog.Any("error", err))
	}
	var p *panicError
	if errors.As(err, &p) {
		level = slog.LevelError
		attrs = append(attrs, slog.String("stack", string(p.stack)))
	}
	e.log.LogAttrs(context.Background(), level, "request refused", attrs...)
}

func refusalAttrs(p events.Provider, k events.Kind, status int, reason string) []slog.Attr {
	return []slog.Attr{
		slog.String("provider", string(p)), slog.String("kind", string(k)), slog.String("outcome", "refused"),
		slog.String("reason", reason), slog.Int("status", status),
	}
}
