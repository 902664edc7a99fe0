package events

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"waybill/internal/fault"
)

// CloudEvents 1.0 attributes in Kafka binary mode: headers with the prefix ce_.
// See the CloudEvents Kafka protocol binding, section 3.2.
const (
	headerSpecVersion = "ce_specversion"
	headerID          = "ce_id"
	headerSource      = "ce_source"
	headerType        = "ce_type"
	headerTime        = "ce_time"
	headerSchema      = "ce_dataschema"
	headerSubject     = "ce_subject"
	headerContent     = "content-type"

	specVersion = "1.0"
	schemaBase  = "https://waybill.dev/schemas/"
	timeLayout  = "2006-01-02T15:04:05.000Z07:00"
)

// Types of CloudEvents that Waybill writes; their data schemas carry the same name.
const (
	TypeRaw            = "waybill.raw.v1"
	TypeSend           = "waybill.send.v1"
	TypeMessage        = "waybill.message.v1"
	TypeCall           = "waybill.call.v1"
	TypeBilling        = "waybill.billing.v1"
	TypeMessageStatus  = "waybill.status.message.v1"
	TypeCallStatus     = "waybill.status.call.v1"
	TypeCampaignStatus = "waybill.status.campaign.v1"
	TypeConfig         = "waybill.config.v1"
	TypeConfirmation   = "waybill.control.confirm.v1"
	TypeRejected       = "waybill.rejected.v1"
)

// attributes are the CloudEvents attributes of one record.
type attributes struct {
	id, source, typ, subject, content string
	time                              time.Time
}

func (a attributes) headers(extra int) []Header {
	hs := make([]Header, 0, 8+extra)
	add := func(k, v string) {
		if v != "" {
			hs = append(hs, Header{Key: k, Value: []byte(v)})
		}
	}
	add(headerSpecVersion, specVersion)
	add(headerID, a.id)
	add(headerSource, a.source)
	add(headerType, a.typ)
	add(headerSubject, a.subject)
	add(headerTime, a.time.UTC().Format(timeLayout))
	add(headerSchema, schemaBase+a.typ)
	add(headerContent, a.content)
	return hs
}

// expect refuses a record that is of none of the wanted types.
func expect(r *Record, types ...string) error {
	if !slices.Contains(types, r.Header(headerType)) {
		return fault.Wrap(fault.Invalid, "wrong_type", fmt.Errorf("record is not of type %s", strings.Join(types, " or ")))
	}
	return nil
}

func recordTime(r *Record) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, r.Header(headerTime))
	if err != nil {
		return time.Time{}, fault.New(fault.Invalid, "bad_time")
	}
	return t.UTC(), nil
}
