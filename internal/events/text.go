package events

import (
	"strings"
	"unicode/utf8"
)

// Text makes a signed but untrusted text storable: invalid UTF-8 and NUL, which
// PostgreSQL refuses, become U+FFFD. The raw record keeps the original bytes.
func Text(s string) string {
	if strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
