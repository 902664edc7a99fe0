package operate

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"waybill/internal/events"
	"waybill/internal/seal"
	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
)

// Tenants is where organisations, accounts and senders are on record. A method
// that records whose a key is also sets ready what is held for it.
type Tenants interface {
	CreateOrg(ctx context.Context, o tenants.NewOrg) (tenants.Org, error)
	Orgs(ctx context.Context) ([]tenants.Org, error)
	AddAccounts(ctx context.Context, list []tenants.NewAccount) ([]tenants.Added, error)
	SealedTokens(ctx context.Context, provider tenants.Issuer, purpose, name string) ([]tenants.SealedToken, error)
	Accounts(ctx context.Context) ([]tenants.Account, error)
	Reseal(ctx context.Context, fn func(tenants.OwnedToken) []byte) error
	RemoveAccount(ctx context.Context, ref, tokenID string) error
	MoveAccount(ctx context.Context, m tenants.AccountMove) (tenants.AccountMoved, error)
	AddSender(ctx context.Context, s tenants.NewSender) (tenants.Placed, error)
	MoveSender(ctx context.Context, m tenants.Move) (tenants.Placed, error)
	Senders(ctx context.Context) ([]tenants.Sender, error)
}

// Onboard enters who belongs to Waybill. Key is needed for accounts that have
// secrets. It is safe for concurrent use.
type Onboard struct {
	Tenants

	Key *seal.Key
	Now func() time.Time
}

// NewOrg enters an organisation; an empty id gets a fresh one.
func (o *Onboard) NewOrg(ctx context.Context, id, name, externalID string) (tenants.Org, error) {
	name = strings.TrimSpace(name)
	if name == "" {
		return tenants.Org{}, usage("--name must not be empty")
	}
	if id == "" {
		id = uuid.NewString()
	}
	org, err := events.ParseOrgID(id)
	if err != nil {
		return tenants.Org{}, usage("--id: %v", err)
	}
	return o.CreateOrg(ctx, tenants.NewOrg{ID: org, Name: name, ExternalID: externalID})
}

// Sender is a sender as a person writes it.
type Sender struct {
	Value         string
	Org           string
	Kind          tenants.Kind // "" = guessed
	Shared        bool
	From, To      *time.Time
	VoiceRedirect string
}

// PlaceSender enters a sender of an organisation.
func (o *Onboard) PlaceSender(ctx context.Context, s Sender) (tenants.Placed, error) {
	org, err := parseOrg(s.Org)
	if err != nil {
		return tenants.Placed{}, err
	}
	value := tenantmap.NormaliseSender(s.Value)
	if s.Kind == tenants.WhatsApp && !strings.HasPrefix(value, "whatsapp:") {
		value = tenantmap.NormaliseSender("whatsapp:" + value)
	}
	if value == "" || len(value) > 320 || strings.ContainsAny(value, "\x00\n\r\t") {
		return tenants.Placed{}, usage("this is not a sender: want a number, short code, name, messaging service or e-mail identity")
	}
	if s.Kind == "" {
		if s.Kind, err = tenants.GuessKind(value); err != nil {
			return tenants.Placed{}, usage("%v", err)
		}
	}
	if err := tenants.CheckKind(s.Kind); err != nil {
		return tenants.Placed{}, usage("%v", err)
	}
	if s.Kind == tenants.EmailIdentity {
		value = tenantmap.NormaliseIdentity(value)
	}
	if s.VoiceRedirect != "" && !isHTTP(s.VoiceRedirect) {
		return tenants.Placed{}, usage("--voice-redirect: want an absolute http or https URL")
	}
	if isOurs(s.VoiceRedirect) {
		return tenants.Placed{}, usage("--voice-redirect: this is Waybill's own path, and a call would go round in circles; want the URL that answers the call")
	}
	if s.From != nil && s.To != nil && !s.From.Before(*s.To) {
		return tenants.Placed{}, usage("--to must lie behind --from")
	}
	return o.AddSender(ctx, tenants.NewSender{
		Org: org, Kind: s.Kind, Value: value, Shared: s.Shared, From: s.From, To: s.To, VoiceRedirect: s.VoiceRedirect,
	})
}

func isHTTP(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && len(s) <= maxURL
}

// isOurs tells whether a URL is one of ingest's own, whatever its host is called.
func isOurs(s string) bool {
	u, err := url.Parse(s)
	return err == nil && strings.Contains(u.Path, "/api/webhooks/")
}

// maxURL bounds a URL that is told to a provider, in bytes.
const maxURL = 2048

// minNotice is how far ahead a move must lie: every router and ingest learns of
// it before it happens, so that no event is given to the former holder.
const minNotice = 5 * time.Second

// Transfer moves a sender to another organisation at a time.
func (o *Onboard) Transfer(ctx context.Context, value, orgID string, at time.Time) (tenants.Placed, error) {
	org, err := parseOrg(orgID)
	if err != nil {
		return tenants.Placed{}, err
	}
	if err := o.inTime(at); err != nil {
		return tenants.Placed{}, err
	}
	move := tenants.Move{Value: tenantmap.NormaliseSender(value), Org: org, At: at}
	placed, err := o.MoveSender(ctx, move)
	// What kind of sender it is, its row alone says: an e-mail identity is on
	// record in lower case, unless it was entered before they were.
	var unknown *tenants.NotFoundError
	if lower := tenantmap.NormaliseIdentity(value); errors.As(err, &unknown) && lower != move.Value {
		move.Value = lower
		return o.MoveSender(ctx, move)
	}
	return placed, err
}

// Reassign lets an account sign for another organisation from a time on. from
// says in whose place, if it signs for several; else it may be "".
func (o *Onboard) Reassign(ctx context.Context, account, from, to string, at time.Time) (tenants.AccountMoved, error) {
	m := tenants.AccountMove{Account: account, At: at}
	var err error
	if m.To, err = parseOrg(to); err != nil {
		return tenants.AccountMoved{}, err
	}
	if from != "" {
		if m.From, err = events.ParseOrgID(from); err != nil {
			return tenants.AccountMoved{}, usage("--from: %v", err)
		}
	}
	if err := o.inTime(at); err != nil {
		return tenants.AccountMoved{}, err
	}
	return o.MoveAccount(ctx, m)
}

func (o *Onboard) inTime(at time.Time) error {
	if at.Before(o.Now().Add(minNotice)) {
		return refuse("a move must lie at least %d seconds ahead, so that every process knows of it in time: choose a later --at, for example --at +10s", int(minNotice.Seconds()))
	}
	return nil
}

func parseOrg(id string) (events.OrgID, error) {
	org, err := events.ParseOrgID(id)
	if err != nil {
		return "", usage("--org: %v", err)
	}
	return org, nil
}
