package sends

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Publisher writes records to Kafka. Package sends/kafka has one; any client is
// one in a few lines.
type Publisher interface {
	// Publish returns nil once every in-sync replica has every record, and
	// otherwise an error for each record, in their order: nil where it is
	// durable. It may write a record and still report an error for it. Errors
	// that are not as many as the records count against all of them.
	Publish(ctx context.Context, records []Record) []error
}

// Recorder records sends. It is safe for concurrent use if its publisher is.
type Recorder struct {
	pub Publisher
	now func() time.Time
}

// New returns a recorder over a publisher, which the caller closes.
func New(pub Publisher) *Recorder { return &Recorder{pub: pub, now: time.Now} }

// Record records sends, all of them with one call to the publisher: tens of
// thousands are fine. It returns nil when every one is durable. Otherwise the
// error is a *[PartialError] that tells which are not and why; the others are
// durable. It is always safe to record the same sends again, those that are
// durable too.
func (r *Recorder) Record(ctx context.Context, sends ...Send) error {
	failed := &PartialError{Of: len(sends)}
	now := r.now()
	records := make([]Record, 0, len(sends))
	at := make([]int, 0, len(sends))
	for i := range sends {
		rec, err := sends[i].record(now)
		if err != nil {
			failed.Failures = append(failed.Failures, Failure{i, err})
			continue
		}
		records, at = append(records, rec), append(at, i)
	}
	if len(records) > 0 {
		for j, err := range r.publish(ctx, records) {
			if err != nil {
				failed.Failures = append(failed.Failures, Failure{at[j], err})
			}
		}
	}
	if len(failed.Failures) == 0 {
		return nil
	}
	return failed
}

// publish returns what became of each record, nothing if all are durable.
func (r *Recorder) publish(ctx context.Context, records []Record) []error {
	errs := r.pub.Publish(ctx, records)
	if len(errs) == 0 || len(errs) == len(records) {
		return errs
	}
	err := fmt.Errorf("the publisher reported %d errors for %d records", len(errs), len(records))
	return slices.Repeat([]error{errors.Join(append([]error{err}, errs...)...)}, len(records))
}

// PartialError tells which sends of a call were not recorded. errors.Is and
// errors.As find the cause of each.
type PartialError struct {
	Of       int // sends of the call
	Failures []Failure
}

// Failure is a send that was not recorded, or may not have been.
type Failure struct {
	Index int   // in the call, from 0
	Err   error // ErrInvalid: it never can be; otherwise record it again
}

// Error counts the failures and gives the first. It quotes nothing of a send.
func (e *PartialError) Error() string {
	first := e.Failures[0]
	return fmt.Sprintf("recording sends: %d of %d failed, the first is number %d: %v", len(e.Failures), e.Of, first.Index, first.Err)
}

// Unwrap returns the causes.
func (e *PartialError) Unwrap() []error {
	out := make([]error, len(e.Failures))
	for i, f := range e.Failures {
		out[i] = f.Err
	}
	return out
}
