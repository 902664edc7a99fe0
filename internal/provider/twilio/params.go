package twilio

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The parameters that are read.
const (
	paramAccount   = "AccountSid"
	paramMessage   = "MessageSid"
	paramSMS       = "SmsSid" // the same as MessageSid; older callbacks have only this
	paramCall      = "CallSid"
	paramStatus    = "MessageStatus"
	paramSMSStatus = "SmsStatus" // the same as MessageStatus
	paramErrorCode = "ErrorCode"
	paramFrom      = "From"
	paramTo        = "To"
	paramService   = "MessagingServiceSid"
	paramBody      = "Body"
	paramMediaURL  = "MediaUrl" // + 0, 1, ...
	paramOptOut    = "OptOutType"
	paramEcho      = "wb" // in our own callback URL: our message id
)

// Those of calls and their recordings.
const (
	paramCallStatus      = "CallStatus"
	paramParent          = "ParentCallSid"
	paramDirection       = "Direction"
	paramSource          = "CallbackSource"
	paramSequence        = "SequenceNumber"
	paramTimestamp       = "Timestamp"
	paramDuration        = "CallDuration" // seconds; Duration is minutes
	paramAnsweredBy      = "AnsweredBy"
	paramStir            = "StirVerstat"
	paramSIP             = "SipResponseCode"
	paramDialCall        = "DialCallSid"
	paramDialStatus      = "DialCallStatus"
	paramDialDuration    = "DialCallDuration"
	paramDialSIP         = "DialSipResponseCode"
	paramRecording       = "RecordingSid"
	paramRecordingStatus = "RecordingStatus"
	paramRecordingURL    = "RecordingUrl"
	paramRecordingLength = "RecordingDuration" // seconds
	paramRecordingStart  = "RecordingStartTime"
	paramRecordingSource = "RecordingSource"
	paramChannels        = "RecordingChannels"
	paramTrack           = "RecordingTrack"
)

// param is one parameter, decoded.
type param struct{ name, value string }

// params are the parameters of a request in the order in which they came.
// Names may repeat. A list and not a map: callbacks have a dozen or two, and
// the signature needs them sorted anyway.
type params []param

// readParams returns a request's parameters: of a GET those of its query, of a
// POST those of its body. Both the verifier and the parser read with it, so
// that what was verified is what is used. What cannot be read is left out.
func readParams(method, uri, contentType string, body []byte) params {
	switch {
	case method == http.MethodGet:
		return parseForm(queryOf(uri))
	case isJSON(contentType):
		return parseJSON(body)
	}
	return parseForm(string(body))
}

// first returns the first value of a name, "" if there is none.
func (ps params) first(name string) string {
	for i := range ps {
		if ps[i].name == name {
			return ps[i].value
		}
	}
	return ""
}

// has tells whether a name is there, whatever its value.
func (ps params) has(name string) bool {
	return slices.ContainsFunc(ps, func(p param) bool { return p.name == name })
}

// canonical returns what Twilio signs behind the URL of a form: each name and
// value, without separators, by name in byte order; the values of one name
// sorted, equal ones once.
func (ps params) canonical() []byte {
	sorted := slices.Clone(ps)
	slices.SortFunc(sorted, func(a, b param) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	size := 0
	for i := range sorted {
		size += len(sorted[i].name) + len(sorted[i].value)
	}
	out := make([]byte, 0, size)
	for i, p := range sorted {
		if i > 0 && p == sorted[i-1] {
			continue
		}
		out = append(out, p.name...)
		out = append(out, p.value...)
	}
	return out
}

// parseForm reads application/x-www-form-urlencoded as the WHATWG URL standard
// does: every input has a meaning. A semicolon is no separator and a percent
// sign before anything but two hexadecimal digits stands for itself.
func parseForm(s string) params {
	ps := make(params, 0, 1+strings.Count(s, "&"))
	for pair := range strings.SplitSeq(s, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		ps = append(ps, param{unescape(name), unescape(value)})
	}
	return ps
}

func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s):
			hi, lo := unhex(s[i+1]), unhex(s[i+2])
			if hi >= 0 && lo >= 0 {
				c = byte(hi<<4 | lo)
				i += 2
			}
		}
		out = append(out, c)
	}
	return string(out)
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// accountPattern finds the account in a body that is meant to be JSON.
var accountPattern = regexp.MustCompile(`"AccountSid"\s*:\s*"(AC[0-9a-f]{32})"`)

// accountIn returns the account that a body names which cannot be read as JSON
// (too deep, cut off), "" if it names none. It only chooses whose tokens the
// signature is held against: a genuine request is accepted all the same, and
// its parser says what is wrong with it.
func accountIn(body []byte) string {
	if m := accountPattern.FindSubmatch(body); m != nil {
		return string(m[1])
	}
	return ""
}

// parseJSON reads a flat JSON object. Numbers and booleans are kept as they
// are written; nested values are nothing that we read. An input that is not
// one object has no parameters.
func parseJSON(body []byte) params {
	if !json.Valid(body) { // also bounds the depth of nesting
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	var ps params
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil
		}
		value, err := dec.Token()
		if err != nil {
			return nil
		}
		if _, nested := value.(json.Delim); nested {
			if !skipNested(dec) {
				return nil
			}
			continue
		}
		ps = append(ps, param{name.(string), scalar(value)}) // a valid object's name is a string
	}
	return ps
}

// skipNested reads to the end of the object or array that was just entered.
func skipNested(dec *json.Decoder) bool {
	for depth := 1; depth > 0; {
		token, err := dec.Token()
		if err != nil {
			return false
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return true
}

// scalar returns a value that is not nested, null as nothing.
func scalar(value json.Token) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// isJSON tells whether a content type is JSON.
func isJSON(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), "application/json")
}

// queryOf returns the query of a request URI, as it is written.
func queryOf(uri string) string {
	_, query, _ := strings.Cut(uri, "?")
	return query
}
