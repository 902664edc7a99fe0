package app_test

import (
	"strconv"
	"testing"

	"waybill/internal/events"
	"waybill/internal/tenantmap"
)

// The page of how an event finds its organisation is what the tables in
// tenantmap say.
func TestDocsResolving(t *testing.T) {
	t.Parallel()
	p := newPage("Whose an event is")
	p.say("The router asks these in their order; the first that has something to say decides. What it finds the signer must have been entitled to, or the " +
		"event is quarantined. Two ids, or two senders, that name different organisations are a contradiction: quarantined, with what disagreed in `waybill held show`. " +
		"So are two ids of one organisation that name different rows, as `other_row`: no border is crossed, and no alarm is raised.")
	var rows [][]string
	for i, r := range tenantmap.Rules() {
		rows = append(rows, []string{strconv.Itoa(i + 1), r.Evidence, map[bool]string{true: "if it may make its row", false: "always"}[r.Makes]})
	}
	p.table("order | evidence | asked", rows...)
	p.say("What they hold goes where an operator said (`waybill held release ID --to ORG`), but no id leaves the organisation that it belongs to.")
	p.say("What decides nothing is parked under every key that could free it, and decided anew when one of them is recorded.")
	p.say("An event may make a row that no send record announced:")
	rows = nil
	for _, k := range events.Kinds() {
		policy, ok := tenantmap.Policies()[k]
		if !ok {
			continue
		}
		rows = append(rows, []string{code(string(k)), policy.Makes.String(), map[bool]string{true: "yes", false: "no"}[policy.Enters]})
	}
	p.table("kind | makes its row | enters its id in the map", rows...)
	p.say("*Late* means once it has waited for `WAYBILL_ADOPT_AFTER` (15 minutes): the message was sent by something that records no sends, and becomes a row with " +
		"`origin` external, without a campaign. A send record that comes even later keeps the row and fills it in. What belongs to nobody after " +
		"`WAYBILL_PARK_MAX_AGE` is dead with the reason `unclaimed`, and still released by a send record. " +
		"The status of a call that somebody made to us waits for nothing: no send record will come.")
	p.say("Kinds that are missing come with their organisation, or belong to none.")
	p.save(t, "resolving.md")
}
