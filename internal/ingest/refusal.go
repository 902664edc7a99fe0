package ingest

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"

	"waybill/internal/fault"
)

// protocolError is a refusal that HTTP itself has a status for. Everything
// else is a classified error, and fault's table chooses its status.
type protocolError struct {
	status int
	reason string
}

func (e *protocolError) Error() string { return e.reason }

// What HTTP forbids before anything is verified.
var (
	errUnknownPath     = &protocolError{http.StatusNotFound, "unknown_path"}
	errMethod          = &protocolError{http.StatusMethodNotAllowed, "bad_method"}
	errContentType     = &protocolError{http.StatusUnsupportedMediaType, "content_type"}
	errContentEncoding = &protocolError{http.StatusUnsupportedMediaType, "content_encoding"}
	errBodyTooLarge    = &protocolError{http.StatusRequestEntityTooLarge, "body_too_large"}
	errBodyTimeout     = &protocolError{http.StatusRequestTimeout, "body_timeout"}
)

// errDeliveryTooLarge is as the provider of such requests takes 413 for an order
// to throw everything away; its own words for it have the same name.
var errDeliveryTooLarge = &protocolError{http.StatusInternalServerError, "request_too_large"}

// What net/http refuses on its own, before any handler.
var (
	errHeaderTooLarge = &protocolError{http.StatusRequestHeaderFieldsTooLarge, "header_too_large"}
	errMalformed      = &protocolError{http.StatusBadRequest, "malformed"}
	errHeaderTimeout  = &protocolError{0, "header_timeout"} // closed without an answer
)

// Reasons of refusals that fault's table decides.
const (
	reasonBodyUnreadable = "body_unreadable" // broken chunks, or the caller hung up
	reasonOverloaded     = "overloaded"      // the in-flight bound is reached
	reasonBusy           = "busy"            // enough deliveries of many records are being read, of all or of this signer
	reasonDraining       = "draining"        // the process is about to stop
	reasonPublishFailed  = "publish_failed"  // the broker did not take it
	reasonPublishTimeout = "publish_timeout" // the broker did not say in time whether it took it
	reasonPanic          = "panic"           // a fault of ours
	reasonInternal       = "internal"        // an error that nobody classified
)

var (
	errUnreadable = fault.New(fault.Invalid, reasonBodyUnreadable)
	errOverloaded = fault.New(fault.Unavailable, reasonOverloaded)
	errDraining   = fault.New(fault.Unavailable, reasonDraining)
	errBusy       = fault.New(fault.Unavailable, reasonBusy)
)

// routeReasons can happen on every path of a provider, beside its verifier's own.
var routeReasons = []string{
	errMethod.reason, errContentType.reason, errContentEncoding.reason, errBodyTooLarge.reason, errBodyTimeout.reason,
	reasonBodyUnreadable, reasonOverloaded, reasonDraining, reasonPublishFailed, reasonPublishTimeout,
	reasonPanic, reasonInternal,
}

// callReasons can happen where calls are answered.
var callReasons = []string{fault.ReasonOf(errUnsureNumber)}

// deliveryReasons can happen where many records come in one request.
var deliveryReasons = []string{reasonBusy, errDeliveryTooLarge.reason}

// nobodyReasons can happen before a request has a provider.
var nobodyReasons = []string{
	errUnknownPath.reason, errHeaderTooLarge.reason, errMalformed.reason, errHeaderTimeout.reason, reasonInternal,
}

// verdict returns the status and reason of a refusal.
func verdict(err error) (status int, reason string) {
	var p *protocolError
	if errors.As(err, &p) {
		return p.status, p.reason
	}
	return fault.ClassOf(err).Fate().Status, fault.ReasonOf(err)
}

// panicError is a panic that was caught. What was thrown may hold a piece of
// the request, so only a runtime error's own text is kept.
type panicError struct {
	what  string
	stack []byte
}

func (e *panicError) Error() string { return e.what }

// caught makes an error of a recovered panic. Call it in the deferred function.
func caught(thrown any) error {
	p := &panicError{what: fmt.Sprintf("panic of type %T", thrown), stack: debug.Stack()}
	if err, ok := thrown.(runtime.Error); ok {
		p.what = err.Error()
	}
	return fault.Wrap(fault.Internal, reasonPanic, p)
}
