package router_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
)

// In three countries WhatsApp writes a number otherwise than senders do: who
// wrote last, and whom a STOP concerns, must not hang on it.
func TestAPersonIsOneInEverySpelling(t *testing.T) {
	t.Parallel()
	g := newSharedRig(t)
	g.exec("UPDATE senders SET value = 'whatsapp:' || value, kind = 'whatsapp'")
	for i, c := range []struct{ recorded, calls string }{
		{"+525512345678", "whatsapp:+5215512345678"},
		{"+54 11 15 2345-6789", "whatsapp:+5491123456789"},
		{"whatsapp:+5541987654321", "whatsapp:+554187654321"},
	} {
		n := 10 * (i + 1)
		whatsApp := func(s *events.Send) { s.Channel = events.WhatsApp }
		g.wrote(g.orgA, n, c.recorded, time.Hour, whatsApp)
		g.wrote(g.orgB, n+1, c.calls, time.Minute, whatsApp)
		g.of(events.KindSend, 2)
		g.publish(said(n+2, "STOP", "From", c.calls, "To", "whatsapp:"+sharedNumber))
		for range 2 {
			switch m := next(g, g.messages); m.Kind {
			case events.KindMessage:
				require.Equal(t, g.orgB, m.Org)
				require.Equal(t, c.calls, m.From, "an address stays as it came")
			case events.KindConsent:
				require.Equal(t, g.orgA, m.Org)
			default:
				require.Fail(t, "what is this", m.Kind)
			}
		}
	}
}

// A number that was entered in one spelling is ours in the other.
func TestASenderIsOneInEverySpelling(t *testing.T) {
	t.Parallel()
	g := newSharedRig(t)
	g.exec("INSERT INTO senders (id, org_id, kind, value, slot, valid) VALUES (gen_random_uuid(), $1, 'whatsapp', 'whatsapp:+525512345678', int8range(NULL, NULL), tstzrange(NULL, NULL))", g.orgA)
	g.publish(said(1, "hello", "To", "whatsapp:+5215512345678"))
	m := next(g, g.messages)
	require.Equal(t, g.orgA, m.Org)
	require.Equal(t, "sender", m.ResolvedBy)
}
