package retention

import "time"

// Table is something in the database that is kept for a time. The names are
// label values of metrics.
type Table string

// The tables.
const (
	EventIDs       Table = "event_ids"
	Duplicates     Table = "event_duplicates"
	Timeline       Table = "events"
	BillingPayload Table = "billing_events"
	Held           Table = "held_events"
	Acts           Table = "held_acts"
	Assignments    Table = "held_assignments"
	Map            Table = "tenant_map" // mappings; placeholders go after a day, unless something waits
	Conversations  Table = "conversations"
	Requests       Table = "sender_requests"      // those that no conversation needs
	Erased         Table = "erased_organizations" // what was written for them too late
)

// Tables returns every table.
func Tables() []Table {
	return []Table{EventIDs, Duplicates, Timeline, BillingPayload, Held, Acts, Assignments, Conversations, Requests, Map, Erased}
}

// actsKept is how long it is known who did what to held events: long enough for
// whoever goes through the year's books. It is no setting, so that nobody who may
// set things can shorten what is kept of them; the database holds it as well.
const actsKept = 366 * day

// Keep returns how long a table keeps its rows; 0 = for ever.
func (c *Config) Keep(t Table) time.Duration {
	switch t {
	case EventIDs:
		return c.EventIDs
	case Duplicates:
		return c.Duplicates
	case Timeline:
		return c.Timeline
	case BillingPayload:
		return c.BillingPayload
	case Held:
		return c.Held
	case Acts:
		return actsKept
	case Assignments:
		return month
	case Map:
		return c.Map
	case Conversations, Requests:
		return c.Conversations
	case Erased:
	}
	return 0
}
