package history

import "waybill/internal/events"

// Row is what whole tables of messages and calls are compared by.
type Row struct {
	Kind       string // of the resource
	Org        events.OrgID
	Row        events.RowID
	Direction  events.Direction
	CampaignID string // "" = none
	Status     string
	ErrorCode  string
	Version    int64
	Facts      map[string]Fact
}

// Fact is what is on record of a fact of a row.
type Fact struct {
	Count int64
	Value string // the newest; "" = it has none
}

// RecipientRow is one recipient of an e-mail, and the row of its e-mail.
type RecipientRow struct {
	Org events.OrgID
	Row events.RowID
	Recipient
}

// RecordingRow is one recording, and the row of its call.
type RecordingRow struct {
	Org events.OrgID
	Row events.RowID
	Recording
}

// TimelineEntry is one event of a timeline, and the row that it is about.
type TimelineEntry struct {
	Org   events.OrgID
	Row   events.RowID
	Event events.EventID
}
