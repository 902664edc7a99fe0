// Package operate is what operators ask and do, as plain functions over small
// interfaces: the command's verbs call it, and a page can.
//
// It never prints, reads no environment, and gives no secret back once it has
// sealed it. Errors are sentences for the person who asked: a [*UsageError]
// says what to write instead, a *tenants.NotFoundError what is not on record.
package operate

import (
	"fmt"

	"waybill/internal/fault"
	"waybill/internal/tenants"
)

// UsageError is a question that cannot be asked like that.
type UsageError struct{ What string }

// Error returns the sentence.
func (e *UsageError) Error() string { return e.What }

func usage(format string, args ...any) error { return &UsageError{fmt.Sprintf(format, args...)} }

// NotFound says what is not on record; the command exits with 3.
func NotFound(format string, args ...any) error {
	return &tenants.NotFoundError{What: fmt.Sprintf(format, args...)}
}

// refuse returns a refusal: the question was understood, and the answer is no.
func refuse(format string, args ...any) error {
	return fault.Wrap(fault.Invalid, "refused", fmt.Errorf(format, args...))
}
