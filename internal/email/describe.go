package email

import (
	"slices"
	"time"

	"waybill/internal/events"
)

// describe merges into m what e says about the e-mail beside its state, and
// reports whether that was news. Each field has a join of its own.
func describe(m *Message, e *events.Message) bool {
	news := []bool{
		smallest(&m.Provider, providerOf(e)),
		smallest(&m.ProviderID, e.ProviderID),
		smallest(&m.Account, e.Account),
		smallest(&m.From, e.From),
		strongest(&m.Origin, originOf(e)),
		latest(&m.OccurredAt, e.OccurredAt),
	}
	if e.Kind == events.KindSend { // a callback may only echo these
		news = append(news,
			smallest(&m.MessageID, e.MessageID),
			smallest(&m.CampaignID, e.CampaignID),
			smallest(&m.CustomerID, e.CustomerID),
			earliest(&m.SentAt, e.SentAt),
		)
	}
	return slices.Contains(news, true)
}

// clock merges the times of our own receiving and reports whether one moved.
func clock(m *Message, e *events.Message) bool {
	at := events.Millis(e.ReceivedAt)
	moved := false
	if m.ReceivedAt.IsZero() || at.Before(m.ReceivedAt) {
		m.ReceivedAt, moved = at, true
	}
	if m.LastAt.IsZero() || at.After(m.LastAt) {
		m.LastAt, moved = at, true
	}
	return moved
}

// providerOf returns who carries the e-mail. The sender of a send record is
// not a carrier, and its name would win over "ses".
func providerOf(e *events.Message) events.Provider {
	if e.Provider == events.Sender {
		return ""
	}
	return e.Provider
}

func smallest[S ~string](dst *S, v S) bool {
	if v == "" || (*dst != "" && *dst <= v) {
		return false
	}
	*dst = v
	return true
}

func strongest(dst *string, origin string) bool {
	if originRank(origin) <= originRank(*dst) {
		return false
	}
	*dst = origin
	return true
}

func earliest(dst **time.Time, v *time.Time) bool {
	return move(dst, v, func(old, t time.Time) bool { return t.Before(old) })
}

func latest(dst **time.Time, v *time.Time) bool {
	return move(dst, v, func(old, t time.Time) bool { return t.After(old) })
}

// move compares at the precision that is stored, so that a row that was
// written and read again still equals its event.
func move(dst **time.Time, v *time.Time, better func(old, t time.Time) bool) bool {
	if v == nil {
		return false
	}
	t := events.Millis(*v)
	if *dst != nil && !better(**dst, t) {
		return false
	}
	*dst = &t
	return true
}
