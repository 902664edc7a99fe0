package connect_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/fault"
	"waybill/internal/provider"
	"waybill/internal/provider/connect"
	"waybill/internal/provider/providertest"
	"waybill/internal/tenantmap"
	"waybill/internal/testkit"
	"waybill/internal/voice"
)

// detailOf is the detail of an answered call's end.
const detailOf = `{
	"eventType": "DISCONNECTED", "contactId": "` + contact + `", "instanceArn": "` + instance + `",
	"channel": "VOICE", "initiationMethod": "INBOUND", "disconnectReason": "CUSTOMER_DISCONNECT",
	"initiationTimestamp": "2026-11-23T10:00:00.000Z", "connectedToSystemTimestamp": "2026-11-23T10:00:01.000Z",
	"disconnectTimestamp": "2026-11-23T10:02:00.000Z",
	"queueInfo": {"queueArn": "` + instance + `/queue/q-1", "enqueueTimestamp": "2026-11-23T10:00:05.000Z"},
	"agentInfo": {"connectedToAgentTimestamp": "2026-11-23T10:00:20.000Z"},
	"customerEndpoint": {"type": "TELEPHONE_NUMBER", "address": "+15550100002"},
	"tags": {"aws:connect:instanceId": "12345678-1234-1234-1234-123456789012", "aws:connect:systemEndpoint": "+15550100001"}
}`

// eventOf returns an event with members of its detail and of itself set.
func eventOf(t testing.TB, detail, outer map[string]any) []byte {
	t.Helper()
	set := map[string]any{"detail": json.RawMessage(object(t, detailOf, detail))}
	for name, value := range outer {
		set[name] = value
	}
	return object(t, `{"id": "e-1", "source": "aws.connect", "detail-type": "Amazon Connect Contact Event", "time": "2026-11-23T10:02:00Z"}`, set)
}

func TestEvent(t *testing.T) {
	t.Parallel()
	p, err := parse(events.KindContact, instance, eventOf(t, nil, nil))
	require.NoError(t, err)
	testkit.Golden(t, "event-disconnected.json", golden(t, &p))
	require.Equal(t, events.EventID("connect/"+instance+"/contact.event/e-1"), p.EventID)
}

func TestEventStatuses(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"INITIATED": "initiated", "initiated": "initiated", "CONNECTED_TO_SYSTEM": "initiated",
		"CONNECTED_TO_AGENT": "in_progress", "Connected_To_Agent": "in_progress",
		"DISCONNECTED": "completed", "COMPLETED": "completed",
		"QUEUED": "", "PAUSED": "", "RESUMED": "", "TRANSFERRED": "", "CONTACT_DATA_UPDATED": "", "AMD_DISABLED": "", "WEBRTC_API": "",
	} {
		bare := map[string]any{"eventType": kind, "queueInfo": nil, "agentInfo": nil}
		p, err := parse(events.KindContact, instance, eventOf(t, bare, nil))
		require.NoError(t, err, kind)
		require.Equal(t, want, p.Call.Status, kind)
		if want == "" {
			require.Equal(t, strings.ToLower(kind), p.Call.Facts[0].Name)
			require.Equal(t, "2026-11-23T10:02:00Z", p.Call.Facts[0].At.Format(time.RFC3339))
		}
		_, known := voice.Lookup(p.Call.Status)
		require.True(t, known || want == "", kind)
	}
	// The queue's own clock is better than that of the event.
	p, err := parse(events.KindContact, instance, eventOf(t, map[string]any{"eventType": "QUEUED"}, nil))
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(golden(t, &p)), `"queued"`))
}

func TestEventBadInput(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("1", 400)
	for _, c := range []struct {
		name          string
		detail, outer map[string]any
		want          string
		named         bool // has an event id all the same
	}{
		{"another source", nil, map[string]any{"source": "aws.ec2"}, "not_a_contact_event", true},
		{"another event", nil, map[string]any{"detail-type": "Contact Lens"}, "not_a_contact_event", true},
		{"no id", nil, map[string]any{"id": nil}, "bad_event_id", false},
		{"id of another type", nil, map[string]any{"id": 7}, "bad_event_id", false},
		{"id with a blank", nil, map[string]any{"id": "a b"}, "bad_event_id", false},
		{"id with NUL", nil, map[string]any{"id": "a\x00"}, "bad_event_id", false},
		{"long id", nil, map[string]any{"id": long}, "bad_event_id", false},
		{"no detail", nil, map[string]any{"detail": nil}, "bad_contact_id", true},
		{"detail of another type", nil, map[string]any{"detail": []int{1}}, "bad_contact_id", true},
		{"no contact", map[string]any{"contactId": nil}, nil, "bad_contact_id", true},
		{"no instance", map[string]any{"instanceArn": nil, "tags": nil}, nil, "missing_instance", true},
		{"another instance", map[string]any{"instanceArn": captured}, nil, "instance_mismatch", true},
		{"another instance's tag", map[string]any{"tags": map[string]string{"aws:connect:instanceId": "9"}}, nil, "instance_mismatch", true},
		{"no type", map[string]any{"eventType": nil}, nil, "unknown_status", true},
		{"unknown type", map[string]any{"eventType": "EXPLODED"}, nil, "unknown_status", true},
		{"bad time", nil, map[string]any{"time": "yesterday"}, "bad_time", true},
		{"bad detail time", map[string]any{"disconnectTimestamp": "2026-13-01"}, nil, "bad_time", true},
		{"bad agent time", map[string]any{"agentInfo": map[string]string{"connectedToAgentTimestamp": "soon"}}, nil, "bad_time", true},
		{"long address", map[string]any{"customerEndpoint": map[string]string{"address": long}}, nil, "oversized_address", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			raw := rawOf(events.KindContact, instance, eventOf(t, c.detail, c.outer))
			p, err := connect.Parser{}.Parse(raw)
			require.EqualError(t, err, c.want)
			require.Equal(t, c.named, p.EventID != "")
			sound(t, raw)
		})
	}
	for body, want := range map[string]string{
		"": "undecodable", "hello": "undecodable", `"hello"`: "undecodable", "[]": "undecodable", `{"id":`: "undecodable",
		"{} {}": "undecodable", "null": "not_a_contact_event",
		strings.Repeat(`{"a":`, 20_000):          "undecodable",
		`{"TopicArn":"a"}`:                       "bad_envelope",
		`{"TopicArn":"a","Type":"Notification"}`: "bad_envelope",
		`{"TopicArn":"a","Type":"SubscriptionConfirmation","Message":"You have chosen"}`: "bad_envelope",
		envelope(t, "Notification", "plain text", nil):                                   "undecodable",
		envelope(t, "SubscriptionConfirmation", "You have chosen", nil):                  "bad_envelope",
	} {
		_, err := parse(events.KindContact, instance, []byte(body))
		require.EqualError(t, err, want)
		require.Equal(t, fault.Invalid, fault.ClassOf(err))
	}
	_, err := parse(events.KindCall, instance, eventOf(t, nil, nil))
	require.EqualError(t, err, "unknown_kind")
	require.Equal(t, events.Connect, connect.Parser{}.Provider())
}

// A forged member beside what SNS signed must not become the event.
func TestEnvelopeDecidesBySignedKeys(t *testing.T) {
	t.Parallel()
	genuine := eventOf(t, nil, nil)
	forged := map[string]any{}
	require.NoError(t, json.Unmarshal(eventOf(t, map[string]any{"contactId": "forged"}, nil), &forged))
	p, err := parse(events.KindContact, instance, []byte(envelope(t, "Notification", string(genuine), forged)))
	require.NoError(t, err)
	require.Equal(t, contact, p.Call.ProviderID)
	direct, err := parse(events.KindContact, instance, genuine)
	require.NoError(t, err)
	require.Equal(t, direct, p, "the same by either way in")
	forged["message"] = "x"
	_, err = parse(events.KindContact, instance, []byte(envelope(t, "Notification", string(genuine), forged)))
	require.EqualError(t, err, "bad_envelope", "who reads keys without their case would take it for the signed one")
}

// A topic asks to be confirmed: it is the topic that is, whatever instance its
// events are verified as.
func TestTopicControl(t *testing.T) {
	t.Parallel()
	p, err := parse(events.KindTopic, instance, []byte(envelope(t, "SubscriptionConfirmation", "You have chosen", nil)))
	require.NoError(t, err)
	require.Equal(t, provider.Parsed{
		EventID:  "connect/" + instance + "/topic.control/m-1",
		Evidence: tenantmap.Evidence{Provider: events.Connect, Signer: instance, ProviderID: topicARN, At: received},
		Ignored:  "subscription_confirmation",
		Confirm: &events.Confirmation{
			EventID: p.EventID, Provider: events.Connect, TopicARN: topicARN, Token: "2336412f37", ReceivedAt: received,
		},
	}, p)
	p, err = parse(events.KindTopic, instance, []byte(envelope(t, "UnsubscribeConfirmation", "You have chosen", nil)))
	require.NoError(t, err)
	require.Equal(t, "unsubscribe_confirmation", p.Ignored)
	require.Nil(t, p.Confirm)
	p, err = parse(events.KindTopic, instance, []byte(envelope(t, "Notification", "{}", nil)))
	require.EqualError(t, err, "not_a_confirmation")
	require.NotEmpty(t, p.EventID)
}

// What AWS writes otherwise than it did is no reason to lose an event.
func TestEventToleratesWhatIsNotNeeded(t *testing.T) {
	t.Parallel()
	p, err := parse(events.KindContact, instance, eventOf(t, map[string]any{
		"agentInfo": []int{1}, "queueInfo": "none", "customerEndpoint": nil, "disconnectReason": map[string]int{"code": 1},
		"channel": "Voice", "initiationMethod": "SOMETHING_NEW", "contactLens": 1e300, "previousContactId": "not an id",
		"connectedToSystemTimestamp": "1970-01-01T00:00:00.001Z", "initiationTimestamp": nil,
	}, map[string]any{"time": nil}))
	require.NoError(t, err)
	require.Equal(t, "completed", p.Call.Status)
	require.Empty(t, p.Call.Direction)
	require.Empty(t, p.Call.From+p.Call.To+p.Call.ParentID)
	require.Nil(t, p.Call.OccurredAt)
	require.Equal(t, received, p.Evidence.At)
	require.Len(t, p.Call.Facts, 1, "the channel alone")
	require.Equal(t, "VOICE", p.Call.Facts[0].Value)
}

func TestDirections(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, channel string
		want            events.Direction
	}{
		{"INBOUND", "VOICE", events.Inbound},
		{"Outbound", "Voice", events.Outbound},
		{"CALLBACK", "VOICE", events.Outbound},
		{"TRANSFER", "VOICE", events.Inbound},
		{"API", "VOICE", events.Outbound},
		{"API", "CHAT", events.Inbound},
	} {
		p, err := parse(events.KindContact, instance, eventOf(t, map[string]any{"initiationMethod": c.method, "channel": c.channel}, nil))
		require.NoError(t, err)
		require.Equal(t, c.want, p.Call.Direction, c)
		ours := p.Call.To
		if c.want == events.Outbound {
			ours = p.Call.From
		}
		require.Equal(t, "+15550100001", ours)
		require.Equal(t, []tenantmap.Key{tenantmap.SenderKey("+15550100001")}, p.Evidence.Senders)
	}
}

func TestParents(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ previous, initial, want string }{
		{"p-1", "i-1", "p-1"}, {"", "i-1", "i-1"}, {"", "", ""}, {"", contact, ""}, {contact, "i-1", "i-1"},
	} {
		p, err := parse(events.KindContact, instance, eventOf(t, map[string]any{"previousContactId": c.previous, "initialContactId": c.initial}, nil))
		require.NoError(t, err)
		require.Equal(t, c.want, p.Call.ParentID)
		require.Len(t, p.Evidence.Parents, len(c.want)/3)
	}
}

func TestKeyOf(t *testing.T) {
	t.Parallel()
	require.Equal(t, contact, connect.KeyOf(events.KindContact, eventOf(t, nil, nil)))
	require.Empty(t, connect.KeyOf(events.KindContact, []byte("hello")))
}

var eventVectors = []string{
	"event-connected-to-agent", "event-connected-to-agent-pascalcase", "event-contact-data-updated-chat", "event-disconnected-outbound",
	"lifecycle-1-initiated", "lifecycle-2-connected-to-system", "lifecycle-3-queued", "lifecycle-4-connected-to-agent", "lifecycle-5-paused",
	"lifecycle-6-resumed", "lifecycle-7-contact-data-updated", "lifecycle-8-disconnected", "lifecycle-9-completed",
}

func TestVectorsOfEvents(t *testing.T) {
	t.Parallel()
	n := providertest.Tally{Claimed: len(eventVectors) + 1}
	for _, name := range eventVectors {
		body := vector(t, name+".json")
		if t.Run(name, func(t *testing.T) {
			p, err := parse(events.KindContact, instance, body)
			require.NoError(t, err)
			testkit.Golden(t, name+".json", golden(t, &p))
			if !strings.HasPrefix(name, "lifecycle") {
				return
			}
			wrapped, err := parse(events.KindContact, instance, vector(t, "sns/"+name+".json"))
			require.NoError(t, err)
			require.Equal(t, p, wrapped, "the same by either way in")
		}) {
			n.AsIs++
		}
	}
	var api struct {
		Request struct{ Body json.RawMessage }
	}
	require.NoError(t, json.Unmarshal(vector(t, "api-destination-request.json"), &api))
	p, err := parse(events.KindContact, instance, api.Request.Body)
	require.NoError(t, err)
	require.Equal(t, "initiated", p.Call.Status)
	n.AsIs++
	n.Log(t, "connect contact events")
}

// fold applies events to a row as a worker does: each id once.
func fold(t testing.TB, parsed []provider.Parsed) voice.Call {
	t.Helper()
	var row voice.Call
	seen := map[events.EventID]bool{}
	for i, p := range parsed {
		if seen[p.EventID] {
			continue
		}
		seen[p.EventID] = true
		c := *p.Call
		c.Org, c.Row = "org", "row"
		var s events.Step
		row, s = voice.Fold(row, i > 0, &c)
		require.NotEqual(t, events.Dead, s.Outcome)
	}
	row.Version = 0
	return row
}

// The lifecycle ends the same in any order and with repeats, and a contact that
// no agent is known to have taken was not answered.
func TestLifecycleInAnyOrder(t *testing.T) {
	t.Parallel()
	var all []provider.Parsed
	for _, name := range eventVectors[4:] {
		p, err := parse(events.KindContact, instance, vector(t, name+".json"))
		require.NoError(t, err)
		all = append(all, p, p)
	}
	want := fold(t, all)
	require.Equal(t, "completed", want.Status)
	require.Equal(t, "+15550100001", want.To)
	require.Equal(t, "119", want.Facts["duration"].Value)
	require.Equal(t, "CUSTOMER_DISCONNECT", want.Facts["disconnect_reason"].Value)
	for range 50 {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		require.Empty(t, cmp.Diff(want, fold(t, all)))
	}
	alone, err := parse(events.KindContact, instance, eventOf(t, map[string]any{"agentInfo": nil}, nil))
	require.NoError(t, err)
	require.Equal(t, "no_answer", fold(t, []provider.Parsed{alone}).Status)
}
