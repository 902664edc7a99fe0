// Package privacy says what is somebody's personal data: who is meant, which
// records name a person, what an export and an erasure come to. It is pure, and
// nothing in it is ever logged.
package privacy

import (
	"encoding/json"
	"time"

	"waybill/internal/events"
)

// Scope is whose data is meant.
type Scope string

// The scopes. They are stored, and so promises.
const (
	Organization Scope = "organization" // everything that is an organisation's
	Customer     Scope = "customer"     // one customer, with every address that their messages and calls used
	Address      Scope = "address"      // one person without a customer id
)

// Subject is whose data is exported or erased: always of one organisation.
type Subject struct {
	Org       events.OrgID
	Customer  string   // UUID, or ""
	Addresses []string // of the person, each in every spelling under which rows hold it
}

// Scope tells whose data it is.
func (s *Subject) Scope() Scope {
	switch {
	case s.Customer != "":
		return Customer
	case len(s.Addresses) > 0:
		return Address
	}
	return Organization
}

// Names returns what a record that is about the person would hold.
func (s *Subject) Names() []string {
	names := append([]string(nil), s.Addresses...)
	if s.Customer != "" {
		names = append(names, s.Customer)
	}
	return names
}

// Item is one thing on record: a row, or a held event with its record decoded.
type Item struct {
	Kind string          `json:"kind"` // the table
	Data json.RawMessage `json:"data"`
}

// Erased is what an erasure came to. Its JSON names are promises.
type Erased struct {
	ID         string           `json:"erasure_id,omitempty"` // "" after a dry run
	Org        events.OrgID     `json:"org_id"`
	Customer   string           `json:"customer_id,omitempty"`
	Scope      Scope            `json:"scope"`
	DryRun     bool             `json:"dry_run"`
	Rows       map[string]int64 `json:"rows"` // by table, all runs of an interrupted erasure together
	StartedAt  *time.Time       `json:"started_at,omitempty"`
	FinishedAt *time.Time       `json:"finished_at,omitempty"`
	Remains    []Remains        `json:"remains"` // what erasing does not reach, and until when it is there
}

// Total sums the tables.
func (e *Erased) Total() (n int64) {
	for _, k := range e.Rows {
		n += k
	}
	return n
}

// Remains is a place that erasing does not reach. Until is when it has expired
// there by itself, null if that is not Waybill's to say.
type Remains struct {
	Where string     `json:"where"`
	Until *time.Time `json:"until"`
}
