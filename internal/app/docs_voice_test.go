package app_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/billing"
	"waybill/internal/errorcode"
	"waybill/internal/events"
	"waybill/internal/voice"
)

// sayCalls adds what the page of statuses has of calls and recordings.
func sayCalls(t *testing.T, p *page) {
	t.Helper()
	p.say("## Calls")
	p.say("Twilio calls and Amazon Connect contacts; every leg of a call is a call of its own. The rank decides, as with messages, so a status that was " +
		"skipped is not waited for; Twilio's `SequenceNumber` orders the timeline alone. `accepted` and `sent` in a send record mean `queued` and " +
		"`initiated`. An event without a status (a recording, a fact) reports `queued`: the provider has the call, and nothing more is said.")
	p.say("A contact of Amazon Connect ends whether or not anybody answered it: the status is `no_answer` once `completed` was reported, and " +
		"`completed` once `in_progress` was reported, too, or a contact record told the fact `agent_connected`, in whichever order.")
	p.say("```mermaid\n%s```", voice.Diagram())
	var rows [][]string
	for _, s := range voice.Statuses() {
		rows = append(rows, []string{code(s.Name), strconv.Itoa(s.Rank), map[bool]string{true: "yes"}[s.Terminal], strconv.Itoa(s.Bit)})
	}
	p.table("status | rank | terminal | bit of `reported`", rows...)
	p.say("`reported` collects every status that was ever reported. A campaign's `reached` follows from it, by Amazon Connect's rule.")

	p.say("### Error codes of calls")
	p.say("The SIP response that ended the call (RFC 3261), or what Twilio answered instead of making it. Of two codes with one status the better one is " +
		"chosen as with messages.")
	byClass := map[string][]int{}
	for n := range 100_000 { // SIP's codes have three digits, Twilio's five
		class := voice.ErrorClass(strconv.Itoa(n))
		byClass[class] = append(byClass[class], n)
	}
	byClass[errorcode.Unknown] = nil // all the others
	rows = nil
	for _, m := range [][2]string{
		{errorcode.Unreachable, "nobody could be reached, perhaps only now: busy, switched off, out of range"},
		{errorcode.Blocked, "refused by the person called, or not permitted to us"},
		{errorcode.InvalidNumber, "no such number"},
		{errorcode.Carrier, "the network behind the provider failed"},
		{errorcode.Content, "this call cannot be made as it is"},
		{errorcode.Rate, "too much, too fast"},
		{errorcode.Unknown, "the code says nothing (400, 487), or nothing that we know: every other code"},
	} {
		rows = append(rows, []string{code(m[0]), m[1], codeRanges(byClass[m[0]])})
		delete(byClass, m[0])
	}
	require.Empty(t, byClass, "a class without a meaning on the page")
	p.table("class | meaning | codes", rows...)

	p.say("### Recordings")
	p.say("A recording is a row of its own beside its call, whose status it does not change: it may begin with the first ringing. The rank decides.")
	p.say("```mermaid\n%s```", voice.RecordingDiagram())
}

// sayStripe adds what the page of statuses has of Stripe.
func sayStripe(p *page) {
	p.say("## Stripe")
	p.say("Stripe promises no order, and its clock counts whole seconds. The merge of subscriptions, invoices, charges and checkout sessions, " +
		"which is a join:")
	p.say("1. What has ended stays ended, whatever comes. Of two ends the one of the newer second counts.\n" +
		"2. While it is open, what the newest second said counts. All of that second's events are kept, as a set.\n" +
		"3. The status is where that second ends: every event that changed the status is a step from its previous status to its own, and where " +
		"the steps enter once more than they leave is the end. So an `updated` that comes before its `created` is no trouble.\n" +
		"4. Where the steps leave it open (a ring, a step still missing, events that changed nothing), the status furthest along the list below " +
		"counts, of those that may be the end. One that Stripe invented since stands before them all.")
	var rows [][]string
	for _, kind := range []string{events.ObjectSubscription, events.ObjectInvoice, events.ObjectCharge, events.ObjectCheckout} {
		rows = append(rows, []string{code(kind), codes(billing.Statuses(kind)), codes(billing.Ends(kind))})
	}
	p.table("kind | statuses, from the beginning of its life | ends", rows...)
	p.say("A charge that was given back is `refunded` or `partially_refunded`; a checkout session that is complete is named for its payment. Of thin " +
		"events, which carry no object, and of all other types the payload is kept, and nothing is changed.")
	p.say("```mermaid\n%s```", billing.Diagram())
}

// codeRanges lists numbers, those that follow each other as one range.
func codeRanges(sorted []int) string {
	var out []string
	for i := 0; i < len(sorted); {
		j := i
		for j+1 < len(sorted) && sorted[j+1] == sorted[j]+1 {
			j++
		}
		if j-i < 2 {
			j = i
			out = append(out, strconv.Itoa(sorted[i]))
		} else {
			out = append(out, fmt.Sprintf("%d-%d", sorted[i], sorted[j]))
		}
		i = j + 1
	}
	return strings.Join(out, ", ")
}
