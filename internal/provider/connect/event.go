package connect

import (
	"encoding/json"
	"strings"

	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/provider"
	"waybill/internal/provider/sns"
)

// statuses are the eventTypes with the status that they report; "" is one that
// tells facts alone. That nobody answered is not told but derived: a contact
// ends the same way whether or not an agent connected.
var statuses = map[string]string{
	"INITIATED":            "initiated",
	"CONNECTED_TO_SYSTEM":  "initiated",
	"QUEUED":               "",
	"CONNECTED_TO_AGENT":   "in_progress",
	"CONTACT_DATA_UPDATED": "",
	"PAUSED":               "",
	"RESUMED":              "",
	"TRANSFERRED":          "",
	"AMD_DISABLED":         "",
	"WEBRTC_API":           "",
	"DISCONNECTED":         "completed",
	"COMPLETED":            "completed",
}

// event is what is read of an event as EventBridge delivers it.
type event struct {
	ID         string `json:"id"`
	Time       string `json:"time"`
	Source     string `json:"source"`
	DetailType string `json:"detail-type"`
	Detail     detail `json:"detail"`
}

type detail struct {
	EventType        string `json:"eventType"`
	ContactID        string `json:"contactId"`
	InitialID        string `json:"initialContactId"`
	PreviousID       string `json:"previousContactId"`
	NextID           string `json:"nextContactId"`
	Channel          string `json:"channel"`
	InstanceARN      string `json:"instanceArn"`
	InitiationMethod string `json:"initiationMethod"`
	DisconnectReason string `json:"disconnectReason"`
	MachineDetection string `json:"answeringMachineDetectionStatus"`

	Initiated string `json:"initiationTimestamp"`
	ToSystem  string `json:"connectedToSystemTimestamp"`
	Ended     string `json:"disconnectTimestamp"`

	Agent struct {
		Connected string `json:"connectedToAgentTimestamp"`
	} `json:"agentInfo"`
	Queue struct {
		ARN      string `json:"queueArn"`
		Enqueued string `json:"enqueueTimestamp"`
	} `json:"queueInfo"`
	Customer endpoint `json:"customerEndpoint"`
	System   endpoint `json:"systemEndpoint"`
	Tags     tags     `json:"tags"`
}

// endpoint is one side of a contact.
type endpoint struct {
	Address string `json:"address"`
}

// tags are those that Amazon Connect sets by itself; there may be many others.
type tags struct {
	Instance string `json:"aws:connect:instanceId"`
	System   string `json:"aws:connect:systemEndpoint"`
}

func parseEvent(raw *events.Raw) (provider.Parsed, error) {
	var r reader
	body, ok := unwrap(raw.Body)
	if !r.check(ok, invalidEnvelope) {
		return provider.Parsed{}, r.err
	}
	var e event
	if !r.check(decode(body, &e), invalidJSON) {
		return provider.Parsed{}, r.err
	}
	r.check(strings.EqualFold(e.Source, "aws.connect") && strings.EqualFold(e.DetailType, "Amazon Connect Contact Event"), invalidSource)
	id := r.id(e.ID, invalidEventID)
	d := &e.Detail
	c := d.contact(&r, e.Time)
	r.instance(raw.Signer, d.InstanceARN, d.Tags.Instance)

	kind := enum(d.EventType)
	status, known := statuses[kind]
	r.check(known, invalidStatus)

	p := c.parsed(raw)
	if id != "" {
		p.EventID = events.NewEventID(events.Connect, raw.Signer, raw.Kind, id)
	}
	t := told{at: c.told}
	if known && status == "" {
		d.moved(&t, kind)
	}
	d.tell(&r, &t, &c)
	p.Call.Status, p.Call.Facts = status, t.facts
	if r.err != nil {
		p.Call = nil
		return p, r.err
	}
	return p, nil
}

// contact reads what an event says of its contact.
func (d *detail) contact(r *reader, at string) contact {
	system := d.System.Address
	if system == "" {
		system = d.Tags.System
	}
	return contact{
		id: r.id(d.ContactID, invalidContactID), initial: d.InitialID, previous: d.PreviousID, next: d.NextID,
		channel: enum(d.Channel), method: enum(d.InitiationMethod),
		customer: r.address(d.Customer.Address), system: r.address(system),
		initiated: r.time(d.Initiated), toSystem: r.time(d.ToSystem), ended: r.time(d.Ended), told: r.time(at),
	}
}

// moved adds the event itself, where it has no status. A queue's own time is
// the better one, and is told by every later event, too.
func (d *detail) moved(t *told, kind string) {
	if at, _ := timeOf(d.Queue.Enqueued); kind == "QUEUED" && at != nil {
		return
	}
	t.facts = append(t.facts, facts.Fact{Name: strings.ToLower(kind), At: t.at})
}

// tell adds what the event knows of the whole contact, whatever it is about:
// events come in any order, and some never.
func (d *detail) tell(r *reader, t *told, c *contact) {
	t.contact(c)
	t.happened(factAgentConnected, r.time(d.Agent.Connected))
	t.happened(factQueued, r.time(d.Queue.Enqueued))
	t.id(factQueue, lastPart(d.Queue.ARN))
	t.value(factDisconnectReason, enum(d.DisconnectReason))
	t.value(factMachineDetection, enum(d.MachineDetection))
}

// unwrap returns the event in a body: the body itself, or the message of the
// SNS envelope that it is. What is signed decides: an envelope always has its
// topic signed, and who adds a key to one that was sent makes no event of it.
func unwrap(body []byte) ([]byte, bool) {
	m, err := sns.Decode(body)
	if err == nil {
		return []byte(m.Body), m.Type == sns.Notification
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) == nil && members["TopicArn"] != nil {
		return nil, false
	}
	return body, true // an API destination's; what is wrong with it will show
}
