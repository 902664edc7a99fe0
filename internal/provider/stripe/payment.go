package stripe

import (
	"cmp"
	"encoding/json"

	"waybill/internal/events"
)

// payments names the objects beside subscriptions whose status is read, as
// Stripe calls them and as we do.
var payments = map[string]string{
	"invoice":          events.ObjectInvoice,
	"charge":           events.ObjectCharge,
	"checkout.session": events.ObjectCheckout,
}

// payment reads what an event says of an invoice, a charge or a checkout
// session; nil if it is about something else, or says no status: invoices of
// versions before 2018 have none. That is no error, the payload is kept.
func payment(e *envelope, typ string) *events.ObjectChange {
	d := member[data](e.Data)
	o := member[object](d.Object)
	kind := payments[text(o.Object)]
	c := &events.ObjectChange{Kind: kind, ID: id(o.ID), Customer: idOrObject(o.Customer), Status: o.state(kind)}
	if typ == "invoice.deleted" { // the object says what it was
		c.Status = "deleted"
	}
	if kind == "" || c.ID == "" || !isStatus(c.Status) {
		return nil
	}
	previous := member[object](d.Previous)
	before := o.before(&previous)
	if was := before.state(kind); was != o.state(kind) && isStatus(was) {
		c.Previous = was
	}
	return c
}

// before returns the states of the object as they were, given the earlier values of what changed.
func (o *object) before(previous *object) object {
	or := func(was, is json.RawMessage) json.RawMessage {
		if was == nil {
			return is
		}
		return was
	}
	return object{
		Status: or(previous.Status, o.Status), PaymentStatus: or(previous.PaymentStatus, o.PaymentStatus),
		Refunded: or(previous.Refunded, o.Refunded), AmountRefunded: or(previous.AmountRefunded, o.AmountRefunded),
	}
}

// state returns the one status that several fields of the object make:
//
//	charge            its status; succeeded and given back: refunded, or in part partially_refunded
//	checkout session  open or expired; complete: paid, unpaid or no_payment_required
//	                  (sessions of versions before 2021 have the latter alone)
func (o *object) state(kind string) string {
	status := text(o.Status)
	switch {
	case kind == events.ObjectCheckout && (status == "complete" || status == ""):
		return cmp.Or(text(o.PaymentStatus), status)
	case kind == events.ObjectCharge && status == "succeeded" && string(o.Refunded) == "true":
		return "refunded"
	case kind == events.ObjectCharge && status == "succeeded" && some(o.AmountRefunded):
		return "partially_refunded"
	}
	return status
}

// some tells whether an amount, in the smallest unit of its currency, is there
// and not 0.
func some(amount json.RawMessage) bool {
	return len(amount) > 0 && amount[0] >= '1' && amount[0] <= '9'
}
