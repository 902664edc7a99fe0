package kafkabus

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
)

// panicError is a handler's panic. It is retried like any other error.
type panicError struct {
	what  string
	stack []byte
}

func (e *panicError) Error() string { return "handler panicked: " + e.what }

// guard turns a panic into an error. The value of a panic may quote the
// payload, so only the runtime's own words are kept.
func guard(fn func() error) (err error) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case runtime.Error:
			err = &panicError{what: v.Error(), stack: debug.Stack()}
		default:
			err = &panicError{what: fmt.Sprintf("%T", v), stack: debug.Stack()}
		}
	}()
	return fn()
}

// stack is a log attribute with the stack of a panic, empty for other errors.
func stack(err error) slog.Attr {
	var p *panicError
	if !errors.As(err, &p) {
		return slog.Attr{}
	}
	return slog.String("stack", string(p.stack))
}
