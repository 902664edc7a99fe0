// Package tenants is what operators enter about organisations: who they are,
// which accounts sign for them, which senders are theirs, and since when. It
// is pure: it knows no database, and of secrets only their sealed form.
package tenants

import (
	"time"

	"waybill/internal/events"
)

// Org is an organisation. Its JSON names are promises.
type Org struct {
	ID         events.OrgID `json:"id"`
	Name       string       `json:"name"`
	ExternalID string       `json:"external_id,omitempty"` // the platform's own
	CreatedAt  time.Time    `json:"created_at"`
	ErasedAt   *time.Time   `json:"erased_at,omitempty"` // when it was erased: its id is all that remains
}

// NewOrg is an organisation to be entered.
type NewOrg struct {
	ID         events.OrgID
	Name       string
	ExternalID string // "" = none
}

// Tenure is a time that something belonged to an organisation: From inclusive,
// nil is the beginning; To exclusive, nil is open.
type Tenure struct {
	Org  events.OrgID `json:"org_id"`
	From *time.Time   `json:"from"`
	To   *time.Time   `json:"to"`
}

// NotFoundError says in one sentence what is not on record.
type NotFoundError struct{ What string }

// Error returns the sentence.
func (e *NotFoundError) Error() string { return e.What }
