package history

import (
	"encoding/json"
	"time"

	"waybill/internal/events"
)

// HeldAct is what an operator does to held events.
type HeldAct string

// The acts. They are stored, and so promises.
const (
	ActRelease HeldAct = "release" // process parked events anew, or any as a named organisation's
	ActReplay  HeldAct = "replay"  // process anew, through dedupe and merge
	ActDismiss HeldAct = "dismiss" // final outcome ignored
)

// HeldOrder is an act as an operator orders it.
type HeldOrder struct {
	Act    HeldAct
	Filter HeldFilter
	// Said is the filter as it is put on record: without what may be a person's
	// number.
	Said   map[string]any
	Note   string // why, in the operator's words
	User   string // of the operator's machine
	DryRun bool   // only count; nothing is put on record
}

// Act is an act on record: on one event, or on the other events of one state in
// a chunk of a bulk act. Its JSON names are promises.
type Act struct {
	At          time.Time       `json:"at"`
	Act         HeldAct         `json:"act"`
	Operator    string          `json:"operator"` // role that logged in to the database
	Application string          `json:"application"`
	User        string          `json:"os_user"`
	Event       *events.EventID `json:"event_id"` // null = a chunk of a bulk act
	Events      int             `json:"events"`
	State       events.Outcome  `json:"state"`  // before the act
	Reason      string          `json:"reason"` // before the act; "" for a chunk
	Org         *events.OrgID   `json:"org_id"` // whom it was released to
	Filter      json.RawMessage `json:"filter"`
	Note        string          `json:"note"`
}
