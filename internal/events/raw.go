package events

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"waybill/internal/fault"
)

// Raw is one accepted request of a provider, as received: nothing is parsed
// away, nothing re-encoded. Its record is what a 2xx promises to keep.
type Raw struct {
	Receipt    ReceiptID
	Provider   Provider
	Kind       Kind   // what the path is for
	Signer     string // whom the signature was verified as: AC..., "live", "test"
	Token      string // the id of the secret that it was signed with; "" = none that is registered here
	Key        string // the provider's resource id; partitions the raw topic
	Method     string
	URI        string   // request URI, byte for byte
	Headers    []Header // those that were signed or name the event, names in lower case
	Body       []byte   // byte for byte
	ReceivedAt time.Time
}

// Headers of a raw record beside the CloudEvents attributes.
const (
	headerProvider = "waybill_provider"
	headerKind     = "waybill_kind"
	headerSigner   = "waybill_signer"
	headerToken    = "waybill_token" // absent where there is none
	headerMethod   = "http_method"
	headerURI      = "http_uri"
	headerHTTP     = "http_header_" // + name in lower case
)

// Record returns the raw request as it stands on its raw topic.
func (r *Raw) Record() Record {
	hs := attributes{
		id: string(r.Receipt), source: "waybill/ingest/" + string(r.Provider),
		typ: TypeRaw, time: r.ReceivedAt, content: "application/octet-stream",
	}.headers(6 + len(r.Headers))
	hs = append(hs,
		Header{headerProvider, []byte(r.Provider)},
		Header{headerKind, []byte(r.Kind)},
		Header{headerSigner, []byte(r.Signer)},
		Header{headerMethod, []byte(r.Method)},
		Header{headerURI, []byte(r.URI)},
	)
	if r.Token != "" {
		hs = append(hs, Header{headerToken, []byte(r.Token)})
	}
	for _, h := range r.Headers {
		hs = append(hs, Header{headerHTTP + h.Key, h.Value})
	}
	return Record{Topic: RawTopic(r.Provider), Key: []byte(r.Key), Value: r.Body, Headers: hs}
}

// HTTPHeader returns the value of a kept request header, "" if it was not
// there. The name is in lower case.
func (r *Raw) HTTPHeader(name string) string {
	for i := range r.Headers {
		if r.Headers[i].Key == name {
			return string(r.Headers[i].Value)
		}
	}
	return ""
}

// DecodeRaw reads a record of a raw topic. An error is of class Invalid: the
// record was not written by an ingest.
func DecodeRaw(rec *Record) (Raw, error) {
	if err := expect(rec, TypeRaw); err != nil {
		return Raw{}, err
	}
	at, err := recordTime(rec)
	if err != nil {
		return Raw{}, err
	}
	raw := Raw{
		Receipt: ReceiptOf(rec), Key: string(rec.Key), Body: rec.Value, ReceivedAt: at,
	}
	for _, h := range rec.Headers {
		switch {
		case h.Key == headerProvider:
			raw.Provider = Provider(h.Value)
		case h.Key == headerKind:
			raw.Kind = Kind(h.Value)
		case h.Key == headerSigner:
			raw.Signer = string(h.Value)
		case h.Key == headerToken:
			raw.Token = string(h.Value)
		case h.Key == headerMethod:
			raw.Method = string(h.Value)
		case h.Key == headerURI:
			raw.URI = string(h.Value)
		case strings.HasPrefix(h.Key, headerHTTP):
			raw.Headers = append(raw.Headers, Header{h.Key[len(headerHTTP):], h.Value})
		}
	}
	if rec.Header(headerID) == "" || raw.Provider == "" || raw.Kind == "" {
		return Raw{}, fault.New(fault.Invalid, "missing_attribute")
	}
	for _, text := range []string{string(raw.Provider), string(raw.Kind), raw.Signer, raw.Token} {
		if len(text) > maxAttribute || Text(text) != text {
			return Raw{}, fault.New(fault.Invalid, "bad_attribute")
		}
	}
	return raw, nil
}

// maxAttribute bounds what becomes part of an event id, in bytes.
const maxAttribute = 256

// packVersion is the first byte of a packed record, so that the form can change.
const packVersion = 1

var errPacked = errors.New("packed record is damaged")

// Pack returns a record's topic, key, headers and value as bytes: the form in
// which a held event keeps it, to be published again exactly as it was.
func Pack(r *Record) []byte {
	b := make([]byte, 0, r.Size()+64)
	b = append(b, packVersion)
	put := func(p []byte) {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	put([]byte(r.Topic))
	put(r.Key)
	put(r.Value)
	b = binary.AppendUvarint(b, uint64(len(r.Headers)))
	for _, h := range r.Headers {
		put([]byte(h.Key))
		put(h.Value)
	}
	return b
}

// PackReceived packs a record that may lack the CloudEvents attributes which
// say when and as what it was received: published again at another position, it
// must still be the same receipt. One without a key gets its receipt as its
// key, because nothing is published without.
func PackReceived(r *Record, receipt ReceiptID, at time.Time) []byte {
	stamped := *r
	stamped.Headers = slices.Clone(r.Headers)
	if len(r.Key) == 0 {
		stamped.Key = []byte(receipt)
	}
	for _, h := range []Header{{headerID, []byte(receipt)}, {headerTime, []byte(at.UTC().Format(timeLayout))}} {
		if r.Header(h.Key) == "" {
			stamped.Headers = append(stamped.Headers, h)
		}
	}
	return Pack(&stamped)
}

// Unpack reads what [Pack] wrote.
func Unpack(b []byte) (Record, error) {
	if len(b) == 0 || b[0] != packVersion {
		return Record{}, errPacked
	}
	b = b[1:]
	bad := false
	num := func() uint64 {
		n, w := binary.Uvarint(b)
		if w <= 0 {
			bad = true
			return 0
		}
		b = b[w:]
		return n
	}
	get := func() []byte {
		n := num()
		if bad || n > uint64(len(b)) {
			bad = true
			return nil
		}
		p := b[:n:n]
		b = b[n:]
		return p
	}
	r := Record{Topic: string(get()), Key: get(), Value: get()}
	n := num()
	if bad || n > uint64(len(b)) {
		return Record{}, errPacked
	}
	r.Headers = make([]Header, 0, n)
	for range n {
		k := string(get())
		r.Headers = append(r.Headers, Header{k, get()})
	}
	if bad || len(b) != 0 {
		return Record{}, errPacked
	}
	return r, nil
}
