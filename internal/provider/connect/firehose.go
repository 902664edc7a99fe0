package connect

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"waybill/internal/fault"
)

// Bounds of one request of Firehose, as Firehose promises them.
const (
	MaxRequestBytes = 64 << 20  // of the body, uncompressed
	MaxRecordBytes  = 1_024_000 // of a record before base64
	maxRecords      = 10_000
)

// Bounds of our own.
const (
	// window is the most that is read ahead of what is understood: a record in
	// base64 with every slash escaped, and room. It bounds the memory of a
	// request, whatever is in it, to a few times that.
	window       = 3 << 20
	maxDocuments = 1_000  // of a record; what stands behind is one more, that makes no sense
	maxDelivered = 20_000 // documents of a request; a record is seldom more than one
)

// Reasons for which a request is not Firehose's. They are of the request: no
// document makes a request fail, nor does a record.
const (
	reasonTooLarge      = "request_too_large"    // more than MaxRequestBytes, compressed or not
	reasonRecordTooBig  = "record_too_large"     // more than MaxRecordBytes
	reasonTooMany       = "too_many_records"     // or documents
	reasonMalformed     = "malformed_request"    // not Firehose's JSON
	reasonMalformedGzip = "malformed_gzip"       // not gzip, or damaged
	reasonCutShort      = "cut_short"            // the body ended too early, or could not be read on
	reasonWrongRequest  = "request_id_mismatch"  // the header names another request than the body
	reasonBadEncoding   = "unsupported_encoding" // Content-Encoding is neither gzip nor absent
)

// RequestReasons returns the closed set of reasons of [ReadDelivery].
func RequestReasons() []string {
	return []string{
		reasonTooLarge, reasonRecordTooBig, reasonTooMany, reasonMalformed, reasonMalformedGzip, reasonCutShort,
		reasonWrongRequest, reasonBadEncoding,
	}
}

// Document is one JSON document of a record, or what a record holds instead.
type Document struct {
	Number int    // within the request, from 0: the receipt's "#n"
	Body   []byte // the receiver's own; it may be no JSON, which the parser will say
}

// Delivery is one request, read to its end.
type Delivery struct {
	RequestID string
	Records   int
	Documents int
	Empty     int // records without a document
}

// ReadDelivery reads one request of Firehose and hands out its documents in
// their order, one at a time. encoding is the value of Content-Encoding, named
// that of X-Amz-Firehose-Request-Id ("" = not given). It holds about one record
// at a time, however large the request is and however well it was packed.
//
// A record that is no base64, or no JSON, is handed out as it is: it must not
// fail its batch. An error of each is returned as it is, at once. Any other
// error has one of [RequestReasons] and is of class Invalid, or Unavailable if
// reading failed or was too slow: documents may have been handed out by then, and will come
// again with the repeat.
//
// What is larger than Firehose promises is of class Internal: there is a status
// for it, but Firehose takes that for an order to throw the batch away.
func ReadDelivery(body io.Reader, encoding, named string, each func(Document) error) (Delivery, error) {
	d := delivery{each: each}
	in, err := d.open(body, encoding)
	if err != nil {
		return d.Delivery, err
	}
	d.in = ahead{r: in}
	d.json = json.NewDecoder(&d.in)
	d.in.understood = d.json.InputOffset
	if err := d.request(); err != nil {
		return d.Delivery, d.reason(err)
	}
	if d.RequestID == "" || named != "" && named != d.RequestID {
		return d.Delivery, fault.New(fault.Invalid, reasonWrongRequest)
	}
	return d.Delivery, nil
}

// delivery is a request that is being read.
type delivery struct {
	Delivery
	each func(Document) error
	in   ahead
	json *json.Decoder
	seen struct{ id, records bool }
}

func (d *delivery) open(body io.Reader, encoding string) (io.Reader, error) {
	switch strings.ToLower(encoding) {
	case "", "identity":
		return body, nil
	case "gzip":
		// What is compressed is smaller, but for a few bytes a block.
		z, err := gzip.NewReader(&bounded{r: body, left: MaxRequestBytes + 1<<20})
		if err != nil {
			return nil, d.reason(err)
		}
		return z, nil
	}
	return nil, fault.New(fault.Invalid, reasonBadEncoding)
}

// request reads {"requestId": ..., "records": [...]}, in any order.
func (d *delivery) request() error {
	if err := d.delim('{'); err != nil {
		return err
	}
	for d.json.More() {
		key, err := d.json.Token()
		if err != nil {
			return err
		}
		switch key {
		case "requestId":
			err = d.requestID()
		case "records":
			err = d.records()
		default:
			err = d.json.Decode(&skipped{})
		}
		if err != nil {
			return err
		}
	}
	if err := d.delim('}'); err != nil {
		return err
	}
	if !d.seen.records {
		return errMalformed
	}
	switch _, err := d.json.Token(); { // to its end: a bad checksum is found there
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return errMalformed
}

var errMalformed = fault.New(fault.Invalid, reasonMalformed)

// skipped is a value that is not looked at, and not kept.
type skipped struct{}

// UnmarshalJSON implements [json.Unmarshaler].
func (*skipped) UnmarshalJSON([]byte) error { return nil }

func (d *delivery) delim(want json.Delim) error {
	got, err := d.json.Token()
	if err == nil && got != want {
		return errMalformed
	}
	return err
}

func (d *delivery) requestID() error {
	var id string
	if err := d.json.Decode(&id); err != nil {
		return err
	}
	if d.seen.id || !isToken(id) {
		return errMalformed
	}
	d.seen.id, d.RequestID = true, id
	return nil
}

func (d *delivery) records() error {
	if d.seen.records {
		return errMalformed
	}
	d.seen.records = true
	if err := d.delim('['); err != nil {
		return err
	}
	for d.json.More() {
		var record struct {
			Data string `json:"data"`
		}
		if err := d.json.Decode(&record); err != nil {
			return err
		}
		if d.Records == maxRecords {
			return fault.New(fault.Internal, reasonTooMany)
		}
		d.Records++
		if err := d.record(record.Data); err != nil {
			return err
		}
	}
	return d.delim(']')
}

// record hands out what one record holds.
func (d *delivery) record(data string) error {
	if base64.StdEncoding.DecodedLen(len(data)) > MaxRecordBytes+2 {
		return fault.New(fault.Internal, reasonRecordTooBig)
	}
	body, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		body = []byte(data) // it is kept as it came
	}
	if len(body) > MaxRecordBytes {
		return fault.New(fault.Internal, reasonRecordTooBig)
	}
	if err != nil {
		return d.document(body)
	}
	before := d.Documents
	for n := 0; ; n++ {
		if body = bytes.TrimLeft(body, " \t\r\n"); len(body) == 0 {
			break
		}
		size := len(body)
		if n < maxDocuments {
			size = first(body)
		}
		if err := d.document(body[:size:size]); err != nil {
			return err
		}
		body = body[size:]
	}
	if d.Documents == before {
		d.Empty++
	}
	return nil
}

// first returns the length of the first document of a text: all of it, if that
// is none.
func first(body []byte) int {
	dec := json.NewDecoder(bytes.NewReader(body))
	if dec.Decode(&skipped{}) != nil {
		return len(body)
	}
	return int(dec.InputOffset())
}

func (d *delivery) document(body []byte) error {
	if d.Documents == maxDelivered {
		return fault.New(fault.Internal, reasonTooMany)
	}
	n := d.Documents
	d.Documents++
	if err := d.each(Document{Number: n, Body: body}); err != nil {
		return &refused{err}
	}
	return nil
}

// refused is an error of whoever receives the documents.
type refused struct{ error }

// reason returns the error that a request ends with. None but the receiver's
// says anything of what was read.
func (d *delivery) reason(err error) error {
	var theirs *refused
	var ours *fault.Error
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &theirs):
		return theirs.error
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &syntax), errors.As(err, &kind):
		return errMalformed
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fault.New(fault.Invalid, reasonCutShort)
	case damaged(err):
		return fault.New(fault.Invalid, reasonMalformedGzip)
	}
	return fault.New(fault.Unavailable, reasonCutShort)
}
