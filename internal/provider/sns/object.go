package sns

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxMembers bounds an envelope's object; SNS sends at most twelve.
const maxMembers = 32

// reader reads one JSON object strictly: encoding/json takes a key twice and
// in any case, and the last one wins.
type reader struct {
	s string
	i int
}

// object calls member with every key, decoded, to read the key's value. It
// returns false for anything that is not exactly one sound object.
func (r *reader) object(member func(key string) bool) bool {
	if !r.take('{') {
		return false
	}
	if !r.take('}') {
		for n := 1; ; n++ {
			r.space()
			key, ok := r.text()
			if !ok || n > maxMembers || !r.take(':') || !member(key) {
				return false
			}
			if r.take('}') {
				break
			}
			if !r.take(',') {
				return false
			}
		}
	}
	r.space()
	return r.i == len(r.s)
}

func (r *reader) space() {
	for r.i < len(r.s) && strings.IndexByte(" \t\r\n", r.s[r.i]) >= 0 {
		r.i++
	}
}

// take passes over space and one byte, if it is c.
func (r *reader) take(c byte) bool {
	r.space()
	if r.i == len(r.s) || r.s[r.i] != c {
		return false
	}
	r.i++
	return true
}

// null passes over null.
func (r *reader) null() bool {
	r.space()
	if !strings.HasPrefix(r.s[r.i:], "null") {
		return false
	}
	r.i += len("null")
	return true
}

// text reads a string. One without escapes is not copied.
func (r *reader) text() (string, bool) {
	if !r.take('"') {
		return "", false
	}
	start, escaped := r.i, false
	for ; r.i < len(r.s); r.i++ {
		switch c := r.s[r.i]; {
		case c == '"':
			s := r.s[start:r.i]
			r.i++
			if escaped {
				return unescape(s)
			}
			return s, true
		case c == '\\':
			escaped = true
			r.i++
		case c < ' ':
			return "", false
		}
	}
	return "", false
}

// skip passes over any value.
func (r *reader) skip() bool {
	r.space()
	start, depth := r.i, 0
	for r.i < len(r.s) {
		switch r.s[r.i] {
		case '"':
			if _, ok := r.text(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']', ',':
			if depth == 0 {
				return json.Valid([]byte(r.s[start:r.i]))
			}
			if r.s[r.i] != ',' {
				depth--
			}
		}
		r.i++
	}
	return false
}

// unescape decodes the inside of a string. Half a surrogate pair becomes
// U+FFFD, as in encoding/json.
func unescape(s string) (string, bool) {
	var b strings.Builder
	b.Grow(len(s))
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 {
			b.WriteString(s)
			return b.String(), true
		}
		b.WriteString(s[:i])
		c := s[i+1] // text saw a byte behind every backslash
		s = s[i+2:]
		if c == 'u' {
			r, n := escapedRune(s)
			if n == 0 {
				return "", false
			}
			b.WriteRune(r)
			s = s[n:]
			continue
		}
		at := strings.IndexByte(`"\/bfnrt`, c)
		if at < 0 {
			return "", false
		}
		b.WriteByte("\"\\/\b\f\n\r\t"[at])
	}
}

// escapedRune decodes what follows \u, and how many bytes of it count; 0 if
// it is nothing.
func escapedRune(s string) (r rune, n int) {
	r, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(r) {
		if rest, found := strings.CutPrefix(s[4:], `\u`); found {
			if low, ok := hex4(rest); ok {
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					return pair, 10
				}
			}
		}
		return utf8.RuneError, 4
	}
	return r, 4
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s[:4], 16, 16)
	return rune(n), err == nil
}
