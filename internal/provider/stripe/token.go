package stripe

import "bytes"

// next returns the byte at which the next token begins, 0 at the end.
func (r *scan) next() byte {
	for ; r.at < len(r.body); r.at++ {
		if c := r.body[r.at]; c > ' ' || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c
		}
	}
	return 0
}

// is reads one token of one byte, if it is the next.
func (r *scan) is(c byte) bool {
	if r.next() != c || r.at == len(r.body) {
		return false
	}
	r.at++
	return true
}

// members reads an object and calls each for every name, to read the value. A
// name with an escape could be any name.
func (r *scan) members(each func(name []byte) bool) bool {
	if !r.is('{') {
		return false
	}
	if r.is('}') {
		return true
	}
	for {
		name, ok := r.quoted()
		if !ok || bytes.IndexByte(name, '\\') >= 0 || !r.is(':') || !each(name) {
			return false
		}
		if !r.is(',') {
			return r.is('}')
		}
	}
}

// text reads a wanted id. One that is none is for encoding/json to judge.
func (r *scan) text(m *found) (ok bool) {
	m.value, ok = r.quoted()
	return ok && isID(m.value)
}

// truth reads true or false.
func (r *scan) truth(m *found) bool {
	r.next()
	from := r.at
	ok := r.word("true") || r.word("false")
	m.value = r.body[from:r.at]
	return ok
}

// word reads a word, if it is the next token.
func (r *scan) word(word string) bool {
	r.next()
	end := r.at + len(word)
	if end >= len(r.body) || string(r.body[r.at:end]) != word || !ends(r.body[end]) {
		return false
	}
	r.at = end
	return true
}

// ends tells whether a number or a word ends before this byte.
func ends(c byte) bool { return c <= ' ' || c == ',' || c == '}' || c == ']' }

// quoted reads a string and returns what is between its quotes, as written.
func (r *scan) quoted() ([]byte, bool) {
	if !r.is('"') {
		return nil, false
	}
	from := r.at
	end := closing(r.body, from)
	if end < 0 {
		return nil, false
	}
	r.at = end + 1
	return r.body[from:end], true
}

// skip reads over one value, whatever it is.
func (r *scan) skip() bool {
	switch r.next() {
	case 0:
		return false
	case '"':
		_, ok := r.quoted()
		return ok
	case '{', '[':
		return r.nested()
	}
	from := r.at
	for r.at < len(r.body) && !ends(r.body[r.at]) {
		r.at++
	}
	return r.at > from
}

// nested reads to the end of an object or array. Most of an event lies in
// here, so it looks at each byte once and at those of strings not at all.
func (r *scan) nested() bool {
	s, at, depth := r.body, r.at, 0
	for at < len(s) {
		switch s[at] {
		case '"':
			end := closing(s, at+1)
			if end < 0 {
				return false
			}
			at = end
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				r.at = at + 1
				return true
			}
		}
		at++
	}
	return false
}

// closing returns where the quote stands that ends a string, -1 if nowhere;
// from is where its text begins.
func closing(s []byte, from int) int {
	for at := from; ; at++ {
		n := bytes.IndexByte(s[at:], '"')
		if n < 0 {
			return -1
		}
		if at += n; s[at-1] != '\\' {
			return at
		}
		back := at
		for back > from && s[back-1] == '\\' {
			back--
		}
		if (at-back)%2 == 0 { // a backslash more would escape the quote
			return at
		}
	}
}
