package voice_test

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"pgregory.net/rapid"

	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/voice"
)

// same compares rows whose events are all alike but for status, code, fact and
// recording, fast enough for a proof. Versions and counts of facts are aside.
func same(a, b *voice.Call) bool {
	return a.State == b.State && a.Reported == b.Reported && voice.Reached(a) == voice.Reached(b) && a.Provider == b.Provider &&
		a.Direction == b.Direction && a.Origin == b.Origin && a.MessageID == b.MessageID && a.CampaignID == b.CampaignID &&
		a.ReceivedAt.Equal(b.ReceivedAt) && a.LastAt.Equal(b.LastAt) &&
		maps.EqualFunc(a.Facts, b.Facts, func(x, y facts.Merged) bool { return x.Value == y.Value }) &&
		maps.EqualFunc(a.Recordings, b.Recordings, sameRecording)
}

// TestProofFoldOrder folds every ordered triple of events, of Twilio and of
// Connect, and compares its row with the row of the same three events in sorted
// order.
func TestProofFoldOrder(t *testing.T) {
	t.Parallel()
	triples := 0
	for _, by := range []events.Provider{events.Twilio, events.Connect} {
		var all []*events.Call
		for i, s := range voice.Statuses() {
			d := time.Duration(i) * time.Second
			all = append(all, callback(d, s.Name, ""), callback(2*d, s.Name, "486"))
		}
		all = append(all, sent(time.Minute, "accepted"), sent(0, "intended"), callback(0, "completed", "487"),
			recording(0, "in_progress"), recording(time.Hour, "completed"), contact(0, "", connected(0)))
		for _, e := range all {
			e.Provider = by
		}
		for a := range all {
			for b := a; b < len(all); b++ {
				for c := b; c < len(all); c++ {
					want, _ := fold(all[a], all[b], all[c])
					for _, p := range [][3]int{{a, b, c}, {a, c, b}, {b, a, c}, {b, c, a}, {c, a, b}, {c, b, a}} {
						got, _ := fold(all[p[0]], all[p[1]], all[p[2]])
						if !same(&want, &got) {
							t.Fatalf("order %v: %s", p, cmp.Diff(want, got))
						}
						triples++
					}
				}
			}
		}
	}
	t.Log(message.NewPrinter(language.English).Sprintf("voice: %d orders of three events of a row: all equal", triples))
}

// TestProofConnectReports checks the laws of a join for sets of reports of a
// contact. A set is a row, and joining another to it is folding that one's
// reports into it; the state and the bits of every set are those that the rule
// gives when it is read out over the whole set.
func TestProofConnectReports(t *testing.T) {
	t.Parallel()
	withCode := func(status, code string) *events.Call {
		e := contact(0, status)
		e.ErrorCode = code
		return e
	}
	reports := []*events.Call{
		contact(0, "ringing"), contact(0, "in_progress"), contact(0, "", connected(0)), withCode("busy", "486"),
		withCode("no_answer", "404"), contact(0, "completed"), withCode("completed", "480"),
	}
	type set = uint
	n := set(1) << len(reports)
	add := func(c voice.Call, exists bool, s set) voice.Call {
		for i, e := range reports {
			if s>>i&1 == 1 {
				c, _ = voice.Fold(c, exists, e)
				exists = true
			}
		}
		return c
	}
	rows := make([]voice.Call, n)
	for s := range n {
		rows[s] = add(voice.Call{}, false, s)
		if s != 0 {
			wantState, wantBits := readOut(reports, s)
			require.Equal(t, wantState, rows[s].State, "%b", s)
			require.Equal(t, wantBits, voice.Reached(&rows[s]), "%b", s)
		}
	}
	pairs, triples := 0, 0
	for a := set(1); a < n; a++ {
		for b := set(1); b < n; b++ {
			ab := add(rows[a], true, b)
			if !same(&ab, &rows[a|b]) {
				t.Fatalf("%b and %b: %s", a, b, cmp.Diff(rows[a|b], ab))
			}
			pairs++
			for c := set(1); c < n; c++ {
				if abc := add(ab, true, c); !same(&abc, &rows[a|b|c]) {
					t.Fatalf("%b, %b and %b: %s", a, b, c, cmp.Diff(rows[a|b|c], abc))
				}
				triples++
			}
		}
	}
	t.Log(message.NewPrinter(language.English).Sprintf("voice: %d pairs, %d triples of sets of a contact's reports: all equal", pairs, triples))
}

// readOut says in the plainest way what a set of reports of a contact comes to.
func readOut(reports []*events.Call, s uint) (state, uint64) {
	best, reached, answered, ended := state{}, uint64(0), false, false
	for i, e := range reports {
		if s>>i&1 == 0 {
			continue
		}
		status := e.Status
		if status == "" {
			status = "queued"
		}
		best = voice.Join(best, state{status, e.ErrorCode})
		reached |= bits(status)
		answered = answered || status == "in_progress" || len(e.Facts) > 0
		ended = ended || status == "completed"
	}
	if answered {
		reached |= bits("in_progress")
		return voice.Join(best, state{"in_progress", ""}), reached
	}
	if ended {
		return state{"no_answer", best.ErrorCode}, reached&^bits("completed") | bits("no_answer")
	}
	return best, reached
}

func anyEvent() *rapid.Generator[*events.Call] {
	at := rapid.Custom(func(t *rapid.T) time.Time {
		return noon.Add(time.Duration(rapid.IntRange(0, 5000).Draw(t, "us")) * time.Microsecond)
	})
	fact := rapid.Custom(func(t *rapid.T) facts.Fact {
		return facts.Fact{
			Name:  rapid.SampledFrom([]string{voice.AgentConnected, facts.Duration}).Draw(t, "name"),
			Value: rapid.SampledFrom([]string{"", "9", "10"}).Draw(t, "value"), At: rapid.Ptr(at, true).Draw(t, "at"),
		}
	})
	kinds := []events.Kind{events.KindSend, events.KindCall, events.KindRecording, events.KindContact, events.KindContactRecord}
	return rapid.Custom(func(t *rapid.T) *events.Call {
		text := func(name string) string { return rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, name) }
		e := &events.Call{
			Org: org, Row: row, Kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
			Provider:   rapid.SampledFrom([]events.Provider{events.Twilio, events.Connect, events.Sender}).Draw(t, "provider"),
			Direction:  rapid.SampledFrom([]events.Direction{"", events.Inbound, events.Outbound}).Draw(t, "direction"),
			Status:     rapid.SampledFrom(voice.Statuses()).Draw(t, "status").Name,
			ErrorCode:  rapid.SampledFrom([]string{"", "487", "486", "x"}).Draw(t, "code"),
			ProviderID: text("provider id"), MessageID: text("message id"), ParentID: text("parent id"), Account: text("account"),
			From: text("from"), To: text("to"), CampaignID: text("campaign"), CustomerID: text("customer"),
			Facts:      rapid.SliceOfN(fact, 0, 2).Draw(t, "facts"),
			OccurredAt: rapid.Ptr(at, true).Draw(t, "occurred"), SentAt: rapid.Ptr(at, true).Draw(t, "sent"),
			ReceivedAt: at.Draw(t, "received"),
		}
		if rapid.Bool().Draw(t, "recording") {
			e.Recording = &events.Recording{
				ProviderID: rapid.SampledFrom([]string{"RE1", "RE2"}).Draw(t, "recording id"),
				Status:     rapid.SampledFrom(voice.RecordingStatuses()).Draw(t, "recording status"), ErrorCode: text("recording code"),
				Duration: rapid.Int64Range(0, 2).Draw(t, "duration"), Channels: rapid.IntRange(0, 2).Draw(t, "channels"),
				Source: text("source"), Track: text("track"), Location: text("location"), StartedAt: rapid.Ptr(at, true).Draw(t, "started"),
			}
		}
		if (e.Recording != nil || len(e.Facts) > 0) && rapid.Bool().Draw(t, "no status") {
			e.Status = ""
		}
		return e
	})
}

// uncounted leaves out what the event ledger, not the merge, keeps from
// counting twice.
func uncounted(c voice.Call) voice.Call {
	c.Facts = maps.Clone(c.Facts)
	for name, f := range c.Facts {
		f.Count = 0
		c.Facts[name] = f
	}
	return c
}

// Any order and any repetition of the same events ends in the same row, and
// the versions on the way are the count of the transitions.
func TestAnyOrderAndRepetitionEndsInTheSameRow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		es := rapid.SliceOfN(anyEvent(), 1, 6).Draw(t, "events")
		again := rapid.SliceOf(rapid.SampledFrom(es)).Draw(t, "repeated")
		other := rapid.Permutation(append(append([]*events.Call{}, es...), again...)).Draw(t, "order")

		want, _ := fold(es...)
		got, steps := fold(other...)
		require.Equal(t, steps[len(steps)-1].Version, got.Version)
		got.Version = want.Version
		require.Empty(t, cmp.Diff(uncounted(want), uncounted(got)))
		once, _ := fold(rapid.Permutation(es).Draw(t, "once")...)
		require.Equal(t, want.Facts, once.Facts, "without repetition the counts agree, too")

		var version int64
		state := voice.State{}
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

// A call never goes back: whatever comes, the rank of its status only grows.
func TestACallNeverGoesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		by := rapid.SampledFrom([]events.Provider{events.Twilio, events.Connect}).Draw(t, "provider")
		es := rapid.SliceOfN(anyEvent(), 1, 8).Draw(t, "events")
		before := -1
		for _, e := range es {
			e.Provider = by
		}
		_, steps := fold(es...)
		for _, s := range steps {
			now, ok := voice.Lookup(s.Status)
			require.True(t, ok)
			require.GreaterOrEqual(t, now.Rank, before)
			before = now.Rank
		}
	})
}

// Changed is what tells the writer to write: it must be true exactly when the row differs.
func TestChangedTellsWhetherTheRowDiffers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, _ := fold(rapid.SliceOfN(anyEvent(), 1, 4).Draw(t, "events")...)
		kept := before
		kept.Facts, kept.Recordings = maps.Clone(before.Facts), maps.Clone(before.Recordings)
		after, s := voice.Fold(before, true, anyEvent().Draw(t, "event"))
		require.Equal(t, !cmp.Equal(before, after), s.Changed)
		require.Empty(t, cmp.Diff(kept, before), "the row that was given is not modified")
		require.Equal(t, after.Status, highestOf(voice.Reached(&after)), "the status is the highest that counts")
		if s.Outcome == events.Stale {
			kept.LastAt, kept.ReceivedAt, kept.Reported = after.LastAt, after.ReceivedAt, after.Reported
			for id, r := range after.Recordings {
				k := kept.Recordings[id]
				k.ReceivedAt, k.LastAt = r.ReceivedAt, r.LastAt
				kept.Recordings[id] = k
			}
			require.Empty(t, cmp.Diff(kept, after), "a stale event moves the clocks and adds a bit at most")
		}
	})
}

func highestOf(reached uint64) string {
	name := ""
	for _, s := range voice.Statuses() {
		if reached>>s.Bit&1 == 1 {
			name = s.Name
		}
	}
	return name
}

func stateOf(s events.Step) voice.State {
	return voice.State{Status: s.Status, ErrorCode: s.ErrorCode}
}
