package history

import (
	"strings"
	"time"

	"waybill/internal/events"
)

// Held is an event without a home. Its JSON names are promises.
type Held struct {
	ID         events.EventID   `json:"event_id"`
	State      events.Outcome   `json:"state"`
	Reason     string           `json:"reason"`
	Detail     string           `json:"detail,omitempty"` // which evidence names which organisation
	Key        string           `json:"key"`              // the id that it names, else the first key that could free it
	Org        *events.OrgID    `json:"org_id"`           // null = not known
	ReceivedAt time.Time        `json:"received_at"`
	Provider   events.Provider  `json:"provider"`
	Kind       string           `json:"type"`
	Signer     string           `json:"verified_as,omitempty"`
	Keys       []string         `json:"keys"` // every key that could free it
	Ready      bool             `json:"ready"`
	Attempts   int              `json:"attempts"` // how often it was held again
	HeldAt     time.Time        `json:"held_at"`
	RetryAt    *time.Time       `json:"retry_at,omitempty"` // when it is tried again by itself
	Receipt    events.ReceiptID `json:"receipt_id"`
	Kafka      events.Position  `json:"kafka"`
}

// Event returns the held event among other events.
func (h *Held) Event() Event {
	at, kafka := h.HeldAt, h.Kafka
	status, code := h.says()
	return Event{
		Status: status, ErrorCode: code,
		ID: h.ID, Provider: h.Provider, Type: h.Kind, ReceivedAt: h.ReceivedAt, Outcome: h.State, Reason: h.Reason,
		VerifiedAs: h.Signer, Receipt: h.Receipt, Kafka: &kafka, HeldAt: &at, Ready: h.Ready,
	}
}

// says returns the status that a held status callback brings. It stands in the
// event's id, whose natural key is SID, status and error code.
func (h *Held) says() (status, code string) {
	if h.Kind != string(events.KindMessageStatus) {
		return "", ""
	}
	_, natural, ok := strings.Cut(string(h.ID), "/"+h.Kind+"/")
	parts := strings.Split(natural, ":")
	if !ok || len(parts) != 3 {
		return "", ""
	}
	return parts[1], parts[2]
}

// HeldFilter selects held events. What is empty selects all.
type HeldFilter struct {
	IDs           []string
	State         events.Outcome
	Keys          []string // texts of keys, any of them
	Org           events.OrgID
	Reason        string
	Provider      events.Provider
	Since, Before time.Time // of receiving: from Since on, earlier than Before
}

// HeldChange is how many held events an act changed, by state.
type HeldChange map[events.Outcome]int

// Add adds another chunk's.
func (c HeldChange) Add(o HeldChange) {
	for state, n := range o {
		c[state] += n
	}
}

// Total sums the states.
func (c HeldChange) Total() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}
