package tenantmap

import (
	"slices"

	"waybill/internal/events"
)

// NotAssignable returns why an operator cannot say whose a held event is, ""
// if they can: it must be a callback, which somebody's messages or calls are
// about, and be held because nobody knew or agreed whose.
func NotAssignable(p events.Provider, state events.Outcome, reason string) string {
	switch {
	case p == events.Sender:
		return "is a send record, which names its organisation itself"
	case p == events.Stripe:
		return "is Stripe's, which belongs to no organisation"
	case reason == ReasonRecordLost, reason == ReasonRecordDamaged:
		return "cannot be processed any more (" + reason + ")"
	case state == events.Quarantined && !slices.Contains([]string{ReasonNotEntitled, ReasonContradiction, ReasonOtherRow}, reason):
		return "speaks for somebody other than its signer (" + reason + "), whoever it belongs to"
	case state == events.Dead && reason != ReasonUnclaimed:
		return "is dead because it cannot be processed (" + reason + "), whoever it belongs to"
	}
	return ""
}
