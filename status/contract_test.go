package status_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"waybill/internal/events"
	"waybill/internal/testkit"
	"waybill/status"
)

// What Waybill writes is what docs/asyncapi.yaml says, with all fields, with as
// few as can be, and with any.

var (
	uuids = rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	names = rapid.StringMatching(`[a-z_]{1,12}`)
	texts = rapid.StringN(0, 40, 320).Filter(func(s string) bool { return !strings.Contains(s, "\x00") })
	times = rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMilli(rapid.Int64Range(0, 4_102_444_800_000).Draw(t, "ms")).UTC()
	})
	counters = rapid.MapOf(names, rapid.Int64Range(1, 1<<40))
)

// maybe is the zero value half of the time.
func maybe[E any](of *rapid.Generator[E]) *rapid.Generator[E] {
	var none E
	return rapid.OneOf(rapid.Just(none), of)
}

func maybeTime(t *rapid.T) *time.Time {
	if v := times.Draw(t, "time"); rapid.Bool().Draw(t, "known") {
		return &v
	}
	return nil
}

func anyStatus(t *rapid.T) events.Status {
	s := events.Status{
		Org: events.OrgID(uuids.Draw(t, "org")), ID: events.RowID(uuids.Draw(t, "id")),
		MessageID: maybe(uuids).Draw(t, "message"), ProviderID: texts.Draw(t, "provider"),
		Channel:    rapid.SampledFrom([]events.Channel{events.SMS, events.WhatsApp, events.Email, events.Voice}).Draw(t, "channel"),
		CampaignID: maybe(uuids).Draw(t, "campaign"), CustomerID: maybe(uuids).Draw(t, "customer"),
		Status: names.Draw(t, "status"), ErrorCode: texts.Draw(t, "code"), ErrorClass: maybe(names).Draw(t, "class"),
		Version: rapid.Int64Range(1, 1<<40).Draw(t, "version"), OccurredAt: maybeTime(t), ReceivedAt: times.Draw(t, "received"),
	}
	if s.Channel == events.Email {
		s.Recipients = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) events.RecipientStatus {
			return events.RecipientStatus{
				ID: uuids.Draw(t, "recipient"), Status: names.Draw(t, "status"), ErrorCode: texts.Draw(t, "code"), ErrorClass: maybe(names).Draw(t, "class"),
			}
		}), 0, 3).Draw(t, "recipients")
	}
	return s
}

func anyCampaign(t *rapid.T) events.CampaignStatus {
	return events.CampaignStatus{
		Org: events.OrgID(uuids.Draw(t, "org")), CampaignID: uuids.Draw(t, "campaign"),
		Messages: rapid.Int64Range(0, 1<<40).Draw(t, "messages"), Counters: counters.Draw(t, "counters"), Reached: counters.Draw(t, "reached"),
		CompletedAt: maybeTime(t), Overdue: rapid.Int64Range(1, 1<<40).Draw(t, "overdue"), // none is left out by the type that reads
		Version: rapid.Int64Range(1, 1<<40).Draw(t, "version"), At: times.Draw(t, "at"),
	}
}

func anySend(t *rapid.T) events.Send {
	return events.Send{
		Org:      events.OrgID(uuids.Draw(t, "org")),
		Channel:  rapid.SampledFrom([]events.Channel{events.SMS, events.WhatsApp, events.Email, events.Voice}).Draw(t, "channel"),
		Provider: rapid.SampledFrom([]events.Provider{events.Twilio, events.SES, events.Connect}).Draw(t, "provider"),
		Account:  texts.Draw(t, "account"), ProviderID: texts.Draw(t, "provider id"), MessageID: uuids.Draw(t, "message"),
		To: texts.Draw(t, "to"), From: texts.Draw(t, "from"), CampaignID: maybe(uuids).Draw(t, "campaign"), CustomerID: maybe(uuids).Draw(t, "customer"),
		Status: texts.Draw(t, "status"), ErrorCode: texts.Draw(t, "code"), SentAt: maybeTime(t),
		Receipt: events.NewReceiptID(), ReceivedAt: times.Draw(t, "received"),
	}
}

func TestEveryStatusRecordIsAsTheContractSaysAndIsRead(t *testing.T) {
	t.Parallel()
	contract := testkit.AsyncAPI(t)
	rapid.Check(t, func(t *rapid.T) {
		written := anyStatus(t)
		rec, err := written.Record()
		require.NoError(t, err)
		require.NoError(t, contract.Exact(&rec))
		if written.Channel == events.Voice {
			got, err := status.DecodeCall(read(&rec))
			require.NoError(t, err)
			require.Equal(t, written.EventID(), got.EventID)
			sameJSON(t, written, got)
			return
		}
		got, err := status.DecodeMessage(read(&rec))
		require.NoError(t, err)
		require.Equal(t, written.EventID(), got.EventID)
		sameJSON(t, written, got)
	})
	rapid.Check(t, func(t *rapid.T) {
		written := anyCampaign(t)
		rec, err := written.Record()
		require.NoError(t, err)
		require.NoError(t, contract.Exact(&rec))
		got, err := status.DecodeCampaign(read(&rec))
		require.NoError(t, err)
		require.Equal(t, rec.Header("ce_id"), got.EventID)
		sameJSON(t, written, got)
	})
}

// sameJSON is that nothing of a record was lost on the way into our types.
func sameJSON(t require.TestingT, written, got any) {
	want, err := json.Marshal(written)
	require.NoError(t, err)
	have, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(have))
}

func TestEverySendRecordIsAsTheContractSays(t *testing.T) {
	t.Parallel()
	contract := testkit.AsyncAPI(t)
	rapid.Check(t, func(t *rapid.T) {
		s := anySend(t)
		rec, err := s.Record()
		require.NoError(t, err)
		require.NoError(t, contract.Exact(&rec))
		_, err = events.DecodeSend(&rec)
		require.NoError(t, err, "the contract allows what Waybill refuses")
	})
}

// What the contract refuses is refused by Waybill too, and the other way round.
func TestTheContractKnowsBadSendRecords(t *testing.T) {
	t.Parallel()
	contract := testkit.AsyncAPI(t)
	good := map[string]any{"org_id": org, "channel": "sms", "provider": "twilio", "provider_id": "SM1", "message_id": rowID, "flavour": 1}
	for name, c := range map[string]struct {
		field string
		value any // nil leaves it out
		ok    bool
	}{
		"as it is":            {"flavour", 2, true},
		"no provider id":      {"provider_id", nil, true},
		"no message id":       {"message_id", nil, true},
		"no organisation":     {"org_id", nil, false},
		"no channel":          {"channel", nil, false},
		"no provider":         {"provider", nil, false},
		"another channel":     {"channel", "fax", false},
		"another provider":    {"provider", "stripe", false},
		"an id that is none":  {"campaign_id", "c1", false},
		"a number for a text": {"error_code", 30003, false},
		"a text too long":     {"to", fmt.Sprintf("%0321d", 1), false},
		"a text with NUL":     {"from", "a\x00b", false},
		"a time that is none": {"sent_at", "yesterday", false},
	} {
		body := map[string]any{}
		for k, v := range good {
			body[k] = v
		}
		if body[c.field] = c.value; c.value == nil {
			delete(body, c.field)
		}
		value, err := json.Marshal(body)
		require.NoError(t, err)
		rec := events.Record{Topic: events.TopicSends, Key: []byte("k"), Value: value}
		_, waybill := events.DecodeSend(&rec)
		published := contract.Published(&rec)
		require.Equal(t, c.ok, waybill == nil, "Waybill, %s: %v", name, waybill)
		require.Equal(t, c.ok, published == nil, "contract, %s: %v", name, published)
	}
	rec := events.Record{Topic: events.TopicSends, Key: []byte("k"), Value: []byte(`{"org_id":"` + org + `","channel":"sms","provider":"twilio"}`)}
	require.ErrorContains(t, contract.Published(&rec), "anyOf", "one of the ids is needed")
}
