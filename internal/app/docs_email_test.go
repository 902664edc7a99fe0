package app_test

import (
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"

	"waybill/internal/email"
	"waybill/internal/errorcode"
)

// sayEmails adds the statuses of e-mails to the page of statuses.
func sayEmails(t require.TestingT, p *page) {
	p.say("## E-mail")
	p.say("Amazon SES promises no order, so the rank decides: of two reports of one recipient the one of the higher rank is the better, whichever came " +
		"first. A permanent bounce is above `delivered`, because a mail server may accept an e-mail and return it afterwards; a transient one is below, because " +
		"SES reports out-of-office replies as such. What is said of no recipient is said of all; `rejected` and `rendering_failed` always are, and end the e-mail.")
	p.say("The e-mail's status is the worst of what its recipients came to, which is the greatest severity: while nothing is terminal the " +
		"furthest, else the worst of what is. So an e-mail may be `delivered` while one of its recipients is open, and become `bounced_permanent` " +
		"when that one bounces. A recipient's status is the best report that named it.")
	p.say("```mermaid\n%s```", email.Diagram())
	var rows [][]string
	for _, s := range email.Statuses() {
		rows = append(rows, []string{
			code(s.Name), strconv.Itoa(s.Rank), strconv.Itoa(s.Severity), yes(s.Whole), yes(s.Terminal), strconv.Itoa(s.Bit),
		})
	}
	p.table("status | rank | severity | of the whole e-mail only | terminal | bit of `reached`", rows...)
	p.say("`reached` collects every status that was ever reported of the e-mail or of any of its recipients, also one that came too late to change a " +
		"status: an e-mail with one recipient who got it and one who did not counts as `delivered` and as `bounced_permanent`. Opens, clicks, complaints " +
		"and unsubscribes are facts beside the status, with a count and the first and last time; they prove that the e-mail was `sent`, and no more. " +
		"A new version is due when the e-mail's status or error code changes, a recipient's does, or a recipient is added.")

	p.say("### Error codes of e-mail")
	p.say("An enhanced status code of the mail server (RFC 3463; `x` is 4 or 5, `*` what has no row of its own) or SES's own word. A code is kept as given. Of two " +
		"codes with one status a code that says something is better than one that does not, then the smaller text; a better status clears the code of a worse one. " +
		"The e-mail's code is the best of those that came with its status.")
	meanings := [][2]string{
		{errorcode.Unreachable, "the mailbox or the host before it, perhaps only now"},
		{errorcode.Blocked, "filtered, suppressed, or not permitted to us"},
		{errorcode.OptedOut, "the person unsubscribed"},
		{errorcode.InvalidAddress, "no such mailbox or domain"},
		{errorcode.Carrier, "a mail system on the way failed"},
		{errorcode.Content, "this e-mail cannot be sent as it is"},
		{errorcode.Rate, "too much, too fast"},
		{errorcode.Unknown, "the code says nothing, or nothing that we know: every other code"},
	}
	byClass := map[string][]string{}
	for _, c := range email.Codes() {
		byClass[c.Class] = append(byClass[c.Class], code(c.Code)+" "+c.Meaning)
	}
	rows = nil
	for _, m := range meanings {
		rows = append(rows, []string{code(m[0]), m[1], strings.Join(byClass[m[0]], "; ")})
		delete(byClass, m[0])
	}
	require.Empty(t, byClass, "a class without a meaning on the page")
	p.table("class | meaning | codes", rows...)
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return ""
}
