package operate

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"waybill/internal/events"
)

// Publisher publishes records durably.
type Publisher interface {
	Publish(ctx context.Context, records ...events.Record) error
}

const (
	sendBatch   = 500
	maxSendLine = 1 << 20 // bytes of one line
)

// Sent is what recording sends came to. Its JSON names are promises.
type Sent struct {
	Published int       `json:"published"`
	Rejected  []BadLine `json:"rejected"`
}

// BadLine is a line that is not a send record. The error quotes nothing of it.
type BadLine struct {
	Line  int    `json:"line"` // from 1
	Error string `json:"error"`
}

// RecordSends publishes send records, one JSON object a line, to the sends
// topic, as a campaign sender would. A line that is not a send record is
// reported and does not stop the others. Whatever has been read is published
// at once, in batches of at most 500; progress is told after each. Empty lines
// are skipped.
func RecordSends(ctx context.Context, in io.Reader, p Publisher, now func() time.Time, progress func(published int)) (Sent, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := sending{Sent: Sent{Rejected: []BadLine{}}, publisher: p, now: now}
	lines := make(chan line, sendBatch)
	failed := make(chan error, 1)
	go func() {
		defer close(lines)
		failed <- readLines(ctx, in, lines)
	}()
	for {
		more, err := s.batch(ctx, lines)
		if err != nil {
			return s.Sent, err
		}
		if !more {
			return s.Sent, <-failed
		}
		progress(s.Published)
	}
}

type line struct {
	number int
	text   []byte
}

func readLines(ctx context.Context, in io.Reader, out chan<- line) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 64<<10), maxSendLine)
	n := 0
	for scanner.Scan() {
		n++
		text := bytes.TrimSpace(scanner.Bytes())
		if len(text) == 0 {
			continue
		}
		select {
		case out <- line{n, bytes.Clone(text)}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if errors.Is(scanner.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d is longer than %d bytes: nothing behind it was read", n+1, maxSendLine)
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("reading send records: %w", err)
	}
	return nil
}

type sending struct {
	Sent
	publisher Publisher
	now       func() time.Time
}

// batch publishes what there is to read, after waiting for the first line. It
// returns false when there are no more.
func (s *sending) batch(ctx context.Context, lines <-chan line) (more bool, err error) {
	var records []events.Record
	select {
	case l, ok := <-lines:
		if !ok {
			return false, nil
		}
		records = s.add(records, l)
	case <-ctx.Done():
		return false, fmt.Errorf("recording sends: %w", ctx.Err())
	}
	for waiting := min(len(lines), sendBatch-1); waiting > 0; waiting-- { // nobody else takes them: this never blocks
		records = s.add(records, <-lines)
	}
	if len(records) == 0 {
		return true, nil
	}
	if err := s.publisher.Publish(ctx, records...); err != nil {
		return false, fmt.Errorf("publishing send records, those of the last %d lines may or may not be recorded (recording them again is safe): %w", len(records), err)
	}
	s.Published += len(records)
	return true, nil
}

func (s *sending) add(records []events.Record, l line) []events.Record {
	send, err := events.ParseSend(l.text)
	if err == nil {
		send.Receipt, send.ReceivedAt = events.NewReceiptID(), events.Millis(s.now())
		var rec events.Record
		if rec, err = send.Record(); err == nil {
			return append(records, rec)
		}
	}
	s.Rejected = append(s.Rejected, BadLine{l.number, strings.ReplaceAll(err.Error(), "\n", "; ")})
	return records
}
