package routertest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/bus"
	"waybill/internal/events"
	"waybill/internal/router"
)

// handle has the router take a batch, and holds what it does against the world.
// It returns whether the batch is done.
func (p *play) handle(topic string, batch []events.Record) bool {
	receipts := make([]events.ReceiptID, len(batch))
	for i := range batch {
		receipts[i] = events.ReceiptOf(&batch[i])
	}
	return p.judge(receipts, func() error {
		partition, err := p.any().Open(context.Background(), bus.Assignment{Topic: topic})
		require.NoError(p.t, err)
		return partition.Handle(context.Background(), batch)
	})
}

// releaseBy has a router process what is ready, and holds it against the world.
func (p *play) releaseBy(r *router.Router) (n int) {
	var requests, sends []events.ReceiptID
	for _, receipt := range p.b.Ready() {
		if p.events[receipt] != nil {
			requests = append(requests, receipt)
		} else {
			sends = append(sends, receipt)
		}
	}
	if len(sends) > 0 {
		p.log.failing = 0 // or it could not be told what was done before
	}
	p.judge(append(requests, sends...), func() (err error) {
		n, err = r.Release(context.Background())
		return err
	})
	return n
}

// judge has the router do something with what was told under some receipts, in
// their order, and compares what goes on with what may. It returns false if the
// broker failed.
func (p *play) judge(receipts []events.ReceiptID, do func() error) bool {
	before := len(p.log.records[events.TopicMessages])
	expected := make([][]verdict, len(receipts))
	for i, receipt := range receipts {
		if e := p.events[receipt]; e != nil {
			expected[i] = p.expect(e)
		} else {
			expected[i] = []verdict{p.world.record(p.sends[receipt])}
		}
	}
	if err := do(); err != nil {
		require.True(p.t, p.log.failed, "%v", err)
		p.told.Failures++
	}
	failed := p.log.failed
	p.log.failing, p.log.failed = 0, false

	// What goes on keeps its order.
	var went []events.Message
	for _, rec := range p.log.records[events.TopicMessages][before:] {
		m, err := events.DecodeMessage(&rec)
		require.NoError(p.t, err)
		went = append(went, m)
	}
	for i, receipt := range receipts {
		again := slices.Contains(receipts[i+1:], receipt)
		switch {
		case len(went) > 0 && went[0].Receipt == receipt && (!again || right(&went[0], expected[i])):
			p.check(&went[0], expected[i])
			went = went[1:]
		case !failed:
			require.NotEmpty(p.t, expected[i][0].held, "%s is neither passed on nor rightly held; it belongs to %v", p.describe(receipt), expected[i][0])
			p.told.Held++
		}
	}
	require.Empty(p.t, went, "something is passed on that nobody told")
	return !failed
}

// lag is for how long a router may go by an older version of accounts and senders.
const lag = 2 * time.Second

// expect says where an event may go now: first by what is true now, then by what
// was true a moment ago. What the event enters in the map is entered.
func (p *play) expect(e *event) []verdict {
	var all []verdict
	for _, b := range p.world.recent(p.now, lag) {
		all = append(all, p.world.judge(e, b, p.now))
	}
	slices.Reverse(all)
	if v := all[0]; v.held == "" && v.enters {
		p.world.owners[e.sid] = owner{v.org, v.row, p.enteredAt(e)}
		if v.by != "" {
			p.told.Adopted++
		}
	}
	return all
}

// enteredAt is as of when an event enters its SID: the time at which the message
// that it echoes was sent, else its own.
func (p *play) enteredAt(e *event) time.Time {
	if o, ok := p.world.owners[e.echo]; ok {
		return o.sentAt
	}
	return e.at
}

func right(m *events.Message, allowed []verdict) bool {
	return slices.ContainsFunc(allowed, func(v verdict) bool { return v.held == "" && v.org == m.Org && v.row == m.Row })
}

func (p *play) check(m *events.Message, allowed []verdict) {
	require.True(p.t, right(m, allowed), "%s goes to %s/%s by %s, which must be one of %+v", m.EventID, m.Org, m.Row, m.ResolvedBy, allowed)
	if _, again := p.ended[m.EventID]; !again {
		p.ended[m.EventID] = verdict{org: m.Org, row: m.Row, by: m.ResolvedBy}
	}
	if m.ResolvedBy == "conversation" {
		p.told.Answered++
	}
}

func (p *play) describe(r events.ReceiptID) string {
	if e := p.events[r]; e != nil {
		return string(e.id)
	}
	return string(p.sends[r].id)
}

// settle lets everything come to rest, and holds where each event ended against
// the world as it is then.
func (p *play) settle() {
	ctx := context.Background()
	for rest := 0; rest < 2; {
		r := p.any()
		for _, other := range p.routers {
			require.NoError(p.t, other.Confirm(ctx))
		}
		require.NoError(p.t, r.RetryDue(ctx))
		p.b.EndLeases()
		n := p.releaseBy(r)
		for _, topic := range []string{events.TopicSends, events.TopicRawTwilio} {
			for all := p.log.records[topic]; p.read[topic] < len(all); p.read[topic]++ {
				n++
				require.True(p.t, p.handle(topic, all[p.read[topic]:p.read[topic]+1]))
			}
		}
		if n == 0 {
			rest++
			p.now = p.now.Add(2 * lag)
		} else {
			rest = 0
		}
	}
	held := p.b.Held()
	for _, e := range p.events {
		p.checkEnd(e, held)
	}
	for _, s := range p.sends {
		if _, passed := p.ended[s.id]; !passed {
			require.NotEmpty(p.t, held[s.id], "the send %s is lost", s.id)
		}
	}
}

func (p *play) checkEnd(e *event, held map[events.EventID]string) {
	end, passed := p.ended[e.id]
	if !passed {
		v := p.world.judge(e, p.world.newest(), p.now)
		require.Equal(p.t, v.held, held[e.id], "%s: nothing else can be known of it", e.id)
		require.NotEmpty(p.t, v.held, "%s is lost", e.id)
		return
	}
	if end.by != "sender" {
		return
	}
	// Whoever held the number at the event's time, as of everything that is
	// known now, must have it, unless the number was entered behind it.
	for _, s := range p.world.newest().senders[e.number] {
		if e.number != p.numbers[3] && s.covers(e.at) && (!s.from.IsZero() || !s.to.IsZero()) {
			require.Equal(p.t, s.org, end.org, "%s is on the wrong side of a move", e.id)
			p.told.Moved++
		}
	}
}

// String says how much was played.
func (t *Told) String() string {
	return fmt.Sprintf("%d events, %d sends; %d times held, %d adopted, %d answers of shared numbers, %d on the right side of a move, %d by an operator's word; %d failures, %d deaths",
		t.Events, t.Sends, t.Held, t.Adopted, t.Answered, t.Moved, t.Decreed, t.Failures, t.Deaths)
}
