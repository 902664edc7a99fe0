package tenantmap

import (
	"maps"

	"waybill/internal/events"
)

// Making says whether an event may make a row that no send record announced.
type Making uint8

// When an event may make a row, the latest first.
const (
	Never  Making = iota // its row is made by something else, or by its global id
	Late                 // once it has waited for WAYBILL_ADOPT_AFTER: its send was made elsewhere; at once if there can be none
	AtOnce               // it is the first that anybody hears of it
)

// String returns the word that documentation and traces use.
func (m Making) String() string { return [...]string{"never", "late", "at once"}[m] }

// Policy is what the kind of an event says about finding its organisation.
type Policy struct {
	Makes Making
	// Enters: further events name the same id, so the one that makes the row
	// enters the id in the map. They follow it whatever else changes hands.
	Enters bool
}

// policies has a row for every kind that the router resolves. Kinds that are
// missing belong to nobody (Stripe), or come with their organisation (sends,
// consents).
var policies = map[events.Kind]Policy{
	events.KindMessageStatus: {Late, true},
	events.KindMessage:       {AtOnce, false},
	events.KindEmail:         {Late, true},
	events.KindCallInbound:   {AtOnce, true},
	events.KindCall:          {Late, true},
	events.KindDial:          {Late, true},
	events.KindRecording:     {Late, true},
	events.KindContact:       {AtOnce, true},
	events.KindContactRecord: {AtOnce, true},
}

// Policies returns the policy of every kind that has one.
func Policies() map[events.Kind]Policy { return maps.Clone(policies) }

// PolicyOf returns the policy of a kind; the zero value never makes a row.
func PolicyOf(k events.Kind) Policy { return policies[k] }
