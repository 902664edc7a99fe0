package history

import "waybill/internal/events"

// Class says where a receipt stands.
type Class uint8

// The classes, the weakest first: a receipt that stands in several places
// counts as the strongest.
const (
	Missing Class = iota
	InFlight
	Duplicate
	HeldNow
	Final
)

// Standing is where one receipt stands. Outcome is empty for a duplicate.
type Standing struct {
	Receipt [16]byte // the UUID
	Class   Class
	Outcome events.Outcome
}

// Difference is a campaign's counter that is not what its rows say.
type Difference struct {
	Org        events.OrgID `json:"org_id"`
	CampaignID string       `json:"campaign_id"`
	Status     string       `json:"status"`
	Counter    int64        `json:"counter"`
	Recounted  int64        `json:"recounted"`
}

// Campaign is a campaign's numbers, counted and recounted, without zeros.
type Campaign struct {
	Org       events.OrgID
	ID        string
	Counters  map[string]int64 // messages by current status
	Reached   map[string]int64 // messages that ever had the status
	Recounted map[string]int64 // the same as Counters, from the rows
}

// Gap is something that rows, timelines and outcomes disagree about. Its JSON
// names are promises.
type Gap struct {
	What    string `json:"what"`
	Count   int64  `json:"count"`
	Example string `json:"example"` // an event id, or organisation and row
}
