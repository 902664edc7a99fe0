package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"waybill/internal/events"
)

// setOrg limits the transaction's row-level security to one organisation.
const setOrg = "SELECT set_config('waybill.org', $1, true)"

// InOrg runs fn in a transaction in which row-level security shows the rows of
// one organisation only. The statements still name it in their WHERE.
func (db *DB) InOrg(ctx context.Context, org events.OrgID, what string, fn func(pgx.Tx) error) error {
	return db.inTx(ctx, what, func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, setOrg, org); err != nil {
			return err
		}
		return fn(tx)
	})
}

// inOrgs sends one pipeline in which each organisation's statements follow the
// setting that limits them to it. queue adds an organisation's statements; it
// may add none.
func inOrgs(ctx context.Context, tx pgx.Tx, orgs []events.OrgID, queue func(events.OrgID, *pgx.Batch) error) error {
	if len(orgs) == 0 {
		return nil
	}
	b := &pgx.Batch{}
	for _, org := range orgs {
		b.Queue(setOrg, org)
		if err := queue(org, b); err != nil {
			return err
		}
	}
	return tx.SendBatch(ctx, b).Close()
}
