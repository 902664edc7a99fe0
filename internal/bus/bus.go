// Package bus is Waybill's own small contract with a Kafka-protocol broker:
// publish, consume a generation, acknowledge, follow a compacted topic, admin.
// It exists so that the client behind it can be changed in a week; the suite
// in bustest says what an implementation must do.
package bus

import (
	"context"
	"errors"
	"fmt"

	"waybill/internal/events"
)

// ErrFenced is returned by [Partition.Handle] when another member owns the
// partition by now. The consumer drops the generation and joins again.
var ErrFenced = errors.New("another consumer owns the partition")

// ErrClosed is returned by a publisher that was closed.
var ErrClosed = errors.New("publisher is closed")

// Publisher publishes records. It is safe for concurrent use.
type Publisher interface {
	// Publish returns nil once every in-sync replica of each record's
	// partition has acknowledged it. A record goes to the partition that
	// murmur2 of its key selects, as the Java client does; records of one
	// call with the same key keep their order. The error is a *[PublishError]
	// when only some failed; after ctx is done a record may still be written
	// (the caller must treat it as "may exist").
	Publish(ctx context.Context, records ...events.Record) error
}

// PublishError tells which records of a call were not acknowledged.
type PublishError struct {
	Errs []error // one per record of the call, nil where it was acknowledged
}

// Error counts the failures and gives the first.
func (e *PublishError) Error() string {
	n := 0
	var first error
	for _, err := range e.Errs {
		if err != nil {
			n++
			if first == nil {
				first = err
			}
		}
	}
	return fmt.Sprintf("publishing %d of %d records failed: %v", n, len(e.Errs), first)
}

// Unwrap returns the failures.
func (e *PublishError) Unwrap() []error {
	var out []error
	for _, err := range e.Errs {
		if err != nil {
			out = append(out, err)
		}
	}
	return out
}

// Assignment is one partition that a consumer was given for a generation.
type Assignment struct {
	Topic     string
	Partition int
	Committed int64 // the group's committed offset; -1 if it never committed
	First     int64 // first offset still in the log
	End       int64 // offset that the next record will get
}

// Lag returns how many records of partitions their group has not consumed.
func Lag(all []Assignment) (n int64) {
	for _, a := range all {
		n += max(0, a.End-max(a.Committed, a.First))
	}
	return n
}

// Handler processes the partitions that a consumer is given.
type Handler interface {
	// Open is called once per partition and generation, before any record is
	// fetched. It must not assume that an earlier owner has stopped. An error
	// is retried with back-off.
	Open(ctx context.Context, a Assignment) (Partition, error)
	// Joined is called when the consumer has become a member of a new
	// generation, before it opens the partitions that it was given: none, if
	// the others have them all.
	Joined(partitions int)
}

// Partition processes the records of one partition, one batch at a time, from
// one goroutine.
type Partition interface {
	// Start returns the offset to begin at, between First and End of the
	// assignment. It may lie below or above the committed offset.
	Start() int64
	// Handle processes records, in order and without gaps other than those
	// that compaction leaves. After nil the offset behind the last record may
	// be committed; after ErrFenced the generation ends; after any other error
	// the same records come again after a back-off, for ever: a fault waits,
	// it does not drop.
	Handle(ctx context.Context, records []events.Record) error
	// Close is called when the partition is given back.
	Close()
}

// Consumer reads topics as a member of a group.
type Consumer interface {
	// Run consumes until ctx is done, then finishes the batches in hand,
	// commits and leaves the group. It returns nil after a clean stop.
	Run(ctx context.Context) error
}

// Follower reads a whole topic without a group.
type Follower interface {
	// Follow calls fn with every record of the topic from its first one on,
	// and with no records after a fetch that brought none, until ctx is done.
	// atEnd tells that everything known to the broker at that fetch has been
	// delivered. An error from the broker is retried and not reported: fn
	// simply is not called, which is how the caller knows that it is cut off.
	Follow(ctx context.Context, topic string, fn func(records []events.Record, atEnd bool)) error
	// Scan calls fn with the records of a topic from its first one to its end
	// as it was when Scan was called, partition by partition.
	Scan(ctx context.Context, topic string, fn func(records []events.Record) error) error
	// Read returns the one record at a position, or ErrNotFound when
	// retention has taken it.
	Read(ctx context.Context, at events.Position) (events.Record, error)
}

// ErrNotFound is returned for a record that is no longer, or not yet, in the log.
var ErrNotFound = errors.New("no record at that position")

// Admin makes and checks topics.
type Admin interface {
	// EnsureTopics makes the topics that do not exist. It never changes one
	// that does.
	EnsureTopics(ctx context.Context, specs []events.TopicSpec) error
	// CheckTopics compares topics with their specs and returns what differs,
	// nothing when all is as it should be.
	CheckTopics(ctx context.Context, specs []events.TopicSpec) ([]TopicProblem, error)
	// Offsets returns the log's bounds and a group's commits for each
	// partition of a topic; group may be empty.
	Offsets(ctx context.Context, group, topic string) ([]Assignment, error)
}

// TopicProblem is one way in which a topic is not as its spec says.
type TopicProblem struct {
	Topic string `json:"topic"`
	What  string `json:"what"` // missing, partitions, retention, compaction, replication, min_insync
	Want  string `json:"want"`
	Have  string `json:"have"`
	Fatal bool   `json:"fatal"` // serving would break a promise
}
