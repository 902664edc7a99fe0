package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
	"waybill/internal/postgres/dbq"
	"waybill/internal/tenantmap"
	"waybill/internal/tenants"
)

// AddAccounts enters accounts, or adds to those that are on record: tokens
// beside their tokens, organisations beside theirs. All or nothing. An
// organisation counts from the beginning if no account of that name ever signed
// for it, else from now. What was held for an account is set ready.
func (t *Tenants) AddAccounts(ctx context.Context, list []tenants.NewAccount) ([]tenants.Added, error) {
	var added []tenants.Added
	err := t.db.asOperator(ctx, "adding an account", func(_ pgx.Tx, q *dbq.Queries) error {
		added = added[:0]
		for i := range list {
			a := &list[i]
			done := tenants.Added{Provider: a.Provider, Name: a.Name, Tokens: len(a.Tokens)}
			var err error
			key := tenantmap.AccountKey(tenants.SignsFor(a.Provider, a.Purpose), a.Name)
			done.Released, err = recording(ctx, q, key, func() error {
				done.ID, err = addAccount(ctx, q, a)
				return err
			})
			if err != nil {
				return err
			}
			added = append(added, done)
		}
		return nil
	})
	return added, err
}

func addAccount(ctx context.Context, q *dbq.Queries, a *tenants.NewAccount) (string, error) {
	provider := string(a.Provider)
	err := q.InsertAccount(ctx, dbq.InsertAccountParams{ID: uuid.NewString(), Provider: provider, Purpose: a.Purpose, Name: a.Name})
	if err != nil {
		return "", err
	}
	id, err := q.WidenAccount(ctx, dbq.WidenAccountParams{Platform: a.Platform, Provider: provider, Purpose: a.Purpose, Name: a.Name})
	if err != nil {
		return "", err
	}
	for _, tok := range a.Tokens {
		err := q.InsertToken(ctx, dbq.InsertTokenParams{ID: tok.ID, AccountID: id, Name: tok.Name, Algorithm: tok.Algorithm, Sealed: tok.Sealed})
		if err != nil {
			return "", err
		}
	}
	for _, org := range a.Orgs {
		err := q.EntitleOrg(ctx, dbq.EntitleOrgParams{AccountID: id, OrgID: string(org), Provider: provider, Purpose: a.Purpose, Name: a.Name})
		if code(err) == codeForeignKey {
			return "", notFound(noSuchOrg)
		}
		if err != nil {
			return "", err
		}
	}
	return id, nil
}

// SealedTokens returns the live tokens of a live account, nothing if there is none.
func (t *Tenants) SealedTokens(ctx context.Context, provider tenants.Issuer, purpose, name string) ([]tenants.SealedToken, error) {
	var tokens []tenants.SealedToken
	err := t.db.asOperator(ctx, "reading an account's tokens", func(_ pgx.Tx, q *dbq.Queries) error {
		rows, err := q.ListTokens(ctx, dbq.ListTokensParams{Provider: string(provider), Purpose: purpose, Name: name})
		tokens = make([]tenants.SealedToken, 0, len(rows))
		for _, r := range rows {
			tokens = append(tokens, tenants.SealedToken{ID: r.ID, Name: r.Name, Algorithm: r.Algorithm, Sealed: r.Sealed})
		}
		return err
	})
	return tokens, err
}

// Accounts returns the live accounts without their secrets.
func (t *Tenants) Accounts(ctx context.Context) ([]tenants.Account, error) {
	var all []tenants.Account
	err := t.db.asOperator(ctx, "listing accounts", func(_ pgx.Tx, q *dbq.Queries) error {
		rows, err := q.ListAccounts(ctx)
		if err != nil {
			return err
		}
		entitled, err := q.ListEntitlements(ctx)
		if err != nil {
			return err
		}
		tokens, err := q.ListTokenAges(ctx)
		if err != nil {
			return err
		}
		all = assemble(rows, entitled, tokens)
		return nil
	})
	return all, err
}

func assemble(rows []dbq.ListAccountsRow, entitled []dbq.AccountOrg, tokens []dbq.ListTokenAgesRow) []tenants.Account {
	all := make([]tenants.Account, len(rows))
	at := make(map[string]*tenants.Account, len(rows))
	for i, r := range rows {
		all[i] = tenants.Account{
			ID: r.ID, Provider: tenants.Issuer(r.Provider), Purpose: r.Purpose, Name: r.Name, Platform: r.Platform,
			Orgs: []tenants.Tenure{}, Tokens: []tenants.Token{}, CreatedAt: r.CreatedAt.UTC(),
		}
		at[r.ID] = &all[i]
	}
	for _, e := range entitled {
		from, to := bounds(e.Valid)
		a := at[e.AccountID]
		a.Orgs = append(a.Orgs, tenants.Tenure{Org: events.OrgID(e.OrgID), From: from, To: to})
	}
	for _, tok := range tokens {
		a := at[tok.AccountID]
		a.Tokens = append(a.Tokens, tenants.Token{
			ID: tok.ID, KeyID: tok.Name, Algorithm: tok.Algorithm, CreatedAt: tok.CreatedAt.UTC(), LastUsedAt: utc(tok.LastUsedAt),
		})
	}
	return all
}

// findAccount returns the live account with an id or name.
func findAccount(ctx context.Context, q *dbq.Queries, ref string) (dbq.FindAccountsRow, error) {
	found, err := q.FindAccounts(ctx, ref)
	switch {
	case err != nil:
		return dbq.FindAccountsRow{}, err
	case len(found) == 0:
		return dbq.FindAccountsRow{}, notFound("no account has this id or name: see `waybill account list`")
	case len(found) > 1:
		return dbq.FindAccountsRow{}, refuse("several_accounts", "several accounts have this name: give the id that `waybill account list` shows")
	}
	return found[0], nil
}

// RemoveAccount ends the account with that id or name, or one of its tokens.
// What it signed before is still judged as of then; a move that lies ahead does
// not happen.
func (t *Tenants) RemoveAccount(ctx context.Context, ref, tokenID string) error {
	return t.db.asOperator(ctx, "removing an account", func(_ pgx.Tx, q *dbq.Queries) error {
		a, err := findAccount(ctx, q, ref)
		if err != nil {
			return err
		}
		n, err := q.RemoveTokens(ctx, dbq.RemoveTokensParams{AccountID: a.ID, ID: optional(tokenID)})
		if err != nil {
			return err
		}
		if tokenID != "" {
			if n == 0 {
				return notFound("this account has no token of that id: see `waybill account list`")
			}
			return nil
		}
		if err := q.DropEntitlements(ctx, a.ID); err != nil {
			return err
		}
		if err := q.EndEntitlements(ctx, a.ID); err != nil {
			return err
		}
		return q.RemoveAccount(ctx, a.ID)
	})
}
