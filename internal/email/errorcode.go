package email

import (
	"cmp"
	"slices"
	"strings"

	"waybill/internal/errorcode"
)

// Code is one row of the table of error codes.
type Code struct {
	Code    string // "x.1.1" stands for 4.1.1 and 5.1.1, "x.7.*" for what has no row of its own
	Class   string
	Meaning string
}

// codes lists the codes that say something. The enhanced status codes are those
// of IANA's registry (RFC 3463, 5248, 7293, 7505); a mail server that returned the
// e-mail chose one. The words are Amazon SES's, in lower snake case: sub-types of
// a bounce, types of a delay, the reason of a reject; SES tells them where it
// has no code. Left out on purpose is what says only that something
// went wrong: every x.y.0 that names no party, general, undetermined, and x.5,
// by which servers mean anything.
var codes = []Code{
	{"x.1.1", errorcode.InvalidAddress, "no such mailbox"},
	{"x.1.2", errorcode.InvalidAddress, "no such mail system"},
	{"x.1.3", errorcode.InvalidAddress, "address cannot be read"},
	{"x.1.4", errorcode.InvalidAddress, "address is ambiguous"},
	{"x.1.6", errorcode.InvalidAddress, "mailbox has moved"},
	{"x.1.7", errorcode.Content, "sender's address cannot be read"},
	{"x.1.8", errorcode.Content, "sender's mail system does not exist"},
	{"x.1.10", errorcode.InvalidAddress, "domain takes no e-mail"},
	{"x.2.1", errorcode.Unreachable, "mailbox disabled"},
	{"x.2.2", errorcode.Unreachable, "mailbox full"},
	{"x.2.3", errorcode.Content, "larger than the mailbox takes"},
	{"x.2.4", errorcode.Carrier, "mailing list cannot be expanded"},
	{"x.3.0", errorcode.Carrier, "mail system failed"},
	{"x.3.1", errorcode.Carrier, "mail system full"},
	{"x.3.2", errorcode.Carrier, "mail system takes no messages now"},
	{"x.3.3", errorcode.Content, "mail system lacks a feature that this e-mail needs"},
	{"x.3.4", errorcode.Content, "larger than the mail system takes"},
	{"x.3.5", errorcode.Carrier, "mail system configured wrongly"},
	{"x.4.1", errorcode.Unreachable, "no answer from the host"},
	{"x.4.2", errorcode.Unreachable, "connection broke"},
	{"x.4.3", errorcode.Carrier, "directory server failed"},
	{"x.4.4", errorcode.Unreachable, "no route"},
	{"x.4.5", errorcode.Rate, "mail system congested"},
	{"x.4.6", errorcode.Carrier, "routing loop"},
	{"x.4.7", errorcode.Unreachable, "time for delivery over"},
	{"x.6.*", errorcode.Content, "content or its form not accepted"},
	{"x.7.17", errorcode.InvalidAddress, "mailbox has another owner now"},
	{"x.7.18", errorcode.InvalidAddress, "domain has another owner now"},
	{"x.7.28", errorcode.Rate, "flood of messages"},
	{"x.7.*", errorcode.Blocked, "security or policy"},

	{"no_email", errorcode.InvalidAddress, "bounce: no such mailbox"},
	{"suppressed", errorcode.Blocked, "bounce: on the list of SES, bounced lately"},
	{"on_account_suppression_list", errorcode.Blocked, "bounce: on the list of our account"},
	{"unsubscribed_recipient", errorcode.OptedOut, "bounce: unsubscribed from the topic"},
	{"mailbox_full", errorcode.Unreachable, "bounce or delay: mailbox full"},
	{"message_too_large", errorcode.Content, "bounce: larger than the mailbox takes"},
	{"content_rejected", errorcode.Content, "bounce: content not accepted"},
	{"attachment_rejected", errorcode.Content, "bounce: attachment not accepted"},
	{"internal_failure", errorcode.Carrier, "delay: SES failed"},
	{"spam_detected", errorcode.Blocked, "delay: too much unsolicited mail from us"},
	{"recipient_server_error", errorcode.Carrier, "delay: mail system failed"},
	{"ip_failure", errorcode.Blocked, "delay: sending address blocked or throttled"},
	{"transient_communication_failure", errorcode.Unreachable, "delay: conversation broke"},
	{"byoip_host_name_lookup_unavailable", errorcode.Carrier, "delay: host name of our own address not found"},
	{"sending_deferral", errorcode.Rate, "delay: SES holds it back"},
	{"bad_content", errorcode.Content, "reject: a virus"},
}

// words and enhanced are the table by code, the enhanced ones as "1.1" and "7.*".
var words, enhanced = func() (w, e map[string]string) {
	w, e = map[string]string{}, map[string]string{}
	for _, c := range codes {
		if rest, ok := strings.CutPrefix(c.Code, "x."); ok {
			e[rest] = c.Class
		} else {
			w[c.Code] = c.Class
		}
	}
	return w, e
}()

// Codes returns the table of error codes, for the documentation. The slice is
// the caller's own.
func Codes() []Code { return slices.Clone(codes) }

// ErrorClass returns the class of an error code, "" for no code. The code is
// taken as given: one that differs in any character is unknown.
func ErrorClass(code string) string {
	if code == "" {
		return ""
	}
	if subject, detail, ok := split(code); ok {
		return cmp.Or(enhanced[subject+"."+detail], enhanced[subject+".*"], errorcode.Unknown)
	}
	return cmp.Or(words[code], errorcode.Unknown)
}

// split takes an enhanced status code of a failure apart: class 4 (persistent
// transient) or 5 (permanent), subject, detail. False if it is none.
func split(code string) (subject, detail string, ok bool) {
	class, rest, _ := strings.Cut(code, ".")
	subject, detail, _ = strings.Cut(rest, ".")
	return subject, detail, (class == "4" || class == "5") && number(subject) && number(detail)
}

// number tells whether s is a number of at most three digits without leading
// zeros, as RFC 3463 has them.
func number(s string) bool {
	return s != "" && len(s) <= 3 && strings.Trim(s, "0123456789") == "" && (s == "0" || s[0] != '0')
}

// compareCodes orders the codes that one status may carry, the more telling
// above. Codes are texts here, also where they are numbers; an enhanced status
// code is above a word. The order is total, which is what makes Join a join.
func compareCodes(a, b string) int {
	return errorcode.Compare(a, b, ErrorClass, errorcode.SmallerText)
}
