package twilio

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/tenantmap"
)

// Reasons for which a signed request is unusable.
const (
	invalidKind     = "unknown_kind"
	invalidJSON     = "undecodable"
	invalidRepeated = "repeated_parameter" // a name that is read comes twice: which value is meant?
	invalidSID      = "bad_sid"
	invalidAccount  = "account_mismatch" // the payload names another account than the one verified
	invalidStatus   = "unknown_status"
	invalidCode     = "bad_error_code"
	invalidAddress  = "oversized_address"
	invalidBody     = "oversized_body"
	invalidMedia    = "oversized_media"
	invalidSource   = "bad_callback_source"
	invalidSequence = "bad_sequence_number"
)

// Bounds of what goes on to the domain topics and the database. The raw record
// keeps everything.
const (
	maxAddress = 320       // bytes of From, To and service: they become index keys
	maxBody    = 256 << 10 // bytes of a text: JSON may write each as six, and a record must stay below events.MaxRecordBytes
	maxMedia   = 32        // attachments; Twilio allows 10
	maxURL     = 2048      // bytes of an attachment's URL
	maxStatus  = 32        // bytes
	maxCode    = 16        // bytes
	maxSource  = 48        // bytes of where a callback or recording comes from
	maxStir    = 64        // bytes
)

// Parser reads what was kept of Twilio's requests. Unlike [Twilio] it needs no
// base URLs. It is safe for concurrent use.
type Parser struct{}

// Provider implements [provider.Verifier] and [provider.Parser].
func (Parser) Provider() events.Provider { return events.Twilio }

// Ignores implements [provider.Parser].
func (Parser) Ignores() []string { return nil }

// Parse implements [provider.Parser] for messages, calls and recordings.
func (Parser) Parse(raw *events.Raw) (provider.Parsed, error) {
	if isJSON(raw.HTTPHeader("content-type")) && raw.Method == http.MethodPost && !json.Valid(raw.Body) {
		return provider.Parsed{}, fault.New(fault.Invalid, invalidJSON)
	}
	in := &reader{params: readParams(raw.Method, raw.URI, raw.HTTPHeader("content-type"), raw.Body)}
	switch raw.Kind {
	case events.KindMessageStatus:
		return parseStatus(raw, in)
	case events.KindMessage:
		return parseInbound(raw, in)
	case events.KindCall:
		return parseCall(raw, in)
	case events.KindCallInbound:
		return parseInboundCall(raw, in)
	case events.KindDial:
		return parseDial(raw, in)
	case events.KindRecording:
		return parseRecording(raw, in)
	default:
		return provider.Parsed{}, fault.New(fault.Invalid, invalidKind)
	}
}

// reader hands out parameters and remembers the first thing that is wrong.
type reader struct {
	params  params
	problem string
}

// get returns the value of a name, made storable. A name that repeats has
// none, whatever its values: a signature covers equal ones only once, so
// anybody could add one.
func (r *reader) get(name string) string {
	var value string
	found := 0
	for i := range r.params {
		if r.params[i].name == name {
			value, found = r.params[i].value, found+1
		}
	}
	if found > 1 {
		r.fail(invalidRepeated)
		return ""
	}
	return events.Text(value)
}

// either returns the value of a name, or of its older name where it is absent.
func (r *reader) either(name, older string) string {
	if r.has(name) {
		return r.get(name)
	}
	return r.get(older)
}

func (r *reader) has(name string) bool { return r.params.has(name) }

// address returns the value of a name that holds somebody's address.
func (r *reader) address(name string) string {
	v := r.get(name)
	if len(v) > maxAddress {
		r.fail(invalidAddress)
		return ""
	}
	return v
}

// check notes a problem unless ok, and returns ok.
func (r *reader) check(ok bool, problem string) bool {
	if !ok {
		r.fail(problem)
	}
	return ok
}

func (r *reader) fail(problem string) {
	if r.problem == "" {
		r.problem = problem
	}
}

func (r *reader) err() error {
	if r.problem == "" {
		return nil
	}
	return fault.New(fault.Invalid, r.problem)
}

// owned checks that the request names the account that it was verified for.
func (r *reader) owned(raw *events.Raw) {
	account := r.get(paramAccount)
	r.check(isSID(account, "AC"), invalidSID)
	r.check(account == raw.Signer, invalidAccount)
}

// message reads what statuses and inbound messages have in common.
func (r *reader) message(raw *events.Raw) events.Message {
	r.owned(raw)
	sid := r.either(paramMessage, paramSMS)
	if !r.check(isSID(sid, "SM", "MM"), invalidSID) {
		sid = ""
	}
	m := events.Message{
		Kind: raw.Kind, Provider: events.Twilio, ProviderID: sid, Account: raw.Signer,
		From: r.address(paramFrom), To: r.address(paramTo), Service: r.address(paramService),
		ReceivedAt: raw.ReceivedAt,
	}
	m.Channel = events.SMS
	if isWhatsApp(m.From) || isWhatsApp(m.To) {
		m.Channel = events.WhatsApp
	}
	return m
}

// evidence returns what a message tells about whose it is. senders are those
// of its addresses that are ours.
func evidence(raw *events.Raw, m *events.Message, senders ...string) tenantmap.Evidence {
	e := tenantmap.Evidence{
		Provider: events.Twilio, Signer: raw.Signer, ProviderID: m.ProviderID,
		At: raw.ReceivedAt, // Twilio's messages carry no clock
	}
	if m.ProviderID != "" {
		e.Resources = append(e.Resources, tenantmap.ResourceKey(events.Twilio, m.ProviderID))
	}
	for _, s := range senders {
		if s != "" {
			e.Senders = append(e.Senders, tenantmap.SenderKey(s))
		}
	}
	return e
}

func isWhatsApp(address string) bool { return strings.HasPrefix(address, "whatsapp:") }

// isSID tells whether s is one of Twilio's ids: one of the prefixes and 32
// lower-case hexadecimal digits.
func isSID(s string, prefixes ...string) bool {
	if len(s) != 34 {
		return false
	}
	for i := 2; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	for _, p := range prefixes {
		if s[:2] == p {
			return true
		}
	}
	return false
}

// isToken tells whether s is 1 to limit letters, digits, hyphens and underscores.
func isToken(s string, limit int) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= limit
}

// mediaName returns the name of the i-th attachment's URL.
func mediaName(i int) string { return paramMediaURL + strconv.Itoa(i) }
