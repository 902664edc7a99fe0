package history

import "waybill/internal/events"

// MessageRow is what a whole table of messages is compared by.
type MessageRow struct {
	Org        events.OrgID
	Row        events.RowID
	Direction  events.Direction
	CampaignID string // "" = none
	Status     string
	ErrorCode  string
	Version    int64
}

// TimelineEntry is one event of a timeline, and the row that it is about.
type TimelineEntry struct {
	Org   events.OrgID
	Row   events.RowID
	Event events.EventID
}
