package operate

import (
	"context"

	"waybill/internal/tenants"
)

// Resealed is what sealing all tokens under the newest key came to. Its JSON
// names are promises.
type Resealed struct {
	DryRun   bool       `json:"dry_run"`
	Tokens   int        `json:"tokens"`
	Resealed int        `json:"resealed"` // or would be
	Current  int        `json:"current"`  // were sealed under the newest key already
	Unopened []Unopened `json:"unopened"` // stay as they are
}

// Unopened is a token that none of the keys opens.
type Unopened struct {
	Provider tenants.Issuer `json:"provider"`
	Name     string         `json:"name"` // the account's
	TokenID  string         `json:"token_id"`
}

// Reseal seals every token under the first of the keys, so that the others are
// no longer needed. It may be stopped anywhere and done again.
func (o *Onboard) Reseal(ctx context.Context, dryRun bool) (Resealed, error) {
	done := Resealed{DryRun: dryRun, Unopened: []Unopened{}}
	err := o.Tenants.Reseal(ctx, func(t tenants.OwnedToken) ([]byte, error) {
		done.Tokens++
		value, err := o.Key.Open(t.Sealed, t.ID)
		switch {
		case err != nil:
			done.Unopened = append(done.Unopened, Unopened{t.Provider, t.Account, t.ID})
			return nil, nil
		case o.Key.Sealed(t.Sealed):
			done.Current++
			return nil, nil
		}
		done.Resealed++
		if dryRun {
			return nil, nil
		}
		return o.Key.Seal(value, t.ID), nil
	})
	return done, err
}
