package operate

import (
	"context"
	"maps"
	"slices"

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
	current, again := map[string]bool{}, map[string]bool{} // by token: one may be asked about twice
	unopened := map[string]Unopened{}
	err := o.Tenants.Reseal(ctx, func(t tenants.OwnedToken) []byte {
		value, err := o.Key.Open(t.Sealed, t.ID)
		if err != nil {
			unopened[t.ID] = Unopened{t.Provider, t.Account, t.ID}
			return nil
		}
		if o.Key.Sealed(t.Sealed) {
			current[t.ID] = true
			return nil
		}
		again[t.ID] = true
		if dryRun {
			return nil
		}
		return o.Key.Seal(value, t.ID)
	})
	for _, id := range slices.Sorted(maps.Keys(unopened)) {
		done.Unopened = append(done.Unopened, unopened[id])
	}
	done.Current, done.Resealed = len(current), len(again)
	done.Tokens = len(current) + len(again) + len(unopened)
	return done, err
}
