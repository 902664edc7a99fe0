package email_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"pgregory.net/rapid"

	"waybill/internal/email"
	"waybill/internal/events"
	"waybill/internal/facts"
)

// what is all that is known of an e-mail's state: of the e-mail as a whole and of
// up to two recipients; the zero state = nothing.
type what struct{ own, ann, bob state }

// say returns events of which w follows.
func (w what) say() []*events.Message {
	var es []*events.Message
	if w.own != (state{}) {
		es = append(es, callback(0, w.own.Status, w.own.ErrorCode))
	}
	if w.ann != (state{}) {
		es = append(es, callback(0, w.ann.Status, w.ann.ErrorCode, ann))
	}
	if w.bob != (state{}) {
		es = append(es, callback(0, w.bob.Status, w.bob.ErrorCode, bob))
	}
	return es
}

func whatOf(m *email.Message) what {
	return what{m.Own, m.Recipients[ann].State, m.Recipients[bob].State}
}

// worst is the design's sentence, word for word: none final, the highest rank;
// else the worst of the final ones.
func (w what) worst() string {
	ranks := []string{"intended", "sent", "delayed", "bounced_transient", "delivered", "bounced_permanent", "rejected", "rendering_failed"}
	finals := []string{"delivered", "bounced_transient", "bounced_permanent", "rejected", "rendering_failed"}
	rank := func(s state) int { return slices.Index(ranks, s.Status) }
	var each []int // what each recipient came to: said of it, or of the e-mail
	for _, s := range []state{w.ann, w.bob} {
		if s != (state{}) {
			each = append(each, max(rank(s), rank(w.own)))
		}
	}
	if len(each) == 0 {
		return w.own.Status
	}
	end := -1
	for _, r := range each {
		end = max(end, slices.Index(finals, ranks[r]))
	}
	if end >= 0 {
		return finals[end]
	}
	return ranks[slices.Max(each)]
}

// TestProofMessageJoin checks the three laws of a join for every pair and triple
// of what may be known of an e-mail with up to two recipients, and that its
// status is the one that the design says. Merging is done by Fold: b's events
// are applied to a's row.
func TestProofMessageJoin(t *testing.T) {
	t.Parallel()
	owns := []state{
		{}, {"intended", ""}, {"sent", ""}, {"delivered", ""}, {"bounced_permanent", "5.2.1"}, {"rejected", "bad_content"}, {"rendering_failed", ""},
	}
	each := []state{
		{},
		{"intended", ""},
		{"sent", ""},
		{"delayed", "4.4.1"},
		{"bounced_transient", "4.2.2"},
		{"delivered", ""},
		{"bounced_permanent", "5.1.1"},
		{"bounced_permanent", ""},
	}
	var all []what
	index := map[what]int{}
	for _, own := range owns {
		for _, a := range each {
			for _, b := range each {
				if w := (what{own, a, b}); w != (what{}) {
					index[w] = len(all)
					all = append(all, w)
				}
			}
		}
	}
	rows := make([]email.Message, len(all))
	for i, w := range all {
		rows[i], _ = fold(w.say()...)
		require.Equal(t, w, whatOf(&rows[i]))
		require.Equal(t, w.worst(), rows[i].Status, "%+v", w)
	}
	n := len(all)
	join := make([]int, n*n)
	for a := range n {
		for b := range n {
			m := rows[a]
			for _, e := range all[b].say() {
				m, _ = email.Fold(m, true, e)
			}
			ab, known := index[whatOf(&m)]
			if !known || m.State != rows[ab].State || m.Reached != rows[a].Reached|rows[b].Reached {
				t.Fatalf("%+v with %+v gave %+v", all[a], all[b], m)
			}
			join[a*n+b] = ab
		}
	}
	triples := 0
	for a := range n {
		if join[a*n+a] != a {
			t.Fatalf("not idempotent: %+v", all[a])
		}
		for b := range n {
			ab := join[a*n+b]
			if ab != join[b*n+a] {
				t.Fatalf("not commutative: %+v, %+v", all[a], all[b])
			}
			for c := range n {
				if join[ab*n+c] != join[a*n+join[b*n+c]] {
					t.Fatalf("not associative: %+v, %+v, %+v", all[a], all[b], all[c])
				}
			}
			triples += n
		}
	}
	english := message.NewPrinter(language.English)
	t.Log(english.Sprintf("email: %d pairs, %d triples of e-mails with up to two recipients: all equal", n*n, triples))
}

// TestProofFoldOrder folds every ordered triple of events and compares its row
// with the row of the same three events in sorted order.
func TestProofFoldOrder(t *testing.T) {
	t.Parallel()
	var all []*events.Message
	for i, s := range email.Statuses() {
		d := time.Duration(i) * time.Second
		all = append(all, callback(d, s.Name, "5.1.1", ann), callback(2*d, s.Name, "", ann, bob), callback(d, s.Name, ""))
	}
	all = append(
		all, recorded(time.Minute, "accepted", ann), recorded(time.Minute, "intended", ""), recorded(0, "failed", bob),
		told(time.Second, facts.Opens), told(time.Minute, facts.Complaints, bob),
	)
	orders := 0
	n := len(all)
	for a := range n {
		for b := a; b < n; b++ {
			for c := b; c < n; c++ {
				want, _ := fold(all[a], all[b], all[c])
				want.Version = 0
				for _, p := range [][3]int{{a, b, c}, {a, c, b}, {b, a, c}, {b, c, a}, {c, a, b}, {c, b, a}} {
					got, _ := fold(all[p[0]], all[p[1]], all[p[2]])
					got.Version = 0
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("order %v: %s", p, diff)
					}
					orders++
				}
			}
		}
	}
	t.Log(message.NewPrinter(language.English).Sprintf("email: %d orders of three events of a row: all equal", orders))
}

// anyEvent draws an event that is not dead.
func anyEvent() *rapid.Generator[*events.Message] {
	at := rapid.Custom(func(t *rapid.T) time.Time {
		return noon.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "us")) * time.Microsecond)
	})
	code := rapid.SampledFrom([]string{"", "general", "5.1.1", "4.2.2"})
	address := rapid.SampledFrom([]string{ann, bob, "ANN@example.com", " "})
	return rapid.Custom(func(t *rapid.T) *events.Message {
		text := func(name string) string { return rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, name) }
		e := &events.Message{
			Org: org, Row: row, Channel: events.Email, Direction: events.Outbound,
			Status:     rapid.SampledFrom(email.Statuses()).Draw(t, "status").Name,
			Kind:       rapid.SampledFrom([]events.Kind{events.KindSend, events.KindEmail}).Draw(t, "kind"),
			Provider:   rapid.SampledFrom([]events.Provider{events.SES, events.Sender, events.Twilio}).Draw(t, "provider"),
			ErrorCode:  code.Draw(t, "code"),
			ProviderID: text("provider id"), MessageID: text("message id"), Account: text("account"), From: text("from"),
			To: rapid.OneOf(rapid.Just(""), address).Draw(t, "to"), CampaignID: text("campaign"), CustomerID: text("customer"),
			Recipients: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) events.Recipient {
				return events.Recipient{Address: address.Draw(t, "address"), ErrorCode: code.Draw(t, "own code")}
			}), 0, 2).Draw(t, "recipients"),
			Facts: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) facts.Fact {
				return facts.Fact{Name: rapid.SampledFrom([]string{facts.Opens, facts.Clicks}).Draw(t, "fact"), At: rapid.Ptr(at, true).Draw(t, "told")}
			}), 0, 2).Draw(t, "facts"),
			OccurredAt: rapid.Ptr(at, true).Draw(t, "occurred"), SentAt: rapid.Ptr(at, true).Draw(t, "sent"),
			ReceivedAt: at.Draw(t, "received"),
		}
		if len(e.Facts) > 0 && rapid.Bool().Draw(t, "facts alone") {
			e.Status = ""
		}
		return e
	})
}

// Any order and any repetition of the same events ends in the same row, and
// the versions on the way are the count of the transitions.
func TestAnyOrderAndRepetitionEndsInTheSameRow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		es := rapid.SliceOfN(anyEvent(), 1, 6).Draw(t, "events")
		other := slices.Clone(es)
		for _, e := range rapid.SliceOf(rapid.SampledFrom(es)).Draw(t, "repeated") {
			if len(e.Facts) == 0 { // the ledger counts a fact once
				other = append(other, e)
			}
		}
		other = rapid.Permutation(other).Draw(t, "order")

		want, _ := fold(es...)
		got, steps := fold(other...)
		require.Equal(t, steps[len(steps)-1].Version, got.Version)
		got.Version = want.Version
		require.Empty(t, cmp.Diff(want, got))
		requireTransitions(t, other, steps)
	})
}

// requireTransitions checks the steps against the rows between them.
func requireTransitions(t *rapid.T, es []*events.Message, steps []events.Step) {
	var before email.Message
	for i, e := range es {
		after, s := email.Fold(before, i > 0, e)
		require.Equal(t, steps[i], s)
		moved := i == 0 || after.State != before.State || !cmp.Equal(after.Recipients, before.Recipients)
		require.Equal(t, moved, s.Transition)
		version := before.Version
		if moved {
			version++
		}
		require.Equal(t, version, s.Version)
		require.Equal(t, email.State{Status: s.Status, ErrorCode: s.ErrorCode}, after.State)
		require.True(t, s.Outcome == events.Applied || !s.Transition)
		before = after
	}
}

// Changed is what tells the writer to write: it must be true exactly when the row differs.
func TestChangedTellsWhetherTheRowDiffers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		es := rapid.SliceOfN(anyEvent(), 1, 4).Draw(t, "events")
		before, _ := fold(es...)
		kept, _ := fold(es...)
		after, s := email.Fold(before, true, anyEvent().Draw(t, "event"))
		require.Equal(t, !cmp.Equal(before, after), s.Changed)
		require.Empty(t, cmp.Diff(kept, before), "the row that was given is not modified")
		if s.Outcome == events.Stale {
			kept.LastAt, kept.ReceivedAt, kept.Reached, kept.Own = after.LastAt, after.ReceivedAt, after.Reached, after.Own
			require.Empty(t, cmp.Diff(kept, after), "a stale event moves the clock, a bit and what is behind the status at most")
		}
	})
}

// The state follows from what was said of the e-mail and of each recipient, and
// from nothing else.
func TestTheStateIsAFunctionOfTheReports(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, _ := fold(rapid.SliceOfN(anyEvent(), 1, 6).Draw(t, "events")...)
		w := whatOf(&m)
		require.Equal(t, w.worst(), m.Status)
		again, _ := fold(rapid.Permutation(w.say()).Draw(t, "order")...)
		require.Equal(t, m.State, again.State)
	})
}
