package kafkabus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"waybill/internal/events"
)

const maxFetchBytes = 4 << 20

// limits bounds one fetch: the broker answers when there are min bytes, or
// after wait with what there is, be it nothing. It sends at least one batch,
// however large, and then up to max bytes.
type limits struct {
	min, max int64
	wait     time.Duration
}

// The ways to fetch.
var (
	fetchFollow = limits{min: 1, max: maxFetchBytes, wait: 250 * time.Millisecond} // also how often an idle follower is called
	fetchOne    = limits{min: 1, max: 64 << 10, wait: time.Millisecond}
)

// fetched is the answer to one fetch.
type fetched struct {
	records []events.Record
	next    int64 // where the next fetch begins
	end     int64 // offset that the next record of the log will get, as of this fetch
}

// atEnd says whether the fetch left nothing behind.
func (f *fetched) atEnd() bool { return f.next >= f.end }

// fetch reads a partition from an offset on.
func (c *Client) fetch(ctx context.Context, tp topicPartition, offset int64, l limits) (fetched, error) {
	res, err := c.kafka.Fetch(ctx, &kafka.FetchRequest{
		Topic: tp.topic, Partition: tp.partition, Offset: offset,
		MinBytes: l.min, MaxBytes: l.max, MaxWait: l.wait,
	})
	if err != nil {
		return fetched{}, err
	}
	if res.Error != nil {
		return fetched{}, res.Error
	}
	return decode(tp, offset, res.HighWatermark, res.Records)
}

// decode reads what a broker sent of a partition from an offset on.
func decode(tp topicPartition, offset, end int64, records kafka.RecordReader) (fetched, error) {
	f := fetched{next: offset, end: end}
	if records == nil {
		return f, nil
	}
	for {
		rec, err := records.ReadRecord()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fetched{}, fmt.Errorf("decoding %s/%d: %w", tp.topic, tp.partition, err)
		}
		if err := f.add(tp, rec); err != nil {
			return fetched{}, fmt.Errorf("decoding %s/%d at %d: %w", tp.topic, tp.partition, rec.Offset, err)
		}
	}
	// A batch keeps its range of offsets when compaction takes its last records,
	// and a broker answers with the batch in whose range the offset lies. If that
	// is all it answers with, nothing exists at this offset; step over it, or the
	// same batch would come for ever.
	if stream, ok := records.(*protocol.RecordStream); ok && len(stream.Records) > 0 && f.next == offset {
		f.next++
	}
	return f, nil
}

// add appends a record. A broker sends whole batches, so the first may begin
// below the offset that was asked for.
func (f *fetched) add(tp topicPartition, rec *kafka.Record) error {
	key, err := readBytes(rec.Key)
	if err != nil {
		return err
	}
	value, err := readBytes(rec.Value)
	if err != nil {
		return err
	}
	if rec.Offset < f.next {
		return nil
	}
	out := events.Record{
		Topic: tp.topic, Partition: tp.partition, Offset: rec.Offset,
		Key: key, Value: value, Time: rec.Time,
	}
	if len(rec.Headers) > 0 {
		out.Headers = make([]events.Header, len(rec.Headers))
		for i, h := range rec.Headers {
			out.Headers[i] = events.Header{Key: h.Key, Value: h.Value}
		}
	}
	f.records = append(f.records, out)
	f.next = rec.Offset + 1
	return nil
}

func readBytes(b kafka.Bytes) ([]byte, error) {
	if b == nil {
		return nil, nil
	}
	defer b.Close()
	return kafka.ReadAll(b)
}

// bounds returns the first offset in the log and the one behind its last record.
func (c *Client) bounds(ctx context.Context, tp topicPartition) (first, end int64, err error) {
	all, err := logBounds(ctx, c.kafka, tp.topic, []int{tp.partition})
	if err != nil {
		return 0, 0, err
	}
	b := all[tp.partition]
	return b.FirstOffset, b.LastOffset, nil
}

// logBounds returns the bounds of partitions of a topic.
func logBounds(ctx context.Context, client *kafka.Client, topic string, partitions []int) (map[int]kafka.PartitionOffsets, error) {
	var req []kafka.OffsetRequest
	for _, p := range partitions {
		req = append(req, kafka.FirstOffsetOf(p), kafka.LastOffsetOf(p))
	}
	res, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: req}})
	if err != nil {
		return nil, err
	}
	out := make(map[int]kafka.PartitionOffsets, len(partitions))
	for _, p := range res.Topics[topic] {
		switch {
		case errors.Is(p.Error, kafka.Unknown): // kafka-go's word for a request that did not get through
			return nil, fmt.Errorf("listing offsets of %s/%d: %w", topic, p.Partition, kafka.NetworkException)
		case p.Error != nil:
			return nil, fmt.Errorf("listing offsets of %s/%d: %w", topic, p.Partition, p.Error)
		}
		out[p.Partition] = p
	}
	if len(out) != len(partitions) {
		return nil, fmt.Errorf("listing offsets of %s: %w", topic, kafka.UnknownTopicOrPartition)
	}
	return out, nil
}
