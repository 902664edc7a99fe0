package connect_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/providertest"
	"waybill/internal/testkit"
)

const recordOf = `{
	"ContactId": "` + contact + `", "InstanceARN": "` + instance + `", "Channel": "VOICE", "InitiationMethod": "INBOUND",
	"InitiationTimestamp": "2026-11-23T10:00:00Z", "ConnectedToSystemTimestamp": "2026-11-23T10:00:01Z",
	"DisconnectTimestamp": "2026-11-23T10:02:00Z", "LastUpdateTimestamp": "2026-11-23T10:03:00Z",
	"TransferCompletedTimestamp": "2026-11-23T10:01:30Z", "DisconnectReason": "AGENT_DISCONNECT",
	"InitialContactId": "11111111-1111-4111-8111-111111111111", "PreviousContactId": "33333333-3333-4333-8333-333333333333",
	"NextContactId": "44444444-4444-4444-8444-444444444444", "AgentConnectionAttempts": 2,
	"Agent": {"ConnectedToAgentTimestamp": "2026-11-23T10:00:20Z", "AgentInteractionDuration": 90, "AfterContactWorkDuration": 32,
		"CustomerHoldDuration": 8, "NumberOfHolds": 1, "Username": "somebody"},
	"Queue": {"ARN": "` + instance + `/queue/q-1", "Duration": 15, "EnqueueTimestamp": "2026-11-23T10:00:05Z", "Name": "Basic"},
	"CustomerEndpoint": {"Address": "+15550100002", "Type": "TELEPHONE_NUMBER"},
	"SystemEndpoint": {"Address": "+15550100001", "Type": "TELEPHONE_NUMBER"},
	"Attributes": {"GreetingPlayed": "true", "greetingPlayed": "false"},
	"Recordings": [
		{"Location": null, "Status": "AVAILABLE"},
		{"Location": "bucket/a.wav", "Status": "Available", "StorageType": "S3", "ParticipantType": "IVR",
			"StartTimestamp": "2026-11-23T10:00:10Z", "StopTimestamp": "2026-11-23T10:01:40Z"},
		{"Location": "bucket/b.wav", "Status": "AVAILABLE"}
	]
}`

func TestRecord(t *testing.T) {
	t.Parallel()
	p, err := parse(events.KindContactRecord, instance, object(t, recordOf, nil))
	require.NoError(t, err)
	require.Equal(t, events.EventID("connect/"+instance+"/contact.record/"+contact+":2026-11-23T10:03:00Z"), p.EventID)
	testkit.Golden(t, "record.json", golden(t, &p))
	require.NotContains(t, string(golden(t, &p)), "somebody", "agents stay in the raw record")
}

// A repeat is the same event, however its time is spelled.
func TestRecordIsNamedByInstant(t *testing.T) {
	t.Parallel()
	p, err := parse(events.KindContactRecord, instance, object(t, recordOf, nil))
	require.NoError(t, err)
	for _, spelled := range []string{"2026-11-23T10:03:00.000Z", "2026-11-23T11:03:00+01:00"} {
		again, err := parse(events.KindContactRecord, instance, object(t, recordOf, map[string]any{"LastUpdateTimestamp": spelled}))
		require.NoError(t, err)
		require.Equal(t, p.EventID, again.EventID)
	}
}

func TestRecordStatuses(t *testing.T) {
	t.Parallel()
	for want, set := range map[string]map[string]any{
		"completed":   nil,
		"in_progress": {"DisconnectTimestamp": nil},
		"initiated":   {"DisconnectTimestamp": nil, "Agent": nil},
	} {
		p, err := parse(events.KindContactRecord, instance, object(t, recordOf, set))
		require.NoError(t, err)
		require.Equal(t, want, p.Call.Status)
	}
}

func TestRecordings(t *testing.T) {
	t.Parallel()
	one := func(set map[string]any) map[string]any {
		return map[string]any{"Recordings": nil, "Recording": json.RawMessage(object(t, `{"Location":"b/k","Status":"AVAILABLE"}`, set))}
	}
	for _, c := range []struct {
		set  map[string]any
		want *events.Recording
	}{
		{one(nil), &events.Recording{ProviderID: "b/k", Location: "b/k", Status: "completed"}},
		{one(map[string]any{"Status": nil}), &events.Recording{ProviderID: "b/k", Location: "b/k", Status: "completed"}},
		{one(map[string]any{"Status": "DELETED"}), &events.Recording{ProviderID: "b/k", Location: "b/k", Status: "absent"}},
		{one(map[string]any{"Status": "UPLOADING"}), &events.Recording{ProviderID: "b/k", Location: "b/k", Status: "in_progress"}},
		{one(map[string]any{"Location": strings.Repeat("k", 2000)}), nil},
		{map[string]any{"Recordings": nil}, nil},
		{map[string]any{"Recordings": "none"}, nil},
	} {
		p, err := parse(events.KindContactRecord, instance, object(t, recordOf, c.set))
		require.NoError(t, err)
		require.Equal(t, c.want, p.Call.Recording)
		require.Empty(t, p.Call.MoreRecordings)
	}
	// Every one of a record, and the one that stands outside the list once.
	p, err := parse(events.KindContactRecord, instance, object(t, recordOf, map[string]any{
		"Recordings": []map[string]string{
			{"Location": "b/1", "ParticipantType": "IVR", "Status": "AVAILABLE"}, {"Location": ""}, {"Location": "b/2", "Status": "DELETED"}, {"Location": "b/3"},
		},
		"Recording": map[string]string{"Location": "b/1"},
	}))
	require.NoError(t, err)
	require.Equal(t, []events.Recording{
		{ProviderID: "b/1", Location: "b/1", Track: "IVR", Status: "completed"},
		{ProviderID: "b/2", Location: "b/2", Status: "absent"},
		{ProviderID: "b/3", Location: "b/3", Status: "completed"},
	}, p.Call.AllRecordings())
}

// A list of any length costs what its first hundred do.
func TestRecordWithVeryManyRecordings(t *testing.T) {
	const many = 40_000
	list := make([]map[string]string, many)
	for i := range list {
		list[i] = map[string]string{"Location": "b/" + strconv.Itoa(i)}
	}
	body := object(t, recordOf, map[string]any{"Recordings": list})
	p, err := parse(events.KindContactRecord, instance, body)
	require.NoError(t, err)
	require.Len(t, p.Call.AllRecordings(), 100)
	require.Equal(t, "b/99", p.Call.MoreRecordings[98].Location)
	require.Contains(t, p.Call.Facts, facts.Fact{Name: "recordings", Value: strconv.Itoa(many), At: p.Call.OccurredAt})

	require.Equal(t, p.Evidence.ProviderID, connect.KeyOf(events.KindContactRecord, body))
	require.Less(t, testing.AllocsPerRun(5, func() { connect.KeyOf(events.KindContactRecord, body) }), 20.0, "the edge reads what it does not need")
}

func TestRecordBadInput(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("1", 400)
	for _, c := range []struct {
		name  string
		set   map[string]any
		want  string
		named bool
	}{
		{"no contact", map[string]any{"ContactId": nil}, "bad_contact_id", false},
		{"no time", map[string]any{"LastUpdateTimestamp": nil}, "bad_time", false},
		{"not yet", map[string]any{"LastUpdateTimestamp": "1970-01-01T00:00:00.001Z"}, "bad_time", false},
		{"no such time", map[string]any{"LastUpdateTimestamp": "9999-99-99T00:00:00Z"}, "bad_time", false},
		{"too late to be written", map[string]any{"LastUpdateTimestamp": "9999-12-31T23:59:59-23:59"}, "bad_time", false},
		{"bad end", map[string]any{"DisconnectTimestamp": "x"}, "bad_time", true},
		{"bad recording", map[string]any{"Recordings": []map[string]string{{"Location": "b/k", "StartTimestamp": "x"}}}, "bad_time", true},
		{"no instance", map[string]any{"InstanceARN": nil}, "missing_instance", true},
		{"another instance", map[string]any{"InstanceARN": captured}, "instance_mismatch", true},
		{"long address", map[string]any{"SystemEndpoint": map[string]string{"Address": long}}, "oversized_address", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			raw := rawOf(events.KindContactRecord, instance, object(t, recordOf, c.set))
			p, err := connect.Parser{}.Parse(raw)
			require.EqualError(t, err, c.want)
			require.Equal(t, c.named, p.EventID != "")
			sound(t, raw)
		})
	}
	for _, body := range []string{"", "hello", "7", "[]"} {
		_, err := parse(events.KindContactRecord, instance, []byte(body))
		require.EqualError(t, err, "undecodable")
	}
	p, err := parse(events.KindContactRecord, instance, object(t, recordOf, map[string]any{
		"Queue": map[string]any{"Duration": "7"}, "Agent": map[string]any{"NumberOfHolds": -1, "CustomerHoldDuration": 1.5},
		"AgentConnectionAttempts": json.RawMessage("1e999"), "DisconnectTimestamp": "2026-11-23T09:00:00Z",
	}))
	require.NoError(t, err)
	for _, f := range p.Call.Facts {
		require.NotContains(t, []string{"queue_duration", "holds", "hold_duration", "agent_attempts", "duration"}, f.Name)
	}
}

var recordVectors = []string{
	"ctr-voice-abandoned-in-queue", "ctr-voice-answered", "ctr-voice-update-1", "ctr-voice-update-2", "ctr-voice-update-3",
}

func TestVectorsOfRecords(t *testing.T) {
	t.Parallel()
	n := providertest.Tally{Claimed: len(recordVectors)}
	for _, name := range recordVectors {
		body := vector(t, name+".json")
		if t.Run(name, func(t *testing.T) {
			var said struct{ InstanceARN string }
			require.NoError(t, json.Unmarshal(body, &said))
			p, err := parse(events.KindContactRecord, said.InstanceARN, body)
			require.NoError(t, err)
			testkit.Golden(t, name+".json", golden(t, &p))
			want := "completed"
			if strings.Contains(name, "abandoned") {
				want = "no_answer"
			}
			require.Equal(t, want, fold(t, []provider.Parsed{p}).Status)
		}) {
			n.AsIs++
		}
	}
	n.Log(t, "connect contact records")
}

// Every update of a record is an event of its own, and the newest wins in any
// order.
func TestRecordUpdates(t *testing.T) {
	t.Parallel()
	var all []provider.Parsed
	for i, at := range []string{"10:03:00", "10:04:00", "10:05:00"} {
		p, err := parse(events.KindContactRecord, instance, object(t, recordOf, map[string]any{
			"LastUpdateTimestamp": "2026-11-23T" + at + "Z", "Queue": map[string]any{"Duration": 30 - i},
		}))
		require.NoError(t, err)
		all = append(all, p)
	}
	want := fold(t, all)
	require.Equal(t, "28", want.Facts["queue_duration"].Value)
	require.Empty(t, cmp.Diff(want, fold(t, []provider.Parsed{all[2], all[0], all[1], all[0]})))
}
