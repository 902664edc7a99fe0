package stripe

import "bytes"

// scan finds the few members that name an event, without decoding the others:
// decoding some kilobytes takes several times as long as their HMAC.
//
// It takes plain JSON alone. Where a name or a wanted value could be read in a
// second way (escapes, another case, a name twice, another type), and where it
// loses its way, it gives up, and encoding/json is asked. What it does find in
// a JSON text is what encoding/json finds there. In a text that is none it may
// find something as well: that names a raw record and nothing more, and the
// parser refuses what is in it. Its memory is that of the body.
type scan struct {
	body []byte
	at   int

	id, mode, about, related    found // the values
	data, object, relatedObject found // what holds them
}

// found is a member that was looked for.
type found struct {
	seen  bool
	value []byte // as it is written, without quotes; nil for objects and null
}

// named reads an event; ok is false where encoding/json is to be asked. mode
// and key are "" where the event has none.
func named(body []byte) (mode, key string, ok bool) {
	r := scan{body: body}
	if !r.members(r.event) || r.next() != 0 || r.at < len(body) {
		return "", "", false
	}
	switch {
	case len(r.mode.value) == 0:
	case r.mode.value[0] == 't':
		mode = modeLive
	default:
		mode = modeTest
	}
	for _, id := range []*found{&r.about, &r.related, &r.id} {
		if len(id.value) > 0 {
			return mode, string(id.value), true
		}
	}
	return mode, "", true
}

func (r *scan) event(name []byte) bool {
	switch string(name) {
	case "id":
		return r.first(&r.id) && r.text(&r.id)
	case "livemode":
		return r.first(&r.mode) && r.truth(&r.mode)
	case "data":
		return r.first(&r.data) && r.members(r.content)
	case "related_object":
		return r.first(&r.relatedObject) && (r.word("null") || r.members(r.reference))
	}
	return r.other(name, "id", "livemode", "data", "related_object")
}

func (r *scan) content(name []byte) bool {
	if string(name) == "object" {
		return r.first(&r.object) && (r.word("null") || r.members(r.whole))
	}
	return r.other(name, "object")
}

func (r *scan) whole(name []byte) bool {
	if string(name) == "id" {
		return r.first(&r.about) && r.text(&r.about)
	}
	return r.other(name, "id")
}

func (r *scan) reference(name []byte) bool {
	if string(name) == "id" {
		return r.first(&r.related) && r.text(&r.related)
	}
	return r.other(name, "id")
}

// first notes a member; one that was there before would have to be forgotten.
func (r *scan) first(m *found) bool {
	again := m.seen
	m.seen = true
	return !again
}

// other reads over the value of a member that is not wanted, unless its name is
// a wanted one in another case, which encoding/json would take. No letter beyond
// ASCII is one of theirs in another case.
func (r *scan) other(name []byte, wanted ...string) bool {
	for _, w := range wanted {
		if len(name) == len(w) && bytes.EqualFold(name, []byte(w)) {
			return false
		}
	}
	return r.skip()
}
