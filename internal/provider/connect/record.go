package connect

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"waybill/internal/events"
	"waybill/internal/facts"
	"waybill/internal/provider"
)

// record is what is read of a contact record. Attributes are not: they are the
// customer's own words, and their keys may differ by case alone.
type record struct {
	ContactID        string `json:"ContactId"`
	InitialID        string `json:"InitialContactId"`
	PreviousID       string `json:"PreviousContactId"`
	NextID           string `json:"NextContactId"`
	Channel          string `json:"Channel"`
	InstanceARN      string `json:"InstanceARN"`
	InitiationMethod string `json:"InitiationMethod"`
	DisconnectReason string `json:"DisconnectReason"`
	MachineDetection string `json:"AnsweringMachineDetectionStatus"`

	Initiated   string `json:"InitiationTimestamp"`
	ToSystem    string `json:"ConnectedToSystemTimestamp"`
	Ended       string `json:"DisconnectTimestamp"`
	Transferred string `json:"TransferCompletedTimestamp"`
	Updated     string `json:"LastUpdateTimestamp"`

	Attempts json.RawMessage `json:"AgentConnectionAttempts"`
	Agent    struct {
		Connected         string          `json:"ConnectedToAgentTimestamp"`
		InteractionLasted json.RawMessage `json:"AgentInteractionDuration"`
		AfterLasted       json.RawMessage `json:"AfterContactWorkDuration"`
		HoldLasted        json.RawMessage `json:"CustomerHoldDuration"`
		Holds             json.RawMessage `json:"NumberOfHolds"`
	} `json:"Agent"`
	Queue struct {
		ARN      string          `json:"ARN"`
		Enqueued string          `json:"EnqueueTimestamp"`
		Lasted   json.RawMessage `json:"Duration"`
	} `json:"Queue"`
	Customer endpoint `json:"CustomerEndpoint"`
	System   endpoint `json:"SystemEndpoint"`

	Recording  recording  `json:"Recording"` // the first of Recordings, in older records alone
	Recordings recordings `json:"Recordings"`
}

type recording struct {
	Location string `json:"Location"` // bucket and key
	Status   string `json:"Status"`
	Type     string `json:"StorageType"`
	Side     string `json:"ParticipantType"`
	Start    string `json:"StartTimestamp"`
	Stop     string `json:"StopTimestamp"`
}

// maxRecordings bounds how many recordings of a record become rows. The record
// says how many there are, and keeps them.
const maxRecordings = 100

// recordings are the first of a list, and how many it has.
type recordings struct {
	first []recording
	all   int
}

// UnmarshalJSON implements [json.Unmarshaler]. What is no list is as if it were
// absent. It holds no more than the first, however many there are.
func (rs *recordings) UnmarshalJSON(text []byte) error {
	*rs = recordings{}
	list := json.NewDecoder(bytes.NewReader(text))
	if begin, err := list.Token(); err != nil || begin != json.Delim('[') {
		return nil //nolint:nilerr // it was checked to be JSON
	}
	for ; list.More(); rs.all++ {
		if rs.all >= maxRecordings {
			if err := list.Decode(&skipped{}); err != nil {
				return err
			}
			continue
		}
		var element json.RawMessage
		if err := list.Decode(&element); err != nil {
			return err
		}
		var one recording
		if decode(element, &one) {
			rs.first = append(rs.first, one)
		}
	}
	return nil
}

func parseRecord(raw *events.Raw) (provider.Parsed, error) {
	var r reader
	var rec record
	if !r.check(decode(raw.Body, &rec), invalidJSON) {
		return provider.Parsed{}, r.err
	}
	c := rec.contact(&r)
	r.check(c.told != nil, invalidTime) // it is half of the record's name
	r.instance(raw.Signer, rec.InstanceARN)

	p := c.parsed(raw)
	if c.id != "" && c.told != nil {
		// The time in the one spelling that it has here: a record that is sent
		// again is the same, however AWS writes it then.
		p.EventID = events.NewEventID(events.Connect, raw.Signer, raw.Kind, c.id, c.told.Format(time.RFC3339Nano))
	}
	p.Call.Status = rec.status(&c)
	p.Call.Facts = rec.facts(&r, &c)
	if all := rec.recordings(&r); len(all) > 0 {
		p.Call.Recording = &all[0]
		p.Call.MoreRecordings = slices.Clone(all[1:])
	}
	if r.err != nil {
		p.Call = nil
		return p, r.err
	}
	return p, nil
}

func (rec *record) contact(r *reader) contact {
	return contact{
		id: r.id(rec.ContactID, invalidContactID), initial: rec.InitialID, previous: rec.PreviousID, next: rec.NextID,
		channel: enum(rec.Channel), method: enum(rec.InitiationMethod),
		customer: r.address(rec.Customer.Address), system: r.address(rec.System.Address),
		initiated: r.time(rec.Initiated), toSystem: r.time(rec.ToSystem), ended: r.time(rec.Ended), told: r.time(rec.Updated),
	}
}

// status returns what a record reports. One that is written while the contact
// goes on has no end.
func (rec *record) status(c *contact) string {
	agent, _ := timeOf(rec.Agent.Connected)
	switch {
	case c.ended != nil:
		return "completed"
	case agent != nil:
		return "in_progress"
	}
	return "initiated"
}

func (rec *record) facts(r *reader, c *contact) []facts.Fact {
	t := told{at: c.told}
	t.contact(c)
	t.happened(factAgentConnected, r.time(rec.Agent.Connected))
	t.happened(factQueued, r.time(rec.Queue.Enqueued))
	t.happened(factTransferred, r.time(rec.Transferred))
	t.value(factDisconnectReason, enum(rec.DisconnectReason))
	t.value(factMachineDetection, enum(rec.MachineDetection))
	t.id(factQueue, lastPart(rec.Queue.ARN))
	t.count(factQueueDuration, rec.Queue.Lasted)
	t.count(factAttempts, rec.Attempts)
	t.count(factAgentDuration, rec.Agent.InteractionLasted)
	t.count(factAfterDuration, rec.Agent.AfterLasted)
	t.count(factHoldDuration, rec.Agent.HoldLasted)
	t.count(factHolds, rec.Agent.Holds)
	if rec.Recordings.all > 0 {
		t.value(factRecordings, strconv.Itoa(rec.Recordings.all))
	}
	return t.facts
}

// recordingStatuses are the statuses of a recording; any other is one that is
// not there yet.
var recordingStatuses = map[string]string{
	"":          "completed", // a place is named
	"AVAILABLE": "completed",
	"DELETED":   "absent",
}

// recordings returns those that say where they lie, each once.
func (rec *record) recordings(r *reader) []events.Recording {
	var all []events.Recording
	for _, one := range append(rec.Recordings.first, rec.Recording) {
		where := events.Text(one.Location)
		if where == "" || len(where) > maxLocation || slices.ContainsFunc(all, func(o events.Recording) bool { return o.Location == where }) {
			continue
		}
		status, known := recordingStatuses[enum(one.Status)]
		if !known {
			status = "in_progress"
		}
		start := r.time(one.Start)
		lasted, _ := seconds(start, r.time(one.Stop))
		all = append(all, events.Recording{
			ProviderID: where, Status: status, Duration: lasted, Source: enum(one.Type), Track: enum(one.Side),
			Location: where, StartedAt: start,
		})
	}
	return all
}
