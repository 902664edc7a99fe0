package operate_test

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
)

// books are a log and a ledger that a test writes by hand.
type books struct {
	records   map[string][]events.Record
	committed map[string]int64 // by group and topic; of partition 0
	stands    []history.Standing
	settled   map[[16]byte]time.Time // when, if not now
	differs   []history.Difference
	gaps      []history.Gap
	released  []history.Standing // appears with the second look
}

func (b *books) Scan(_ context.Context, topic string, fn func([]events.Record) error) error {
	return fn(b.records[topic])
}

func (b *books) Offsets(_ context.Context, group, topic string) ([]bus.Assignment, error) {
	end := int64(len(b.records[topic]))
	committed, ok := b.committed[group+" "+topic]
	if !ok {
		committed = end
	}
	return []bus.Assignment{{Topic: topic, Committed: committed, End: end}}, nil
}

func (b *books) Standings(_ context.Context, since time.Time, fn func(history.Standing)) error {
	for _, s := range b.stands {
		if at, ok := b.settled[s.Receipt]; !ok || !at.Before(since) {
			fn(s)
		}
	}
	b.stands, b.released = append(b.stands, b.released...), nil
	return nil
}

func (b *books) Gaps(context.Context, time.Time) ([]history.Gap, error) { return b.gaps, nil }

func (b *books) Recount(context.Context) (int, []history.Difference, error) { return 1, b.differs, nil }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// receive adds a raw record and returns its receipt.
func (b *books) receive(receipt events.ReceiptID, at time.Time) [16]byte {
	raw := events.Raw{Receipt: receipt, Provider: events.Twilio, Kind: events.KindMessageStatus, Signer: "AC", Key: "SM", ReceivedAt: at}
	rec := raw.Record()
	rec.Time, rec.Offset = at, int64(len(b.records[rec.Topic]))
	b.records[rec.Topic] = append(b.records[rec.Topic], rec)
	return uuid.MustParse(string(receipt))
}

func (b *books) final(receipt [16]byte) {
	b.stands = append(b.stands, history.Standing{Receipt: receipt, Class: history.Final, Outcome: events.Applied})
}

func newBooks() *books {
	return &books{records: map[string][]events.Record{}, committed: map[string]int64{}, settled: map[[16]byte]time.Time{}}
}

func (b *books) audit(t *testing.T, since time.Time) operate.Balance {
	t.Helper()
	a := operate.Audit{Ledger: b, Log: b}
	balance, err := a.Run(t.Context(), since)
	require.NoError(t, err)
	sum := balance.Duplicates + balance.InFlight + balance.Missing
	for _, n := range balance.Final {
		sum += n
	}
	for _, n := range balance.Held {
		sum += n
	}
	require.Equal(t, balance.Receipts, sum)
	return balance
}

func TestEveryReceiptCountsOnceAsTheStrongestOfWhereItStands(t *testing.T) {
	t.Parallel()
	b := newBooks()
	receipts := make([][16]byte, 3)
	for i := range receipts {
		id := events.NewReceiptID()
		receipts[i] = b.receive(id, noon)
		b.receive(id, noon) // published again
	}
	duplicate := func(r [16]byte) history.Standing { return history.Standing{Receipt: r, Class: history.Duplicate} }
	held := func(r [16]byte) history.Standing {
		return history.Standing{Receipt: r, Class: history.HeldNow, Outcome: events.Parked}
	}
	b.stands = []history.Standing{duplicate(receipts[0]), held(receipts[0]), duplicate(receipts[1]), held(receipts[1]), duplicate(receipts[2])}
	b.final(receipts[0])
	b.stands = append(b.stands, held(receipts[0]))
	b.final(uuid.New()) // its record is gone from the topics

	balance := b.audit(t, time.Time{})
	require.True(t, balance.Balanced)
	require.Equal(t, 3, balance.Receipts)
	require.Equal(t, 6, balance.Records)
	require.Equal(t, map[events.Outcome]int{events.Applied: 1}, balance.Final)
	require.Equal(t, map[events.Outcome]int{events.Parked: 1}, balance.Held)
	require.Equal(t, 1, balance.Duplicates)
}

// A STOP at a shared sender is one request and an event for every organisation
// that it concerns. It counts once, and the same whatever order they come in.
func TestAReceiptOfSeveralEventsCountsOnce(t *testing.T) {
	t.Parallel()
	stand := func(class history.Class, o events.Outcome) history.Standing {
		return history.Standing{Class: class, Outcome: o}
	}
	for _, c := range []struct {
		name   string
		stands []history.Standing
		want   events.Outcome
	}{
		{"every event is final", []history.Standing{stand(history.Final, events.Stale), stand(history.Final, events.Applied), stand(history.Final, events.Stale)}, events.Applied},
		{"one is held", []history.Standing{stand(history.Final, events.Applied), stand(history.HeldNow, events.Dead)}, events.Applied},
		{"a repeat of one and the first of another", []history.Standing{stand(history.Duplicate, ""), stand(history.Final, events.Applied)}, events.Applied},
	} {
		for range 2 {
			b := newBooks()
			receipt := b.receive(events.NewReceiptID(), noon)
			for _, s := range c.stands {
				s.Receipt = receipt
				b.stands = append(b.stands, s)
			}
			balance := b.audit(t, time.Time{})
			require.True(t, balance.Balanced, c.name)
			require.Equal(t, 1, balance.Receipts, c.name)
			require.Equal(t, map[events.Outcome]int{c.want: 1}, balance.Final, c.name)
			slices.Reverse(c.stands)
		}
	}
}

func TestALostReceiptIsMissingOnceItWasConsumed(t *testing.T) {
	t.Parallel()
	router := events.GroupRouter + " " + events.TopicRawTwilio
	workers := events.GroupWorkers + " " + events.TopicMessages
	for name, c := range map[string]struct {
		prepare  func(*books)
		missing  int
		inFlight int
	}{
		"consumed by all":     {func(*books) {}, 1, 0},
		"not yet routed":      {func(b *books) { b.committed[router] = 0 }, 0, 1},
		"never committed":     {func(b *books) { b.committed[router] = -1 }, 0, 1},
		"routed, not applied": {func(b *books) { b.records[events.TopicMessages] = make([]events.Record, 2); b.committed[workers] = 1 }, 0, 1},
		"released while we saw": {func(b *books) {
			b.released = []history.Standing{{Receipt: uuid.MustParse(lost), Class: history.Final, Outcome: events.Applied}}
		}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBooks()
			b.receive(lost, noon)
			c.prepare(b)
			balance := b.audit(t, time.Time{})
			require.Equal(t, c.missing, balance.Missing)
			require.Equal(t, c.inFlight, balance.InFlight)
			require.Equal(t, c.missing == 0, balance.Balanced)
			require.Len(t, balance.MissingAt, c.missing)
		})
	}
}

// receiptAt is a receipt that was given at a time.
func receiptAt(at time.Time) events.ReceiptID {
	u := uuid.New()
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli())<<16) //nolint:gosec // after 1970
	copy(u[:6], ms[:6])
	u[6] = u[6]&0x0f | 0x70
	return events.ReceiptID(u.String())
}

const lost = "01a2b3c4-0000-7000-8000-000000000001"

func TestAnAuditSinceATimeLooksFurtherBackForWhatSeemsMissing(t *testing.T) {
	t.Parallel()
	b := newBooks()
	old := b.receive(receiptAt(noon.Add(-time.Hour)), noon) // published again since, received before: not counted
	replayed := b.receive(receiptAt(noon), noon)
	b.final(old)
	b.final(replayed)
	b.settled[replayed] = noon.Add(-48 * time.Hour)
	balance := b.audit(t, noon)
	require.Equal(t, 1, balance.Receipts)
	require.True(t, balance.Balanced)
}

func TestACounterThatDiffersIsNoBalance(t *testing.T) {
	t.Parallel()
	b := newBooks()
	b.differs = []history.Difference{{CampaignID: "c", Status: "sent", Counter: 2, Recounted: 1}}
	require.False(t, b.audit(t, time.Time{}).Balanced)
}

func TestAGapIsNoBalance(t *testing.T) {
	t.Parallel()
	b := newBooks()
	b.final(b.receive(events.NewReceiptID(), noon))
	require.True(t, b.audit(t, time.Time{}).Balanced)
	b.gaps = []history.Gap{{What: "timeline entries without their row", Count: 1, Example: "twilio/AC/message.status/SM1"}}
	balance := b.audit(t, time.Time{})
	require.False(t, balance.Balanced)
	require.Equal(t, b.gaps, balance.Gaps)
}
