// Package retention says how long everything is kept, topic by topic and table
// by table. Its defaults are safe in both directions: nothing goes that a
// replay could still need, and people's data does not outlive its use.
package retention

import (
	"errors"
	"fmt"
	"time"

	"waybill/internal/events"
)

// Config is how long things are kept, the same for every process and command.
type Config struct {
	Raw      time.Duration `env:"WAYBILL_RETENTION_RAW" envDefault:"168h" doc:"topics of raw requests and of send records: people's data, 24h to 720h"`
	Domain   time.Duration `env:"WAYBILL_RETENTION_DOMAIN" envDefault:"168h" doc:"topics of resolved events: people's data, 24h to 720h"`
	Status   time.Duration `env:"WAYBILL_RETENTION_STATUS" envDefault:"168h" doc:"topics of status events, which hold ids alone; at least 24h"`
	Control  time.Duration `env:"WAYBILL_RETENTION_CONTROL" envDefault:"168h" doc:"topic of control work; at least 24h"`
	Rejected time.Duration `env:"WAYBILL_RETENTION_REJECTED" envDefault:"24h" doc:"topic of samples of refused requests, 1h to 168h"`

	EventIDs       time.Duration `env:"WAYBILL_RETENTION_EVENT_IDS" envDefault:"720h" doc:"table event_ids, by which a repeat is known: never below 720h, nor below what can be replayed"`
	Duplicates     time.Duration `env:"WAYBILL_RETENTION_DUPLICATES" envDefault:"720h" doc:"table event_duplicates: not below the raw topics, not above event_ids"`
	Timeline       time.Duration `env:"WAYBILL_RETENTION_TIMELINE" envDefault:"2160h" doc:"table events, by whole days: not below the topics, from which it brings status events back"`
	BillingPayload time.Duration `env:"WAYBILL_RETENTION_BILLING_PAYLOAD" envDefault:"720h" doc:"payloads of billing_events, whose rows stay; at least 168h"`
	Held           time.Duration `env:"WAYBILL_RETENTION_HELD" envDefault:"720h" doc:"dead and quarantined events, from when they were held: then their outcome is ignored; at least 168h above WAYBILL_PARK_MAX_AGE, 0 keeps them"`
	Map            time.Duration `env:"WAYBILL_RETENTION_MAP" envDefault:"2160h" doc:"table tenant_map, from when a provider's id or message id was last recorded or asked for, to a week: never below 720h, nor below what can be replayed, 0 keeps them; an event that comes later has no organisation"`
	Conversations  time.Duration `env:"WAYBILL_RETENTION_CONVERSATIONS" envDefault:"8760h" doc:"tables conversations and sender_requests, from the last send or request: at least 2160h, 0 keeps them; a STOP does not reach organisations whose conversation is gone, and keeps those that it reached"`

	Interval time.Duration `env:"WAYBILL_RETENTION_INTERVAL" envDefault:"6h" doc:"how often one of the workers looks for what has expired; each time it reads the tables once"`

	ParkMaxAge time.Duration `env:"WAYBILL_PARK_MAX_AGE" envDefault:"72h" doc:"the router's; nothing that bounds it may go earlier"`
}

const (
	day   = 24 * time.Hour
	week  = 7 * day
	month = 30 * day
	// season is for how long an answer is taken to be one (tenantmap).
	season = 90 * day
)

// Validate reports what would let a repeat be applied again, a record be needed
// after it is gone, or people's data stay too long.
func (c *Config) Validate() error {
	var errs []error
	want := func(ok bool, name, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("WAYBILL_RETENTION_"+name+": want "+format, args...))
		}
	}
	within := func(d time.Duration, name string, least, most time.Duration) {
		want(least <= d && d <= most, name, "%s to %s", hours(least), hours(most))
	}
	within(c.Raw, "RAW", day, month)
	within(c.Domain, "DOMAIN", day, month)
	want(c.Status >= day, "STATUS", "at least 24h")
	want(c.Control >= day, "CONTROL", "at least 24h")
	within(c.Rejected, "REJECTED", time.Hour, week)
	if c.ParkMaxAge <= 0 {
		errs = append(errs, errors.New("WAYBILL_PARK_MAX_AGE: want a duration above zero, for example 72h"))
	}
	replayable := c.Replayable()
	want(c.EventIDs >= max(month, replayable), "EVENT_IDS",
		"at least %s, or an old event that is replayed would be applied again", hours(max(month, replayable)))
	want(c.Duplicates >= max(week, replayable) && c.Duplicates <= c.EventIDs, "DUPLICATES",
		"at least %s, and no more than WAYBILL_RETENTION_EVENT_IDS", hours(max(week, replayable)))
	want(c.Timeline >= max(week, replayable), "TIMELINE", "at least %s, for status events that are published again", hours(max(week, replayable)))
	want(c.BillingPayload >= week, "BILLING_PAYLOAD", "at least 168h")
	want(c.Held == 0 || c.Held >= c.ParkMaxAge+week, "HELD", "0, or at least %s", hours(c.ParkMaxAge+week))
	want(c.Map == 0 || c.Map >= max(month, replayable), "MAP",
		"0, or at least %s, or an old event that is replayed would have no organisation", hours(max(month, replayable)))
	want(c.Conversations == 0 || c.Conversations >= season, "CONVERSATIONS", "0, or at least %s, for which people may answer", hours(season))
	want(c.Interval >= time.Second, "INTERVAL", "at least 1s")
	return errors.Join(errs...)
}

// Replayable is the greatest age of an event that can still come again from
// where Waybill keeps it: the topics, whose files outlive their retention, and
// the parked events.
func (c *Config) Replayable() time.Duration {
	most := c.ParkMaxAge
	for _, t := range events.Topics(c.Profile(events.Production)) {
		switch t.Name {
		case events.TopicStatusMessages, events.TopicStatusCalls, events.TopicControl, events.TopicRejected: // nothing is applied from there
		default:
			most = max(most, t.Lifetime())
		}
	}
	return most
}

// Profile gives a set of topics these lifetimes.
func (c *Config) Profile(p events.Profile) events.Profile {
	p.Keep = events.Lifetimes{Raw: c.Raw, Domain: c.Domain, Status: c.Status, Control: c.Control, Rejected: c.Rejected}
	return p
}

func hours(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return d.String()
}
