package stripe

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"waybill/internal/events"
)

// envelope is what every event has, of either kind. Each field is kept as it
// is written, so that one of an unexpected type does not spoil the others and
// no number is ever taken for more than it is.
type envelope struct {
	ID       json.RawMessage `json:"id"`
	Object   json.RawMessage `json:"object"`
	Type     json.RawMessage `json:"type"`
	Version  json.RawMessage `json:"api_version"`
	Account  json.RawMessage `json:"account"`
	Created  json.RawMessage `json:"created"`
	LiveMode json.RawMessage `json:"livemode"`
	Data     json.RawMessage `json:"data"`           // snapshot events
	Related  json.RawMessage `json:"related_object"` // thin events
	Context  json.RawMessage `json:"context"`        // thin events: the path to the account
}

// data is what a snapshot event carries.
type data struct {
	Object   json.RawMessage `json:"object"`
	Previous json.RawMessage `json:"previous_attributes"`
}

// object is what is read of the object that an event is about.
type object struct {
	ID       json.RawMessage `json:"id"`
	Object   json.RawMessage `json:"object"`
	Customer json.RawMessage `json:"customer"`
	Status   json.RawMessage `json:"status"`

	PaymentStatus  json.RawMessage `json:"payment_status"`  // of a checkout session
	Refunded       json.RawMessage `json:"refunded"`        // of a charge: all of it
	AmountRefunded json.RawMessage `json:"amount_refunded"` // of a charge
}

// name returns whose request it was, live or test, and the id of the object
// that it is about, for the raw record. Events of one object so keep one
// partition. A body that cannot be read still gets a key.
func name(body []byte) (signer, key string) {
	mode, key, ok := named(body)
	if !ok {
		mode, key = decodedName(body)
	}
	if signer = mode; signer == "" {
		signer = "unknown"
	}
	if key == "" {
		key = "stripe/" + signer
	}
	return signer, key
}

// decodedName is what [named] finds, of any body.
func decodedName(body []byte) (mode, key string) {
	var e envelope
	_ = json.Unmarshal(body, &e) // the parser will say what is wrong with it
	if key = e.about(); key == "" {
		key = id(e.ID)
	}
	return e.mode(), key
}

// The modes of Stripe's objects, which never meet.
const (
	modeLive = "live"
	modeTest = "test"
)

// mode returns the mode that the event names, "" if it names none.
func (e *envelope) mode() string {
	switch string(e.LiveMode) {
	case "true":
		return modeLive
	case "false":
		return modeTest
	}
	return ""
}

// about returns the id of the object that the event is about, "" if it has none.
func (e *envelope) about() string {
	if about := id(member[object](member[data](e.Data).Object).ID); about != "" {
		return about
	}
	return id(member[object](e.Related).ID)
}

// member reads a nested object; one that is absent or something else is empty.
func member[T any](raw json.RawMessage) T {
	var v T
	if len(raw) > 0 && raw[0] == '{' {
		_ = json.Unmarshal(raw, &v) // cannot fail: it was part of valid JSON, and every field takes anything
	}
	return v
}

// text returns a JSON string, made storable, "" for anything else.
func text(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return events.Text(s)
}

// maxID bounds Stripe's ids, which are part of keys; Stripe promises 255.
const maxID = 255

// id returns an id, "" for anything that is not one.
func id(raw json.RawMessage) string { return idOf(text(raw)) }

// lastOf returns the last step of a path: the account in "org_1/acct_2".
func lastOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func idOf(s string) string {
	if !isID(s) {
		return ""
	}
	return s
}

// isID tells whether s could be an id of Stripe's; none at all is one.
func isID[T string | []byte](s T) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return len(s) <= maxID
}

// idOrObject returns an id that stands as such or within the expanded object.
func idOrObject(raw json.RawMessage) string {
	if s := id(raw); s != "" {
		return s
	}
	return id(member[object](raw).ID)
}

var errTime = errors.New("not a time")

// maxUnix is the last second of the year 9999, after which no time can be
// written as RFC 3339.
const maxUnix = 253402300799

// created reads an event's time: unix seconds, or RFC 3339 in thin events.
// Absent is the zero time.
func created(raw json.RawMessage) (time.Time, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return time.Time{}, nil
	}
	if raw[0] == '"' {
		t, err := time.Parse(time.RFC3339Nano, text(raw))
		if err != nil || t.Unix() < 0 || t.Unix() > maxUnix {
			return time.Time{}, errTime
		}
		return t.UTC(), nil
	}
	s, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || s < 0 || s > maxUnix {
		return time.Time{}, errTime
	}
	return time.Unix(s, 0).UTC(), nil
}
