package operate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/operate"
)

// shelf keeps what was published.
type shelf struct {
	batches [][]events.Record
	err     error
}

func (s *shelf) Publish(_ context.Context, records ...events.Record) error {
	s.batches = append(s.batches, records)
	return s.err
}

func now() time.Time { return noon }

func sendLine(n int) string {
	return fmt.Sprintf(`{"org_id":"7b2e0000-0000-4000-8000-000000000001","channel":"sms","provider":"twilio","provider_id":"SM%d"}`, n)
}

func record(t *testing.T, in io.Reader, p operate.Publisher) (operate.Sent, error) {
	t.Helper()
	return operate.RecordSends(t.Context(), in, p, now, func(int) {})
}

func TestBadLinesAreReportedAndTheOthersPublished(t *testing.T) {
	t.Parallel()
	in := strings.Join([]string{sendLine(1), "", "{", `{"org_id":"secret-value","channel":"fax"}`, sendLine(2)}, "\n")
	var p shelf
	sent, err := record(t, strings.NewReader(in), &p)
	require.NoError(t, err)
	require.Equal(t, 2, sent.Published)
	require.Len(t, sent.Rejected, 2)
	require.Equal(t, 3, sent.Rejected[0].Line)
	require.Equal(t, 4, sent.Rejected[1].Line)
	require.Contains(t, sent.Rejected[1].Error, "channel")
	require.NotContains(t, sent.Rejected[1].Error, "secret-value")
	require.NotContains(t, sent.Rejected[1].Error, "\n")

	rec := p.batches[0][0]
	s, err := events.DecodeSend(&rec)
	require.NoError(t, err)
	require.Equal(t, "SM1", s.ProviderID)
	require.Equal(t, "accepted", s.Status)
	require.Equal(t, noon, s.ReceivedAt)
	_, err = events.ParseUUID(string(s.Receipt))
	require.NoError(t, err)
}

func TestSendsArePublishedInBatches(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	for n := range 1201 {
		in.WriteString(sendLine(n) + "\n")
	}
	var p shelf
	sent, err := record(t, strings.NewReader(in.String()), &p)
	require.NoError(t, err)
	require.Equal(t, 1201, sent.Published)
	total := 0
	for _, b := range p.batches {
		require.LessOrEqual(t, len(b), 500)
		total += len(b)
	}
	require.Equal(t, 1201, total)
}

func TestASlowPipeIsNotKeptWaiting(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	published := make(chan int)
	done := make(chan error, 1)
	go func() {
		_, err := operate.RecordSends(t.Context(), r, &shelf{}, now, func(n int) { published <- n })
		done <- err
	}()
	for n := 1; n <= 2; n++ {
		_, err := io.WriteString(w, sendLine(n)+"\n")
		require.NoError(t, err)
		require.Equal(t, n, <-published)
	}
	require.NoError(t, w.Close())
	require.NoError(t, <-done)
}

func TestAFailedPublishAndAnEndlessLineAreErrors(t *testing.T) {
	t.Parallel()
	broken := errors.New("broker is gone")
	_, err := record(t, strings.NewReader(sendLine(1)), &shelf{err: broken})
	require.ErrorIs(t, err, broken)
	_, err = record(t, strings.NewReader(sendLine(1)+"\n"+strings.Repeat("x", 2<<20)), &shelf{})
	require.ErrorContains(t, err, "line 2")
}
