package status_test

import (
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
)

const (
	org      = "0b8f1c9e-6d52-4a57-9a53-0f6f3c1b2a01"
	otherOrg = "1c8f1c9e-6d52-4a57-9a53-0f6f3c1b2a02"
	rowID    = "7d4f3a52-90d1-4f0e-8a8c-2f1f5b1c9d10"
	campaign = "6f0c2f1e-0d4e-4a8e-9a53-0f6f3c1b2a01"
	customer = "5e0c2f1e-0d4e-4a8e-9a53-0f6f3c1b2a03"
)

var at = time.Date(2026, 11, 23, 15, 4, 5, 678_000_000, time.UTC)

// transition is a status event of a message as Waybill writes it.
func transition(org, id string, version int64, status string) events.Status {
	return events.Status{
		Org: events.OrgID(org), ID: events.RowID(id), Channel: events.SMS, Status: status, Version: version, ReceivedAt: at,
	}
}

func record(t testing.TB, of interface{ Record() (events.Record, error) }) events.Record {
	t.Helper()
	rec, err := of.Record()
	require.NoError(t, err)
	return rec
}

// read returns a record as a Watermill subscriber gives it.
func read(rec *events.Record) *message.Message {
	msg := message.NewMessage("", rec.Value)
	for _, h := range rec.Headers {
		msg.Metadata.Set(h.Key, string(h.Value))
	}
	return msg
}
