package connect

import (
	"encoding/json"
	"strconv"
	"time"

	"waybill/internal/facts"
	"waybill/internal/voice"
)

// Names of the facts of a contact. What happened has the time when it did; what
// was measured or named has a value, and the time of telling, so that the
// newest contact record wins.
const (
	factSystemConnected = "system_connected"
	factAgentConnected  = voice.AgentConnected
	factQueued          = "queued"
	factTransferred     = "transferred"

	factChannel          = "channel"
	factDisconnectReason = "disconnect_reason"
	factMachineDetection = "answering_machine_detection"
	factQueue            = "queue" // the queue's id
	factQueueDuration    = "queue_duration"
	factAgentDuration    = "agent_duration"
	factAfterDuration    = "after_contact_work_duration"
	factHoldDuration     = "hold_duration"
	factHolds            = "holds"
	factAttempts         = "agent_attempts"
	factRecordings       = "recordings" // how many the record lists
	factNext             = "next_contact_id"
	factInitial          = "initial_contact_id"
	factPrevious         = "previous_contact_id"
)

// told collects facts.
type told struct {
	at    *time.Time // when it is told
	facts []facts.Fact
}

// happened adds what has happened, if it has.
func (t *told) happened(name string, at *time.Time) {
	if at != nil {
		t.facts = append(t.facts, facts.Fact{Name: name, At: at})
	}
}

// value adds a value that is not empty.
func (t *told) value(name, value string) {
	if value != "" {
		t.facts = append(t.facts, facts.Fact{Name: name, Value: value, At: t.at})
	}
}

// id adds an id, if it is one.
func (t *told) id(name, id string) {
	if isToken(id) {
		t.value(name, id)
	}
}

// count adds a number of seconds or things, if that is what it is.
func (t *told) count(name string, number json.RawMessage) {
	if n, err := strconv.ParseInt(string(number), 10, 64); err == nil && n >= 0 {
		t.value(name, strconv.FormatInt(n, 10))
	}
}

// between adds how many whole seconds lie between two times, if both are known.
func (t *told) between(name string, from, to *time.Time) {
	if s, ok := seconds(from, to); ok {
		t.value(name, strconv.FormatInt(s, 10))
	}
}

// seconds returns how many whole seconds lie between two times; false if one is
// not known or they are in the wrong order.
func seconds(from, to *time.Time) (int64, bool) {
	if from == nil || to == nil || to.Before(*from) {
		return 0, false
	}
	return to.Unix() - from.Unix(), true
}

// contact adds what events and records say of a contact alike.
func (t *told) contact(c *contact) {
	t.value(factChannel, c.channel)
	t.happened(factSystemConnected, c.toSystem)
	from := c.toSystem
	if from == nil {
		from = c.initiated
	}
	t.between(facts.Duration, from, c.ended)
	t.id(factInitial, c.initial)
	t.id(factPrevious, c.previous)
	t.id(factNext, c.next)
}
