// Package events is the only description of what is on Kafka: topics, keys,
// event ids, the envelope (CloudEvents 1.0 in Kafka binary mode) and the
// bodies of raw requests, resolved events, send records and status events.
//
// It knows no broker and no database. Decoding is strict about what Waybill
// itself wrote and tolerant of fields that a newer Waybill added.
package events

import "time"

// Header is one Kafka record header. Names may repeat.
type Header struct {
	Key   string
	Value []byte
}

// Record is one Kafka record. Partition, Offset and Time are set by the broker
// on records that were read and ignored on records to be published; Time is
// always ours, a provider's time is data.
type Record struct {
	Topic     string
	Key       []byte
	Value     []byte
	Headers   []Header
	Partition int
	Offset    int64
	Time      time.Time
}

// Header returns the value of the first header of that name, "" if none.
func (r *Record) Header(name string) string {
	for i := range r.Headers {
		if r.Headers[i].Key == name {
			return string(r.Headers[i].Value)
		}
	}
	return ""
}

// Size returns the record's size in bytes, a little over what it takes on the wire.
func (r *Record) Size() int {
	n := len(r.Key) + len(r.Value) + 32
	for i := range r.Headers {
		n += len(r.Headers[i].Key) + len(r.Headers[i].Value) + 4
	}
	return n
}

// Position names where a record lies in Kafka.
type Position struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
}

// Position returns where the record lies.
func (r *Record) Position() Position {
	return Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
}
