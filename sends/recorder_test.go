package sends_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/sends"
)

// shelf is a publisher that keeps what it is given, and refuses what it is told.
type shelf struct {
	calls   int
	records []record
	refuse  map[int]error
}

type record sends.Record

func (s *shelf) Publish(_ context.Context, records []sends.Record) []error {
	s.calls++
	errs := make([]error, len(records))
	failed := false
	for i, r := range records {
		s.records = append(s.records, record(r))
		errs[i] = s.refuse[i]
		failed = failed || errs[i] != nil
	}
	if failed {
		return errs
	}
	return nil
}

// waybills returns the record as Waybill's own code has it.
func (r *record) waybills() events.Record {
	out := events.Record{Topic: r.Topic, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, events.Header(h))
	}
	return out
}

func many(n int) []sends.Send {
	out := make([]sends.Send, n)
	for i := range out {
		out[i] = intended()
		out[i].MessageID = events.DeriveID("test", string(rune('a'+i)))
	}
	return out
}

func TestEachFailureOfACallIsTold(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	list := many(5)
	list[1].Channel = "fax"
	pub := &shelf{refuse: map[int]error{2: away}} // of the four that are published, the third is list[3]
	err := sends.New(pub).Record(t.Context(), list...)
	require.Equal(t, 1, pub.calls, "one call, one request")
	require.Len(t, pub.records, 4)
	var partial *sends.PartialError
	require.ErrorAs(t, err, &partial)
	require.Equal(t, 5, partial.Of)
	require.Len(t, partial.Failures, 2)
	require.Equal(t, 1, partial.Failures[0].Index)
	require.ErrorIs(t, partial.Failures[0].Err, sends.ErrInvalid)
	require.Equal(t, 3, partial.Failures[1].Index)
	require.Equal(t, away, partial.Failures[1].Err)
	require.ErrorIs(t, err, away)
	require.ErrorIs(t, err, sends.ErrInvalid)
	require.ErrorContains(t, err, "2 of 5 failed, the first is number 1")
}

// script is a publisher that answers as it was told, however many records there are.
type script []error

func (s script) Publish(context.Context, []sends.Record) []error { return s }

// Nobody knows which records the errors of a wrong number belong to: none
// counts as durable.
func TestErrorsOfAnotherNumberFailEveryRecord(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	list := many(4)
	list[0].Channel = "fax"
	for _, answer := range []script{{away}, {nil, away}, {nil}, {nil, nil, nil, away}, {nil, nil, nil, nil}} {
		err := sends.New(answer).Record(t.Context(), list...)
		var partial *sends.PartialError
		require.ErrorAs(t, err, &partial, "%v", answer)
		require.Len(t, partial.Failures, len(list), "%v", answer)
		for i, f := range partial.Failures {
			require.Equal(t, i, f.Index)
			if i > 0 {
				require.ErrorContains(t, f.Err, "errors for 3 records")
				require.NotContains(t, f.Err.Error(), "nil")
				require.Equal(t, errors.Is(answer[len(answer)-1], away), errors.Is(f.Err, away))
			}
		}
	}
}

func TestNothingToRecordIsNoCall(t *testing.T) {
	t.Parallel()
	pub := &shelf{}
	require.NoError(t, sends.New(pub).Record(t.Context()))
	require.Error(t, sends.New(pub).Record(t.Context(), sends.Send{}))
	require.Zero(t, pub.calls)
}

// The same sends again are the same events under the same receipts, as if the
// broker had delivered them twice; anything that differs has another receipt.
func TestRecordingAgainIsTheSameReceipt(t *testing.T) {
	t.Parallel()
	receipts := func(list ...sends.Send) (out []events.ReceiptID) {
		pub := &shelf{}
		require.NoError(t, sends.New(pub).Record(t.Context(), list...))
		for i := range pub.records {
			rec := pub.records[i].waybills()
			out = append(out, events.ReceiptOf(&rec))
			require.Equal(t, string(out[i]), rec.Header("ce_id"), "it is a UUID as it stands")
		}
		return out
	}
	list := many(3)
	once := receipts(list...)
	require.Equal(t, once, receipts(list...))
	require.NotEqual(t, once[0], once[1])
	changed := list[0]
	changed.CustomerID = id
	require.NotEqual(t, once[0], receipts(changed)[0])
	require.NotEqual(t, once[0], receipts(list[0].Accepted("SM1", at))[0])
}
