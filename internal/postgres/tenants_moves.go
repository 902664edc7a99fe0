package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/postgres/dbq"
	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
)

// MoveAccount lets an account sign for another organisation from a time on, in
// the place of one that it signs for until then, and sets ready what is held for
// the account. What was sent before is still judged as of then.
func (t *Tenants) MoveAccount(ctx context.Context, m tenants.AccountMove) (tenants.AccountMoved, error) {
	var moved tenants.AccountMoved
	err := t.db.asOperator(ctx, "moving an account", func(_ pgx.Tx, q *dbq.Queries) error {
		a, err := findAccount(ctx, q, m.Account)
		if err != nil {
			return err
		}
		moved = tenants.AccountMoved{ID: a.ID, Provider: tenants.Issuer(a.Provider), Name: a.Name, To: m.To, At: m.At}
		moved.Released, err = recording(ctx, q, tenantmap.AccountKey(tenants.SignsFor(tenants.Issuer(a.Provider), a.Purpose), a.Name), func() error {
			moved.From, err = moveAccount(ctx, q, &a, &m)
			return err
		})
		return err
	})
	return moved, err
}

// moveAccount returns the organisation that the account signs for no more.
func moveAccount(ctx context.Context, q *dbq.Queries, a *dbq.FindAccountsRow, m *tenants.AccountMove) (events.OrgID, error) {
	if a.Platform {
		return "", refuse("account_of_all", "this account signs for every organisation: there is nothing to move")
	}
	// It writes in any case: a change of accounts is what routers notice.
	if _, err := q.WidenAccount(ctx, dbq.WidenAccountParams{Provider: a.Provider, Purpose: a.Purpose, Name: a.Name}); err != nil {
		return "", err
	}
	now, err := q.EntitlementsAt(ctx, dbq.EntitlementsAtParams{AccountID: a.ID, At: m.At})
	if err != nil {
		return "", err
	}
	old, err := whose(now, m)
	if err != nil {
		return "", err
	}
	from, until := bounds(old.Valid)
	if from != nil && !from.Before(m.At) {
		return "", refuse("empty_tenure", "the account begins to sign for the present organisation then: move it later")
	}
	if err := q.EndEntitlement(ctx, dbq.EndEntitlementParams{AccountID: a.ID, OrgID: old.OrgID, At: m.At}); err != nil {
		return "", err
	}
	err = q.BeginEntitlement(ctx, dbq.BeginEntitlementParams{AccountID: a.ID, OrgID: string(m.To), At: m.At, Until: until})
	switch code(err) {
	case codeExclusion:
		return "", refuse("account_there", "this account signs for that organisation later already: see `waybill account list --json`")
	case codeForeignKey:
		return "", notFound(noSuchOrg)
	}
	return events.OrgID(old.OrgID), err
}

// whose returns the entitlement that a move ends, of those that an account has
// at that time.
func whose(now []dbq.EntitlementsAtRow, m *tenants.AccountMove) (dbq.EntitlementsAtRow, error) {
	is := func(org events.OrgID) func(dbq.EntitlementsAtRow) bool {
		return func(r dbq.EntitlementsAtRow) bool { return r.OrgID == string(org) }
	}
	switch {
	case len(now) == 0:
		return dbq.EntitlementsAtRow{}, notFound("this account signs for no organisation at that time: see `waybill account list --json`, or add one with `waybill account add`")
	case slices.ContainsFunc(now, is(m.To)):
		return dbq.EntitlementsAtRow{}, refuse("account_there", "this account signs for that organisation at that time already")
	case m.From != "":
		if i := slices.IndexFunc(now, is(m.From)); i >= 0 {
			return now[i], nil
		}
		return dbq.EntitlementsAtRow{}, refuse("account_elsewhere", "this account does not sign for the organisation in --from at that time: see `waybill account list --json`")
	case len(now) > 1:
		return dbq.EntitlementsAtRow{}, refuse("several_organisations", "this account signs for several organisations at that time: say with --from which of them it leaves")
	}
	return now[0], nil
}
