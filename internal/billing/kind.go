package billing

import (
	"slices"

	"waybill/internal/events"
)

// kind is what the merge must know of one kind of objects.
type kind struct {
	// life lists its statuses from the beginning to the end. It decides only
	// where the events themselves leave the status open.
	life []string
	// ends are the statuses that Stripe never changes again.
	ends []string
	// carriers are the types of events whose object is one of this kind.
	carriers []string
}

var kinds = map[string]kind{
	events.ObjectSubscription: {
		life: []string{"incomplete", "trialing", "active", "paused", "past_due", "unpaid", "incomplete_expired", "canceled"},
		ends: []string{"incomplete_expired", "canceled"},
		carriers: []string{
			"customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted",
			"customer.subscription.paused", "customer.subscription.resumed", "customer.subscription.trial_will_end",
			"customer.subscription.pending_update_applied", "customer.subscription.pending_update_expired",
		},
	},
	events.ObjectInvoice: { // one that is uncollectible may still be paid
		life: []string{"draft", "open", "uncollectible", "deleted", "void", "paid"},
		ends: []string{"deleted", "void", "paid"},
		carriers: []string{
			"invoice.created", "invoice.updated", "invoice.deleted", "invoice.finalized", "invoice.finalization_failed",
			"invoice.sent", "invoice.will_be_due", "invoice.overdue", "invoice.overpaid", "invoice.payment_action_required",
			"invoice.payment_failed", "invoice.payment_succeeded", "invoice.paid", "invoice.voided", "invoice.marked_uncollectible",
		},
	},
	events.ObjectCharge: { // a refund may fail, and then the charge is what it was
		life: []string{"pending", "succeeded", "partially_refunded", "refunded", "failed"},
		ends: []string{"failed"},
		carriers: []string{
			"charge.pending", "charge.succeeded", "charge.failed", "charge.captured", "charge.expired", "charge.updated", "charge.refunded",
		},
	},
	events.ObjectCheckout: { // one that is complete is named for its payment, which may follow
		life: []string{"open", "unpaid", "expired", "no_payment_required", "paid"},
		ends: []string{"expired", "no_payment_required", "paid"},
		carriers: []string{
			"checkout.session.completed", "checkout.session.expired",
			"checkout.session.async_payment_succeeded", "checkout.session.async_payment_failed",
		},
	},
}

// Handled tells whether events of that type are folded into an object of that
// kind. All others are ignored: their raw record is kept.
func Handled(kind, typ string) bool { return slices.Contains(kinds[kind].carriers, typ) }

// Ended tells whether a status is final: Stripe never changes it again.
func Ended(kind, status string) bool { return slices.Contains(kinds[kind].ends, status) }

// Statuses returns the statuses of a kind of objects from the beginning of its
// life to the end. The slice is the caller's own.
func Statuses(kind string) []string { return slices.Clone(kinds[kind].life) }

// Ends returns those of them that are final. The slice is the caller's own.
func Ends(kind string) []string { return slices.Clone(kinds[kind].ends) }
