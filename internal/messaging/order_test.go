package messaging_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"pgregory.net/rapid"

	"waybill/internal/events"
	"waybill/internal/messaging"
)

// TestProofFoldOrder folds every ordered triple of events and compares its row
// with the row of the same three events in sorted order.
func TestProofFoldOrder(t *testing.T) {
	t.Parallel()
	var all []*events.Message
	for i, s := range messaging.Statuses() {
		d := time.Duration(i) * time.Second
		all = append(all, callback(d, s.Name, ""), callback(2*d, s.Name, "30003"))
	}
	all = append(all, sent(time.Minute, "accepted"), callback(0, "undelivered", "30008"))
	triples := 0
	n := len(all)
	for a := range n {
		for b := a; b < n; b++ {
			for c := b; c < n; c++ {
				want, _ := fold(all[a], all[b], all[c])
				want.Version = 0
				for _, p := range [][3]int{{a, b, c}, {a, c, b}, {b, a, c}, {b, c, a}, {c, a, b}, {c, b, a}} {
					got, _ := fold(all[p[0]], all[p[1]], all[p[2]])
					got.Version = 0
					if !equal(want, got) {
						t.Fatalf("order %v: %s", p, cmp.Diff(want, got))
					}
					triples++
				}
			}
		}
	}
	t.Log(message.NewPrinter(language.English).Sprintf("messaging: %d orders of three events of a row: all equal", triples))
}

// equal is cmp.Equal for rows without media, fast enough for a proof.
func equal(a, b messaging.Message) bool {
	same := len(a.Media)+len(b.Media) == 0 &&
		a.ReceivedAt.Equal(b.ReceivedAt) && a.LastAt.Equal(b.LastAt) &&
		(a.SentAt == nil) == (b.SentAt == nil) && (a.SentAt == nil || a.SentAt.Equal(*b.SentAt)) &&
		a.OccurredAt == nil && b.OccurredAt == nil
	return same && a.State == b.State && a.Reached == b.Reached && a.Origin == b.Origin && a.Version == b.Version &&
		a.ProviderID == b.ProviderID && a.MessageID == b.MessageID && a.CampaignID == b.CampaignID
}

func anyEvent() *rapid.Generator[*events.Message] {
	status := rapid.SampledFrom(messaging.Statuses())
	at := rapid.Custom(func(t *rapid.T) time.Time {
		return noon.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "us")) * time.Microsecond)
	})
	return rapid.Custom(func(t *rapid.T) *events.Message {
		text := func(name string) string { return rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, name) }
		return &events.Message{
			Org: org, Row: row, Status: status.Draw(t, "status").Name,
			Kind:       rapid.SampledFrom([]events.Kind{events.KindSend, events.KindMessageStatus, events.KindMessage}).Draw(t, "kind"),
			Provider:   rapid.SampledFrom([]events.Provider{events.Twilio, events.Sender, events.SES}).Draw(t, "provider"),
			Channel:    rapid.SampledFrom([]events.Channel{events.SMS, events.WhatsApp}).Draw(t, "channel"),
			Direction:  rapid.SampledFrom([]events.Direction{events.Inbound, events.Outbound}).Draw(t, "direction"),
			ErrorCode:  rapid.SampledFrom([]string{"", "30008", "30003", "x"}).Draw(t, "code"),
			ProviderID: text("provider id"), MessageID: text("message id"), Account: text("account"), From: text("from"),
			To: text("to"), Service: text("service"), Body: text("body"), CampaignID: text("campaign"), CustomerID: text("customer"),
			Media:      rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "b"}), 0, 2).Draw(t, "media"),
			OccurredAt: rapid.Ptr(at, true).Draw(t, "occurred"), SentAt: rapid.Ptr(at, true).Draw(t, "sent"),
			ReceivedAt: at.Draw(t, "received"),
		}
	})
}

// Any order and any repetition of the same events ends in the same row, and
// the versions on the way are the count of the transitions.
func TestAnyOrderAndRepetitionEndsInTheSameRow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		es := rapid.SliceOfN(anyEvent(), 1, 6).Draw(t, "events")
		again := rapid.SliceOf(rapid.SampledFrom(es)).Draw(t, "repeated")
		other := rapid.Permutation(append(append([]*events.Message{}, es...), again...)).Draw(t, "order")

		want, _ := fold(es...)
		got, steps := fold(other...)
		require.Equal(t, steps[len(steps)-1].Version, got.Version)
		got.Version = want.Version
		require.Empty(t, cmp.Diff(want, got))

		var version int64
		state := messaging.State{}
		for i, s := range steps {
			require.Equal(t, i == 0 || stateOf(s) != state, s.Transition)
			if s.Transition {
				version++
			}
			require.Equal(t, version, s.Version)
			require.True(t, s.Outcome == events.Applied || !s.Transition)
			state = stateOf(s)
		}
	})
}

// Changed is what tells the writer to write: it must be true exactly when the row differs.
func TestChangedTellsWhetherTheRowDiffers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, _ := fold(rapid.SliceOfN(anyEvent(), 1, 4).Draw(t, "events")...)
		kept := before
		after, s := messaging.Fold(before, true, anyEvent().Draw(t, "event"))
		require.Equal(t, !cmp.Equal(before, after), s.Changed)
		require.Empty(t, cmp.Diff(kept, before), "the row that was given is not modified")
		if s.Outcome == events.Stale {
			kept.LastAt, kept.ReceivedAt, kept.Reached = after.LastAt, after.ReceivedAt, after.Reached
			require.Empty(t, cmp.Diff(kept, after), "a stale event moves the clock and adds a bit at most")
		}
	})
}

func stateOf(s events.Step) messaging.State {
	return messaging.State{Status: s.Status, ErrorCode: s.ErrorCode}
}
