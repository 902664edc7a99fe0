package kafkabus

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"

	"waybill/internal/events"
)

// MetadataKey names the entry of a message's metadata that holds the key of its
// record: messages with one key keep their order. It travels as the record's
// key and not as a header. A message without it has its UUID as the key, and so
// no order among others.
const MetadataKey = "kafka_key"

// uuidHeader holds a message's UUID, as Watermill's own Kafka adapter has it.
const uuidHeader = "_watermill_message_uuid"

// recordOf returns the record of a message. The headers are sorted, so that the
// same message is always the same record.
func recordOf(topic string, msg *message.Message) events.Record {
	key := msg.Metadata.Get(MetadataKey)
	if key == "" {
		key = msg.UUID
	}
	headers := make([]events.Header, 0, len(msg.Metadata)+1)
	if msg.UUID != "" {
		headers = append(headers, events.Header{Key: uuidHeader, Value: []byte(msg.UUID)})
	}
	for _, name := range slices.Sorted(maps.Keys(msg.Metadata)) {
		if name != MetadataKey && name != uuidHeader {
			headers = append(headers, events.Header{Key: name, Value: []byte(msg.Metadata[name])})
		}
	}
	return events.Record{Topic: topic, Key: []byte(key), Value: msg.Payload, Headers: headers}
}

// messageOf returns a record as a new message with bytes of its own: whatever a
// handler does to it, what comes again after a Nack is as it was. It cannot
// fail, since a record that can be no message would come again for ever. One
// that no Watermill publisher wrote has its position for a UUID; of headers
// with one name the first counts, as in [events.Record.Header].
func messageOf(rec *events.Record) *message.Message {
	uuid := rec.Header(uuidHeader)
	if uuid == "" {
		uuid = fmt.Sprintf("%s/%d/%d", rec.Topic, rec.Partition, rec.Offset)
	}
	msg := message.NewMessage(uuid, bytes.Clone(rec.Value))
	for _, h := range rec.Headers {
		if _, twice := msg.Metadata[h.Key]; !twice && h.Key != uuidHeader {
			msg.Metadata[h.Key] = string(h.Value)
		}
	}
	if key := string(rec.Key); key != "" && key != uuid {
		msg.Metadata[MetadataKey] = key
	}
	return msg
}
