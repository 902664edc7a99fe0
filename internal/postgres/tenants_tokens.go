package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"waybill/internal/postgres/dbq"
	"waybill/internal/tenants"
)

// resealChunk is how many tokens one transaction of Reseal locks.
const resealChunk = 200

// Reseal gives fn every live token, in transactions of a chunk each, and writes
// what fn returns for one; nil leaves it as it is. A chunk that has to be tried
// again is given again.
func (t *Tenants) Reseal(ctx context.Context, fn func(tenants.OwnedToken) []byte) error {
	after := uuid.Nil.String()
	for {
		var rows []dbq.TokensBehindRow
		err := t.db.asOperator(ctx, "sealing tokens anew", func(_ pgx.Tx, q *dbq.Queries) (err error) {
			if rows, err = q.TokensBehind(ctx, dbq.TokensBehindParams{After: after, Most: resealChunk}); err != nil {
				return err
			}
			for _, r := range rows {
				sealed := fn(tenants.OwnedToken{
					Provider: tenants.Issuer(r.Provider), Account: r.Account, ID: r.ID, KeyID: r.Name, Sealed: r.Sealed,
				})
				if sealed == nil {
					continue
				}
				if err := q.ResealToken(ctx, dbq.ResealTokenParams{ID: r.ID, Sealed: sealed}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(rows) < resealChunk {
			return err
		}
		after = rows[len(rows)-1].ID
	}
}

// A time that is not behind the one on record changes nothing, and none lies in
// the future of the database's clock. Routers take the locks in one order.
const touchTokens = `
	UPDATE account_tokens t SET last_used_at = d.at
	FROM (
		SELECT o.id, least(u.at, now()) AS at
		FROM account_tokens o JOIN unnest($1::uuid[], $2::timestamptz[]) AS u(id, at) ON u.id = o.id
		WHERE o.last_used_at IS NULL OR o.last_used_at < least(u.at, now())
		ORDER BY o.id FOR UPDATE OF o
	) d WHERE t.id = d.id`

// Touch notes when tokens were last used, by their ids, which are UUIDs. It never
// goes back, and does not count as a change of the configuration.
func (r *Routing) Touch(ctx context.Context, used map[string]time.Time) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	ids, ats := make([]string, 0, len(used)), make([]time.Time, 0, len(used))
	for id, at := range used {
		ids, ats = append(ids, id), append(ats, at)
	}
	_, err := r.db.pool.Exec(ctx, touchTokens, ids, ats)
	return translate(err, "noting the use of tokens")
}
