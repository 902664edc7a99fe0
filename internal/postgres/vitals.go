package postgres

import (
	"context"
	"time"
)

// Vitals are what a look at the database shows.
type Vitals struct {
	Role      string
	Superuser bool
	Server    string        // version of PostgreSQL
	Schema    int64         // newest migration that is applied, 0 = none
	Ahead     time.Duration // how far the database's clock is before ours, negative = behind
	Unsure    time.Duration // by how much Ahead may be wrong: half of the round trip
}

// Vitals looks at the database. An error means that it cannot be used at all.
func (db *DB) Vitals(ctx context.Context) (Vitals, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var v Vitals
	err := db.pool.QueryRow(ctx, `SELECT current_user, rolsuper, current_setting('server_version')
		FROM pg_roles WHERE rolname = current_user`).Scan(&v.Role, &v.Superuser, &v.Server)
	if err != nil {
		return v, translate(err, "looking at the database")
	}
	var theirs time.Time
	asked := time.Now() // the connection is there by now
	if err := db.pool.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&theirs); err != nil {
		return v, translate(err, "asking for the time")
	}
	v.Unsure = time.Since(asked) / 2
	v.Ahead = theirs.Sub(asked.Add(v.Unsure))
	err = db.pool.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied").Scan(&v.Schema)
	if err != nil && !isUndefinedTable(err) {
		return v, translate(err, "checking the schema")
	}
	return v, nil
}
