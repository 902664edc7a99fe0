package privacy

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"waybill/internal/events"
)

// Mentions tells whether a record holds one of the names: an address or a
// customer's id, as itself or percent-encoded. A longer number or address that
// merely contains it is not a mention.
func Mentions(rec *events.Record, names []string) bool {
	texts := []string{string(rec.Key), string(rec.Value)}
	for _, h := range rec.Headers {
		texts = append(texts, string(h.Value))
	}
	for _, text := range texts {
		plain := strings.ToLower(text)
		decoded := unescape(plain)
		for _, n := range names {
			n = strings.ToLower(strings.TrimPrefix(n, "whatsapp:"))
			if n != "" && (holds(plain, n) || decoded != plain && holds(decoded, n)) {
				return true
			}
		}
	}
	return false
}

// holds finds a name that does not go on to either side.
func holds(text, name string) bool {
	for {
		at := strings.Index(text, name)
		if at < 0 {
			return false
		}
		if !goesOn(text[:at], text[at+len(name):], name) {
			return true
		}
		text = text[at+1:]
	}
}

// goesOn tells whether what stands around a name makes it another name: the
// local part of a longer e-mail address, a longer domain, more digits.
func goesOn(before, after, name string) bool {
	mail := strings.Contains(name, "@")
	if before != "" && word(name[0]) {
		b := before[len(before)-1]
		if word(b) || mail && strings.IndexByte(".+-", b) >= 0 {
			return true
		}
	}
	if after == "" {
		return false
	}
	return word(after[0]) || mail && len(after) > 1 && strings.IndexByte(".-", after[0]) >= 0 && word(after[1])
}

func word(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b == '_' || b >= 0x80
}

// unescape replaces %XX and leaves everything else, broken escapes too: what is
// searched need not be a form.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if high, low := unhex(s[i+1]), unhex(s[i+2]); high >= 0 && low >= 0 {
				out = append(out, byte(high<<4|low)) //nolint:gosec // two digits
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return strings.ToLower(string(out))
}

func unhex(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b >= 'a' && b <= 'f':
		return int(b-'a') + 10
	case b >= 'A' && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}

// Readable returns a record as JSON for a person: a body that is no text in
// base64.
func Readable(rec *events.Record) (json.RawMessage, error) {
	headers := make([]header, 0, len(rec.Headers))
	for _, h := range rec.Headers {
		headers = append(headers, header{h.Key, string(h.Value)})
	}
	out := readable{Topic: rec.Topic, Key: string(rec.Key), Headers: headers}
	if utf8.Valid(rec.Value) {
		out.Body = string(rec.Value)
	} else {
		out.Base64 = base64.StdEncoding.EncodeToString(rec.Value)
	}
	return json.Marshal(out)
}

type readable struct {
	Topic   string   `json:"topic"`
	Key     string   `json:"key"`
	Headers []header `json:"headers"`
	Body    string   `json:"body,omitempty"`
	Base64  string   `json:"body_base64,omitempty"`
}

type header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
