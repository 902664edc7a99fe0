package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/history"
	"waybill/internal/operate"
	"waybill/internal/simulate"
)

// contactAt is when the contacts of these tests begin, by Amazon Connect's clock.
var contactAt = time.Now().Add(-time.Hour).Truncate(time.Second).UTC()

// contactCentre enters an instance with its keys, and a topic that carries its
// events beside its API destination.
func (a *amazon) contactCentre() (contacts, topic) {
	a.t.Helper()
	c, p := newContacts(a.house), a.newTopic(contactPath)
	a.subscribe(p, operate.ConnectTopic(p.arn, c.arn, a.a.org)...)
	return c, p
}

func after(seconds int) string {
	return contactAt.Add(time.Duration(seconds) * time.Second).Format("2006-01-02T15:04:05.000Z")
}

// happened is an event of a contact, so many seconds after it began, as
// EventBridge delivers it: with an id of its own, the same by every way.
func (c contacts) happened(id, typ string, seconds int, more map[string]any) string {
	detail := map[string]any{
		"eventType": typ, "contactId": id, "instanceArn": c.arn, "channel": "VOICE", "initiationMethod": "INBOUND",
		"initiationTimestamp": after(0), "tags": map[string]string{"aws:connect:systemEndpoint": "+15550100001"},
	}
	maps.Copy(detail, more)
	text, _ := json.Marshal(map[string]any{ // of texts and maps
		"version": "0", "id": uuid.NewString(), "time": after(seconds), "source": "aws.connect",
		"detail-type": "Amazon Connect Contact Event", "region": "eu-west-1", "detail": detail,
	})
	return string(text)
}

// agent is that an agent answered 20 seconds after the contact began.
var agent = map[string]any{"agentInfo": map[string]string{"connectedToAgentTimestamp": after(20)}}

// events are those of a contact that an agent answers.
func (c contacts) events(id string) []string {
	system := map[string]any{"connectedToSystemTimestamp": after(1)}
	ended := map[string]any{"connectedToSystemTimestamp": after(1), "disconnectTimestamp": after(91), "disconnectReason": "CUSTOMER_DISCONNECT"}
	return []string{
		c.happened(id, "INITIATED", 0, nil), c.happened(id, "CONNECTED_TO_SYSTEM", 1, system),
		c.happened(id, "QUEUED", 5, map[string]any{"queueInfo": map[string]string{"queueArn": c.arn + "/queue/q1", "enqueueTimestamp": after(5)}}),
		c.happened(id, "CONNECTED_TO_AGENT", 20, agent), c.happened(id, "DISCONNECTED", 91, ended), c.happened(id, "COMPLETED", 95, ended),
	}
}

// whole is the record of a contact that an agent answered, with two recordings.
func (c contacts) whole(id string) string {
	recording := func(n int) map[string]any {
		return map[string]any{
			"Location": fmt.Sprintf("recordings/%s_%d.wav", id, n), "Status": "AVAILABLE", "StorageType": "S3", "Type": "AUDIO",
			"StartTimestamp": after(20), "StopTimestamp": after(20 + 30*n),
		}
	}
	text, _ := json.Marshal(map[string]any{ // of texts, numbers and maps
		"ContactId": id, "InstanceARN": c.arn, "Channel": "VOICE", "InitiationMethod": "INBOUND", "DisconnectReason": "CUSTOMER_DISCONNECT",
		"InitiationTimestamp": after(0), "ConnectedToSystemTimestamp": after(1), "DisconnectTimestamp": after(91), "LastUpdateTimestamp": after(200),
		"AgentConnectionAttempts": 1, "Attributes": map[string]string{"Name": "x", "name": "y"},
		"Agent": map[string]any{
			"ConnectedToAgentTimestamp": after(20), "AgentInteractionDuration": 71, "AfterContactWorkDuration": 4, "CustomerHoldDuration": 0, "NumberOfHolds": 0,
		},
		"Queue":            map[string]any{"ARN": c.arn + "/queue/q1", "EnqueueTimestamp": after(5), "Duration": 15},
		"CustomerEndpoint": map[string]string{"Type": "TELEPHONE_NUMBER", "Address": person},
		"SystemEndpoint":   map[string]string{"Type": "TELEPHONE_NUMBER", "Address": "+15550100001"},
		"Recording":        recording(1), "Recordings": []any{recording(1), recording(2)},
	})
	return string(text)
}

// contactRow is all that the rows of a contact say but for the names, the number
// of transitions and the times of receiving, as text.
func (a *amazon) contactRow(id string) (row string) {
	a.t.Helper()
	require.NoError(a.t, a.sql.QueryRow(a.t.Context(), `SELECT replace(jsonb_pretty(
		to_jsonb(c) - '{id,provider_id,version,received_at,last_at,updated_at}'::text[] || jsonb_build_object('recordings',
			(SELECT jsonb_agg(to_jsonb(r) - '{id,call_id,received_at,last_at,updated_at}'::text[] ORDER BY r.provider_id)
			FROM call_recordings r WHERE r.org_id = c.org_id AND r.call_id = c.id))), $1, 'CONTACT')
		FROM calls c WHERE provider_id = $1`, id).Scan(&row))
	return row
}

// The events of a contact come by a topic and by an API destination, both of each,
// and its record by Firehose: whatever their order, the call's row says the same,
// and each event is applied once.
func (a *amazon) playsAnyOrderOfAContact() {
	t := a.t
	c, p := a.contactCentre()
	const many = 8
	ids, scripts := make([]string, many), make([][]simulate.Request, many)
	for n := range many {
		ids[n] = uuid.NewString()
		scripts[n] = []simulate.Request{c.delivery(c.whole(ids[n]))}
		for _, text := range c.events(ids[n]) {
			scripts[n] = append(scripts[n], p.says(text), c.event(text))
		}
		scripts[n] = append(scripts[n], scripts[n][0]) // Firehose had no answer and tries again
		random := rand.New(rand.NewPCG(uint64(n), 23))
		random.Shuffle(len(scripts[n]), func(i, j int) { scripts[n][i], scripts[n][j] = scripts[n][j], scripts[n][i] })
	}
	for step := range scripts[0] {
		for _, s := range scripts {
			a.posts(s[step])
		}
	}
	for _, id := range ids {
		a.settled(id, 7)
		a.answeredContact(c, id)
		require.Equal(t, a.contactRow(ids[0]), a.contactRow(id))
		for _, e := range a.story(id).Events {
			a.event(id, func(again *history.Event) bool { return again.ID == e.ID && again.Duplicates == 1 })
		}
	}
	require.Empty(t, a.heldOf(ids))

	story := tells[operate.Story](a, "trace", ids[0])
	require.Equal(t, []string{history.Call, "completed"}, []string{story.Resource.Kind, story.Resource.Status})
	require.Len(t, story.Resource.Facts["recordings"], 2)
	require.EqualValues(t, 90, story.Resource.Facts["duration"])
	require.Equal(t, c.arn, story.Events[0].VerifiedAs)
}

// answeredContact requires what became of a contact that an agent answered.
func (a *amazon) answeredContact(c contacts, id string) {
	t := a.t
	t.Helper()
	r := a.row(id, "completed")
	require.Equal(t, history.Call, r.Kind)
	require.Equal(t, []any{a.a.org, events.Inbound, events.OriginInbound, c.arn}, []any{string(r.Org), r.Direction, r.Origin, r.Account})
	require.Equal(t, []string{person, "+15550100001"}, []string{r.From, r.To})
	for fact, want := range map[string]any{
		"duration": 90, "agent_duration": 71, "after_contact_work_duration": 4, "hold_duration": 0, "holds": 0, "queue_duration": 15, "agent_attempts": 1,
	} {
		require.EqualValues(t, want, r.Facts[fact], fact)
	}
	require.Equal(t, []any{"CUSTOMER_DISCONNECT", "q1", "VOICE"}, []any{r.Facts["disconnect_reason"], r.Facts["queue"], r.Facts["channel"]})
	connected := r.Facts["agent_connected"].(history.Tally)
	require.Equal(t, contactAt.Add(20*time.Second), connected.First.UTC())
	recordings := r.Facts["recordings"].([]history.Recording)
	require.Len(t, recordings, 2)
	for n, one := range recordings {
		require.Equal(t, []any{fmt.Sprintf("recordings/%s_%d.wav", id, n+1), "completed", int64(30 * (n + 1))}, []any{one.Location, one.Status, one.Duration})
	}
	told := a.story(id).StatusEvents
	require.Len(t, told, int(r.Version))
	require.Equal(t, "completed", told[len(told)-1].Status)
}

// A contact ends the same way whether or not an agent connected, so that nobody
// answered is known by nobody having done so: one who did, and is heard of late,
// lifts it.
func (a *amazon) playsAnUnansweredContact() {
	t := a.t
	c, p := a.contactCentre()
	id := uuid.NewString()
	ended := map[string]any{"disconnectTimestamp": after(30), "disconnectReason": "CUSTOMER_DISCONNECT"}
	a.posts(p.says(c.happened(id, "INITIATED", 0, nil)), c.event(c.happened(id, "DISCONNECTED", 30, ended)))
	before := a.row(id, "no_answer")
	require.EqualValues(t, 30, before.Facts["duration"])
	a.posts(p.says(c.happened(id, "COMPLETED", 30, ended)))
	a.settled(id, 3)
	require.Equal(t, before.Version, a.row(id, "no_answer").Version)
	a.posts(p.says(c.happened(id, "CONNECTED_TO_AGENT", 20, agent)))
	require.Equal(t, before.Version+1, a.row(id, "completed").Version)
}

// One record of another instance, one that is no JSON, an empty one and one that
// holds two: each has the outcome of its own, and what is sent again is nothing new.
func (a *amazon) playsADeliveryOfEverySort() {
	t := a.t
	c, _ := a.contactCentre()
	other := contacts{arn: "arn:aws:connect:eu-west-1:999999999999:instance/" + uuid.NewString()}
	foreign, ids := uuid.NewString(), []string{uuid.NewString(), uuid.NewString(), uuid.NewString(), uuid.NewString()}
	batch := c.delivery(
		c.whole(ids[0]), other.whole(foreign), c.whole(ids[1])+"\n"+c.whole(ids[2]), "", strings.TrimSuffix(c.whole(uuid.NewString()), "}"), c.whole(ids[3]),
	)
	before := a.held()
	for repeats := range 2 {
		a.posts(batch)
		for _, id := range ids {
			a.settled(id, 1)
			a.answeredContact(c, id)
			a.event(id, func(e *history.Event) bool { return e.Duplicates == repeats })
		}
		a.becomesHeld(before, events.Dead, "undecodable")
		a.becomesHeld(before, events.Quarantined, "instance_mismatch")
	}
	require.Empty(t, a.contact(foreign), "nothing became of it")
	held := tells[[]history.Held](a, "held", "list", "--state", "quarantined", "--provider", "connect")
	require.Len(t, held, 1, "one event, however often it comes")
	require.Contains(t, string(held[0].ID), foreign)
}
