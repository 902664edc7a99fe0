package simulate

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Connect is an Amazon Connect instance. Its events come by a topic or by an
// API destination, its contact records through Firehose.
type Connect struct {
	Topic

	Instance    string // ARN
	APIKey      string
	FirehoseKey string
}

// Contact is a contact of an instance and what has happened to it. A time that
// is zero has not come.
type Contact struct {
	ID       string
	Customer string // number
	System   string // number of ours
	Queue    string // id

	Initiated, Connected, Queued, Agent, Ended time.Time // Connected: to the system
	Recordings                                 []string  // where each lies: bucket and key
}

// ContactEvent is one event of a contact.
type ContactEvent struct {
	ID     string // EventBridge's
	Type   string // INITIATED, QUEUED and so on
	At     time.Time
	Pascal bool // keys begin in upper case, as some of Amazon's do
}

// Event returns a contact event as EventBridge hands it on, from
// https://docs.aws.amazon.com/connect/latest/adminguide/contact-events.html.
// It tells what has happened to the contact until then.
func (c Connect) Event(k *Contact, e *ContactEvent) []byte {
	detail := object{
		"contactId": k.ID, "channel": "VOICE", "instanceArn": c.Instance, "initiationMethod": "INBOUND", "eventType": e.Type,
		"tags": object{"aws:connect:instanceId": lastPart(c.Instance), "aws:connect:systemEndpoint": k.System},
	}
	told := func(o object, name string, at time.Time) bool {
		if !came(at, e.At) {
			return false
		}
		o[name] = milliseconds(at)
		return true
	}
	told(detail, "initiationTimestamp", k.Initiated)
	told(detail, "connectedToSystemTimestamp", k.Connected)
	queue := object{"queueType": "STANDARD", "queueArn": c.Instance + "/queue/" + k.Queue}
	if told(queue, "enqueueTimestamp", k.Queued) {
		detail["queueInfo"] = queue
	}
	agent := object{"agentArn": c.Instance + "/agent/simulated"}
	if told(agent, "connectedToAgentTimestamp", k.Agent) {
		detail["agentInfo"] = agent
	}
	if told(detail, "disconnectTimestamp", k.Ended) {
		detail["disconnectReason"] = "CUSTOMER_DISCONNECT"
	}
	if e.Pascal {
		detail = pascal(detail)
	}
	return text(object{
		"version": "0", "id": e.ID, "detail-type": "Amazon Connect Contact Event", "source": "aws.connect", "account": "123456789012",
		"time": e.At.UTC().Format(time.RFC3339), "region": "eu-west-1", "resources": []string{c.Instance}, "detail": detail,
	})
}

// Record returns the contact's record as it stands at a time, from
// https://docs.aws.amazon.com/connect/latest/adminguide/ctr-data-model.html.
func (c Connect) Record(k *Contact, updated time.Time) []byte {
	seconds := func(at time.Time) any {
		if at.IsZero() {
			return nil
		}
		return at.UTC().Format(time.RFC3339)
	}
	between := func(from, to time.Time) int { return int(to.Sub(from).Seconds()) }
	record := object{
		"AWSAccountId": "123456789012", "AWSContactTraceRecordFormatVersion": "2017-03-10", "ContactId": k.ID, "Channel": "VOICE",
		"InstanceARN": c.Instance, "InitiationMethod": "INBOUND", "InitiationTimestamp": seconds(k.Initiated),
		"ConnectedToSystemTimestamp": seconds(k.Connected), "DisconnectTimestamp": seconds(k.Ended), "LastUpdateTimestamp": seconds(updated),
		"DisconnectReason": "CUSTOMER_DISCONNECT", "Attributes": object{"greeting": "played", "Greeting": "played"},
		"CustomerEndpoint": object{"Address": k.Customer, "Type": "TELEPHONE_NUMBER"},
		"SystemEndpoint":   object{"Address": k.System, "Type": "TELEPHONE_NUMBER"},
		"Agent":            nil, "Queue": nil, "Recording": nil, "Recordings": nil,
	}
	if !k.Queued.IsZero() {
		record["Queue"] = object{"ARN": c.Instance + "/queue/" + k.Queue, "EnqueueTimestamp": seconds(k.Queued), "Name": "Simulated"}
	}
	if !k.Agent.IsZero() {
		record["Agent"] = object{
			"ARN": c.Instance + "/agent/simulated", "ConnectedToAgentTimestamp": seconds(k.Agent),
			"AgentInteractionDuration": between(k.Agent, k.Ended), "NumberOfHolds": 0,
		}
	}
	var recordings []object
	for _, place := range k.Recordings {
		recordings = append(recordings, object{
			"Location": place, "Status": "AVAILABLE", "StorageType": "S3", "MediaStreamType": "AUDIO",
			"StartTimestamp": seconds(k.Agent), "StopTimestamp": seconds(k.Ended),
		})
	}
	if len(recordings) > 0 {
		record["Recording"] = object{"Location": k.Recordings[0], "Status": "AVAILABLE", "Type": "AUDIO"} // the first once more
		record["Recordings"] = recordings
	}
	return text(record)
}

// lastPart returns what stands behind the last slash.
func lastPart(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }

// pascal returns an object whose keys begin in upper case; Amazon's own tags do not.
func pascal(o object) object {
	out := make(object, len(o))
	for name, value := range o {
		if inner, ok := value.(object); ok && name != "tags" {
			value = pascal(inner)
		}
		if name != "tags" {
			name = strings.ToUpper(name[:1]) + name[1:]
		}
		out[name] = value
	}
	return out
}

func text(o object) []byte {
	b, err := json.Marshal(o)
	if err != nil {
		return fmt.Append(nil, "{}") // cannot be: they are texts and numbers
	}
	return b
}
