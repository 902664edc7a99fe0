package ses

import (
	"strings"
	"unicode"

	"waybill/internal/email"
	"waybill/internal/errorcode"
)

// maxWord bounds SES's words, in bytes.
const maxWord = 64

// word returns one of SES's words in lower snake case, as error codes are
// written: NoEmail is no_email, IPFailure ip_failure, "Bad content" bad_content.
// What is longer than any word is none.
func word(s string) string {
	if len(s) > maxWord {
		return ""
	}
	var b strings.Builder
	for i, c := range s {
		switch {
		case c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c):
			separate(&b)
			continue
		case unicode.IsUpper(c) && i > 0 && (!isUpper(s, i-1) || isLower(s, i+1)):
			separate(&b)
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return strings.TrimSuffix(b.String(), "_")
}

// separate ends a word within words.
func separate(b *strings.Builder) {
	if s := b.String(); s != "" && s[len(s)-1] != '_' {
		b.WriteByte('_')
	}
}

func isUpper(s string, i int) bool { return 'A' <= s[i] && s[i] <= 'Z' }

func isLower(s string, i int) bool { return i < len(s) && 'a' <= s[i] && s[i] <= 'z' }

// short returns a word of SES's as given, "" if it is none.
func short(s string) string {
	if len(s) > maxWord || !isID(s) {
		return ""
	}
	return s
}

// withheld are the words by which SES says that it did not try: what stands
// beside them as a mail server's code is not one.
var withheld = map[string]bool{
	"suppressed":                  true,
	"on_account_suppression_list": true,
	"unsubscribed_recipient":      true,
}

// code returns the recipient's own error code, "" where the event's word tells
// as much or more.
func (r *recipient) code(word string) string {
	status := strings.TrimSpace(r.Status)
	if withheld[word] || !isEnhanced(status) {
		return ""
	}
	if email.ErrorClass(status) == errorcode.Unknown && word != "" && email.ErrorClass(word) != errorcode.Unknown {
		return ""
	}
	return status
}

// isEnhanced tells whether s is an enhanced status code of a failure.
func isEnhanced(s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || parts[0] != "4" && parts[0] != "5" {
		return false
	}
	for _, p := range parts {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}
