package sends

import (
	"time"

	"waybill/internal/events"
)

// Record is a send as it stands on the topic. It goes to the partition that
// murmur2 of its key selects, as Kafka's own clients do.
type Record struct {
	Topic      string
	Key, Value []byte
	Headers    []Header
}

// Header is one header of a [Record].
type Header struct {
	Key   string
	Value []byte
}

// source is whose CloudEvents these are, and begins the text of their ids.
const source = "waybill/sender"

// record returns the send as it is published. Its CloudEvents id is made of what
// it says, so that to record it again is to Waybill as if the broker had
// delivered it twice: nothing is counted.
func (s Send) record(now time.Time) (Record, error) {
	send, text, err := s.read()
	if err != nil {
		return Record{}, err
	}
	send.Receipt = events.ReceiptID(events.DeriveID("receipt", source, string(text)))
	send.ReceivedAt = events.Millis(now)
	rec, err := send.Record()
	if err != nil {
		return Record{}, err
	}
	out := Record{Topic: rec.Topic, Key: rec.Key, Value: rec.Value, Headers: make([]Header, len(rec.Headers))}
	for i, h := range rec.Headers {
		out.Headers[i] = Header(h)
	}
	return out, nil
}
