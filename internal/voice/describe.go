package voice

import (
	"cmp"
	"slices"
	"time"

	"waybill/internal/events"
)

// describe merges into c what e says about the call beside its state, and
// reports whether that was news. Each field has a join of its own.
func describe(c *Call, e *events.Call) bool {
	news := []bool{
		smallest(&c.Provider, providerOf(e)),
		smallest(&c.ProviderID, e.ProviderID),
		smallest(&c.ParentID, e.ParentID),
		smallest(&c.Account, e.Account),
		// A recording does not say the direction. Outbound is the greater text,
		// so that any other event corrects the assumption.
		smallest(&c.Direction, cmp.Or(e.Direction, events.Outbound)),
		smallest(&c.From, e.From),
		smallest(&c.To, e.To),
		strongest(&c.Origin, originOf(e)),
		latest(&c.OccurredAt, millis(e.OccurredAt)),
	}
	if e.Kind == events.KindSend { // a callback may only echo these
		news = append(news,
			smallest(&c.MessageID, e.MessageID),
			smallest(&c.CampaignID, e.CampaignID),
			smallest(&c.CustomerID, e.CustomerID),
			earliest(&c.SentAt, millis(e.SentAt)),
		)
	}
	return slices.Contains(news, true)
}

// providerOf returns who carries the call. The sender of a send record is not a
// carrier.
func providerOf(e *events.Call) events.Provider {
	if e.Provider == events.Sender {
		return ""
	}
	return e.Provider
}

// clock merges a time of our own receiving into the first and the last one and
// reports whether one moved.
func clock(first, last *time.Time, at time.Time) bool {
	moved := false
	if first.IsZero() || at.Before(*first) {
		*first, moved = at, true
	}
	if last.IsZero() || at.After(*last) {
		*last, moved = at, true
	}
	return moved
}

func smallest[S ~string](dst *S, v S) bool {
	if v == "" || (*dst != "" && *dst <= v) {
		return false
	}
	*dst = v
	return true
}

func greatest[N int | int64](dst *N, v N) bool {
	if v <= *dst {
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
	if v == nil || (*dst != nil && !v.Before(**dst)) {
		return false
	}
	*dst = v
	return true
}

func latest(dst **time.Time, v *time.Time) bool {
	if v == nil || (*dst != nil && !v.After(**dst)) {
		return false
	}
	*dst = v
	return true
}

// millis returns the time at the precision that is stored, so that a row that
// was written and read again still equals its event.
func millis(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(events.Millis(*t))
}
