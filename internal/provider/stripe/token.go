package stripe

import "bytes"

// next returns the byte at which the next token begins, 0 at the end.
func (r *scan) next() byte {
	for ; r.at < len(r.body); r.at++ {
		switch c := r.body[r.at]; c {
		case ' ', '\n', '\t', '\r':
		default:
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

// members reads an object and calls each for every name, to read the value.
func (r *scan) members(each func(name []byte) bool) bool {
	if !r.is('{') {
		return false
	}
	if r.is('}') {
		return true
	}
	for {
		name, ok := r.quoted()
		if !ok || !plain(name) || !r.is(':') || !each(name) {
			return false
		}
		if !r.is(',') {
			return r.is('}')
		}
	}
}

// plain tells whether a name is written in one way: no escape, no letter that
// folds to another.
func plain(name []byte) bool {
	for _, c := range name {
		if c == '\\' || c >= 0x80 {
			return false
		}
	}
	return true
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

// ends tells whether no number and no word has this byte.
func ends(c byte) bool {
	switch c {
	case ',', '}', ']', ' ', '\n', '\t', '\r', '"', ':', '{', '[':
		return true
	}
	return false
}

// quoted reads a string and returns what is between its quotes, as written.
func (r *scan) quoted() ([]byte, bool) {
	if !r.is('"') {
		return nil, false
	}
	from := r.at
	for {
		n := bytes.IndexByte(r.body[r.at:], '"')
		if n < 0 {
			return nil, false
		}
		r.at += n + 1
		back := r.at - 2
		for back >= from && r.body[back] == '\\' {
			back--
		}
		if (r.at-back)%2 == 0 { // an even number of backslashes before it
			return r.body[from : r.at-1], true
		}
	}
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

// nested reads to the end of an object or array.
func (r *scan) nested() bool {
	for depth := 0; r.at < len(r.body); {
		switch r.body[r.at] {
		case '"':
			if _, ok := r.quoted(); !ok {
				return false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				r.at++
				return true
			}
		}
		r.at++
	}
	return false
}
