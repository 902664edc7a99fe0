package simulate

// emailStep is one event of an e-mail's history: the type, of whom, and what it
// comes to. Whom holds places in the list of recipients; none = all of them.
type emailStep struct {
	EmailEvent

	whom []int
	says state
	fact string
}

// emailOutline is how an e-mail may go, and how often it goes so.
type emailOutline struct {
	weight, recipients int
	steps              []emailStep
}

// happened is an event without a code.
func happened(typ, status string, whom ...int) emailStep {
	return emailStep{EmailEvent: EmailEvent{Type: typ}, whom: whom, says: state{status: status}}
}

// counted is an event that tells a fact: it shows that the e-mail was sent.
func counted(typ, sub, fact string) emailStep {
	return emailStep{EmailEvent: EmailEvent{Type: typ, Sub: sub}, says: state{status: "sent"}, fact: fact}
}

// bounced: the code that counts is the mail server's, or else SES's word.
func bounced(sub, reason, code string, says state, whom ...int) emailStep {
	return emailStep{EmailEvent: EmailEvent{Type: "Bounce", Sub: sub, Reason: reason, Code: code}, whom: whom, says: says}
}

var (
	mailSent      = happened("Send", "sent")
	mailDelivered = happened("Delivery", "delivered")
	opened        = counted("Open", "", "opens")
	noSuchMailbox = state{"bounced_permanent", "5.1.1"}
)

func delayed(whom ...int) emailStep {
	return emailStep{EmailEvent: EmailEvent{Type: "DeliveryDelay", Sub: "MailboxFull", Code: "4.2.2"}, whom: whom, says: state{"delayed", "4.2.2"}}
}

// emailOutlines are what SES reports of e-mails, from
// https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html.
var emailOutlines = []emailOutline{
	{40, 1, []emailStep{mailSent, mailDelivered}},
	{10, 1, []emailStep{mailSent, mailDelivered, opened, opened, counted("Click", "", "clicks")}},
	{8, 2, []emailStep{mailSent, mailDelivered}},
	{8, 3, []emailStep{mailSent, happened("Delivery", "delivered", 0), delayed(1), happened("Delivery", "delivered", 1, 2)}},
	{6, 3, []emailStep{mailSent, happened("Delivery", "delivered", 0, 2), bounced("Permanent", "General", "5.1.1", noSuchMailbox, 1)}},
	{6, 1, []emailStep{mailSent, mailDelivered, bounced("Permanent", "General", "5.1.1", noSuchMailbox)}}, // after delivery
	{4, 2, []emailStep{ // two reports of one bounce, one of which says why
		mailSent, mailDelivered,
		bounced("Permanent", "General", "", state{"bounced_permanent", "general"}, 1), bounced("Permanent", "NoEmail", "5.1.1", noSuchMailbox, 1),
	}},
	{4, 2, []emailStep{mailSent, delayed(), bounced("Transient", "MailboxFull", "", state{"bounced_transient", "mailbox_full"}, 0), happened("Delivery", "delivered", 1)}},
	{3, 1, []emailStep{mailSent, delayed(), bounced("Undetermined", "Undetermined", "", state{"bounced_transient", "undetermined"}), mailDelivered}},
	{3, 1, []emailStep{mailSent, mailDelivered, counted("Complaint", "abuse", "complaints")}},
	{2, 1, []emailStep{mailSent, mailDelivered, counted("Complaint", "not-spam", "not_spam")}},
	{2, 1, []emailStep{mailSent, mailDelivered, opened, counted("Subscription", "", "unsubscribes")}},
	{2, 2, []emailStep{{EmailEvent: EmailEvent{Type: "Reject", Reason: "Bad content"}, says: state{"rejected", "bad_content"}}}},
	{2, 2, []emailStep{happened("Rendering Failure", "rendering_failed")}},
}
