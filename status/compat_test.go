package status_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/testkit"
	"waybill/status"
)

// kept is a record that lies in somebody's Kafka. The files of testdata/v1 are
// never edited and never deleted: a release that cannot read one of them breaks
// its readers.
type kept struct {
	Topic   string            `json:"topic"`
	Key     string            `json:"key"`
	Headers map[string]string `json:"headers"`
	Payload json.RawMessage   `json:"payload"`
}

func open(t *testing.T, name string) kept {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "v1", name+".json"))
	require.NoError(t, err)
	var k kept
	require.NoError(t, json.Unmarshal(b, &k))
	return k
}

func (k *kept) record() events.Record {
	rec := events.Record{Topic: k.Topic, Key: []byte(k.Key), Value: k.Payload}
	for _, name := range slices.Sorted(maps.Keys(k.Headers)) {
		rec.Headers = append(rec.Headers, events.Header{Key: name, Value: []byte(k.Headers[name])})
	}
	return rec
}

// grown returns the record as a newer Waybill might write it, with fields and
// headers that nobody knows today.
func (k *kept) grown(t *testing.T) kept {
	t.Helper()
	var payload map[string]any
	require.NoError(t, json.Unmarshal(k.Payload, &payload))
	grow(payload)
	b, err := json.Marshal(payload)
	require.NoError(t, err)
	headers := maps.Clone(k.Headers)
	headers["ce_partitionkey"], headers["traceparent"] = "x", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	return kept{Topic: k.Topic, Key: k.Key, Headers: headers, Payload: b}
}

func grow(object map[string]any) {
	list, _ := object["recipients"].([]any)
	for _, r := range list {
		grow(r.(map[string]any))
	}
	object["flavour"], object["parts"], object["nothing"] = map[string]any{"status": 1}, []any{"x", 2}, nil
}

func decoder[E any](decode func(*message.Message) (E, error)) func(*message.Message) (any, error) {
	return func(msg *message.Message) (any, error) { return decode(msg) }
}

func TestEveryOldRecordIsReadAndReadsTheSameWithNewFields(t *testing.T) {
	t.Parallel()
	before := at.Add(-1500 * time.Millisecond)
	sms, call, snapshot := decoder(status.DecodeMessage), decoder(status.DecodeCall), decoder(status.DecodeCampaign)
	full := status.Transition{
		EventID: "02f34603-9ecc-5940-9cc0-45f30b5c8c09", Org: org, ID: rowID, MessageID: rowID,
		ProviderID: "SM0123456789abcdef0123456789abcdef", Channel: "sms", CampaignID: campaign, CustomerID: customer,
		Status: "undelivered", ErrorCode: "30003", ErrorClass: "unreachable", Version: 3, OccurredAt: &before, ReceivedAt: at,
	}
	email, voice := full, full
	email.EventID, email.ProviderID, email.Channel, email.Version = "8d6f4603-9ecc-5940-9cc0-45f30b5c8c01", "0100018c-4f3a-4d2b-9a53-0f6f3c1b2a01-000000", "email", 4
	email.Status, email.ErrorCode, email.ErrorClass = "bounced_permanent", "", ""
	voice.EventID, voice.MessageID, voice.ProviderID = "9e6f4603-9ecc-5940-9cc0-45f30b5c8c02", "", "CA0123456789abcdef0123456789abcdef"
	voice.Channel, voice.CampaignID, voice.Status, voice.ErrorCode, voice.ErrorClass = "voice", "", "completed", "", ""

	cases := map[string]struct {
		decode func(*message.Message) (any, error)
		want   any
	}{
		"message": {sms, status.Message{Transition: full}},
		"message_least": {sms, status.Message{Transition: status.Transition{
			EventID: "0dbf3ce6-009d-5af8-96b1-9c62b2ad84df", Org: org, ID: rowID, Channel: "sms", Status: "intended", Version: 1, ReceivedAt: at,
		}}},
		"message_email": {sms, status.Message{Transition: email, Recipients: []status.Recipient{
			{ID: "3f2f3a52-90d1-4f0e-8a8c-2f1f5b1c9d11", Status: "delivered"},
			{ID: "4f2f3a52-90d1-4f0e-8a8c-2f1f5b1c9d12", Status: "bounced_permanent", ErrorCode: "5.1.1", ErrorClass: "invalid_number"},
		}}},
		"call": {call, status.Call{Transition: voice}},
		"campaign": {snapshot, status.Campaign{
			EventID: "856f69db-f62e-5ce8-b5de-a47950ec59d7", Org: org, ID: campaign, Messages: 3, Counters: map[string]int64{"sent": 1, "delivered": 2},
			Reached: map[string]int64{"sent": 3, "delivered": 2}, Version: 9, At: at,
		}},
		"campaign_least": {snapshot, status.Campaign{
			EventID: "a17181de-9896-521b-98d9-6c3e1588fc76", Org: org, ID: campaign, Counters: map[string]int64{}, Reached: map[string]int64{}, Version: 1, At: at,
		}},
		"campaign_complete": {snapshot, status.Campaign{
			EventID: "ae6f4603-9ecc-5940-9cc0-45f30b5c8c03", Org: org, ID: campaign, Messages: 3, Counters: map[string]int64{"undelivered": 1, "delivered": 2},
			Reached: map[string]int64{"sent": 3, "delivered": 2}, Overdue: 1, CompletedAt: &before, Version: 9, At: at,
		}},
	}
	files, err := filepath.Glob("testdata/v1/*.json")
	require.NoError(t, err)
	require.Len(t, files, len(cases), "a file without a case, or one was deleted")
	contract := testkit.AsyncAPI(t)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old := open(t, name)
			for _, k := range []kept{old, old.grown(t)} {
				rec := k.record()
				require.NoError(t, contract.Published(&rec))
				got, err := c.decode(read(&rec))
				require.NoError(t, err)
				require.Empty(t, cmp.Diff(c.want, got))
			}
			rec := old.record()
			require.NoError(t, contract.Exact(&rec))
			grown := old.grown(t)
			rec = grown.record()
			unnamed := []string{"'/traceparent'", "'/flavour'", "'/parts'", "'/nothing'"}
			if name == "message_email" {
				unnamed = append(unnamed, "'/recipients/1/flavour'")
			}
			for _, field := range unnamed {
				require.ErrorContains(t, contract.Exact(&rec), field, "nobody would notice that Waybill writes what the contract does not name")
			}
		})
	}
}

// Tomorrow's status, channel and error class are no errors today.
func TestOpenSetsAreOpen(t *testing.T) {
	t.Parallel()
	k := open(t, "message")
	k.Payload = []byte(strings.NewReplacer(`"undelivered"`, `"teleported"`, `"sms"`, `"rcs"`, `"unreachable"`, `"asleep"`).Replace(string(k.Payload)))
	rec := k.record()
	require.NoError(t, testkit.AsyncAPI(t).Published(&rec))
	m, err := status.DecodeMessage(read(&rec))
	require.NoError(t, err)
	require.Equal(t, []string{"teleported", "rcs", "asleep"}, []string{m.Status, m.Channel, m.ErrorClass})
	require.False(t, status.Terminal(m.Status))

	c := status.Campaign{Messages: 6, Counters: map[string]int64{"teleported": 1, "sent": 2, "delivered": 3}}
	require.EqualValues(t, 3, c.Open())
}

func TestForeignRecords(t *testing.T) {
	t.Parallel()
	const leak = "+15550100002"
	payload := func(replace ...string) func(*kept) {
		return func(k *kept) { k.Payload = []byte(strings.NewReplacer(replace...).Replace(string(k.Payload))) }
	}
	for name, c := range map[string]struct {
		change func(*kept)
		want   string
	}{
		"no headers":        {func(k *kept) { k.Headers = nil }, "no ce_type in its metadata"},
		"another type":      {func(k *kept) { k.Headers["ce_type"] = leak }, "its ce_type is not waybill.status.message.v1"},
		"no payload":        {func(k *kept) { k.Payload = nil }, "not the JSON"},
		"no JSON":           {func(k *kept) { k.Payload = []byte(leak) }, "not the JSON"},
		"a list":            {func(k *kept) { k.Payload = []byte("[]") }, "not the JSON"},
		"null":              {func(k *kept) { k.Payload = []byte("null") }, "no org_id"},
		"no organisation":   {payload(`"org_id"`, `"org"`), "no org_id"},
		"no id":             {payload(`"id"`, `"row"`), "no id"},
		"no status":         {payload(`"undelivered"`, `""`), "no status"},
		"no version":        {payload(`"version": 3`, `"version": 0`), "no version"},
		"a version in text": {payload(`"version": 3`, `"version": "`+leak+`"`), "version has another type"},
		"a time that is no": {payload(`"2026-11-23T15:04:05.678Z"`, `"`+leak+`"`), "not the JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := open(t, "message")
			c.change(&k)
			rec := k.record()
			got, err := status.DecodeMessage(read(&rec))
			require.ErrorIs(t, err, status.ErrForeign)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), leak)
			require.Zero(t, got)
		})
	}
	k := open(t, "campaign")
	rec := k.record()
	_, err := status.DecodeMessage(read(&rec))
	require.ErrorIs(t, err, status.ErrForeign)
	k.Payload = []byte(strings.Replace(string(k.Payload), "campaign_id", "id", 1))
	rec = k.record()
	_, err = status.DecodeCampaign(read(&rec))
	require.ErrorContains(t, err, "no campaign_id")
}
