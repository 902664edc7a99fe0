package migrations_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// sound is a table of an organisation's rows as it should be.
const sound = `
CREATE TABLE planted (
  org_id uuid NOT NULL REFERENCES organizations (id), id uuid NOT NULL, customer_id uuid, note text,
  PRIMARY KEY (org_id, id), UNIQUE (org_id, note),
  FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id) ON DELETE SET NULL (customer_id)
);
ALTER TABLE planted ENABLE ROW LEVEL SECURITY;
ALTER TABLE planted FORCE ROW LEVEL SECURITY;
CREATE POLICY one_org ON planted TO waybill_worker
  USING (org_id = (SELECT nullif(current_setting('waybill.org', true), '')::uuid))
  WITH CHECK (org_id = (SELECT nullif(current_setting('waybill.org', true), '')::uuid));
CREATE POLICY all_orgs ON planted FOR SELECT TO waybill_operator, waybill_readonly USING (true);
GRANT SELECT, INSERT, DELETE ON planted TO waybill_worker;
GRANT UPDATE (note) ON planted TO waybill_worker;
GRANT SELECT ON planted TO waybill_operator, waybill_readonly;
SELECT keep_org_id('planted');
`

// policy makes one_org anew with other words.
func policy(words string) string {
	return "DROP POLICY one_org ON planted; CREATE POLICY one_org ON planted " + words + ";"
}

const (
	oneOrg  = "(org_id = (SELECT nullif(current_setting('waybill.org', true), '')::uuid))"
	careful = "LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS 'SELECT 1'"
)

// planted are schemas with one thing wrong. The test of the real one means
// something only as long as each of these is found, and by that rule alone.
var planted = []struct{ rule, wrong, finding string }{
	{"organisation", "CREATE TABLE bare (id uuid PRIMARY KEY)", "bare has no org_id"},
	{"organisation", "ALTER TABLE planted DROP CONSTRAINT planted_pkey; ALTER TABLE planted ALTER org_id DROP NOT NULL", "planted has an org_id that may be NULL"},
	{"exceptions", "ALTER TABLE config_version RENAME TO config_versions", "config_version is not there"},
	{"exceptions", "DROP POLICY dirty_only ON campaign_counters", "campaign_counters.dirty_only is not there"},
	{"row security", "ALTER TABLE planted DISABLE ROW LEVEL SECURITY", "planted has no row-level security"},
	{"row security", "ALTER TABLE planted NO FORCE ROW LEVEL SECURITY", "planted does not hold its owner"},
	{"row security", "CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2001-01-01') TO ('2001-01-02')", "events_old has no row-level security"},
	{"policy form", policy("TO waybill_worker USING (true) WITH CHECK " + oneOrg), "planted: policy one_org"},
	{"policy form", policy("TO waybill_worker USING " + oneOrg + " WITH CHECK (true)"), "planted: policy one_org"},
	{"policy form", policy("TO waybill_worker USING " + oneOrg), "planted: policy one_org"},
	{"policy form", policy("USING " + oneOrg + " WITH CHECK " + oneOrg), "planted: policy one_org"},
	{"policy form", policy("TO waybill_worker USING (org_id = current_setting('waybill.org')::uuid) WITH CHECK " + oneOrg), "planted: policy one_org"},
	{"policy form", policy("TO waybill_worker USING (org_id = ANY (string_to_array(current_setting('waybill.org', true), ',')::uuid[])) WITH CHECK " + oneOrg), "planted: policy one_org"},
	{"policy form", "CREATE POLICY also ON planted FOR SELECT TO waybill_worker USING (true)", "planted: policy also"},
	{"policy form", "DROP POLICY all_orgs ON planted; CREATE POLICY all_orgs ON planted TO waybill_operator, waybill_readonly USING (true)", "planted: policy all_orgs"},
	{"policy form", "CREATE POLICY dirty_only ON planted FOR SELECT TO CURRENT_USER USING (true)", "planted: policy dirty_only"},
	{"policy for each role", "DROP POLICY one_org ON planted", "planted: waybill_worker may INSERT"},
	{"policy for each role", "GRANT SELECT (id) ON planted TO waybill_router", "planted: waybill_router may SELECT"},
	{"partitions", "GRANT SELECT ON events_other TO waybill_worker", "events_other: waybill_worker may SELECT"},
	{"keys", "ALTER TABLE planted ADD UNIQUE (id)", "planted: planted_id_key"},
	{"keys", "CREATE UNIQUE INDEX upside_down ON planted (id, org_id)", "planted: upside_down"},
	{"keys", "CREATE UNIQUE INDEX computed ON planted (lower(note), org_id)", "planted: computed"},
	{"keys", "ALTER TABLE planted ADD CONSTRAINT apart EXCLUDE USING gist (id WITH =)", "planted: apart"},
	{"keys", "ALTER TABLE planted DROP CONSTRAINT planted_pkey", "planted has no primary key"},
	{"references", "ALTER TABLE planted ADD account uuid REFERENCES accounts (id)", "planted_account_fkey"},
	{"references", "ALTER TABLE planted ADD key text REFERENCES tenant_map (key)", "planted_key_fkey"},
	{"references", "ALTER TABLE planted ADD FOREIGN KEY (id) REFERENCES organizations (id)", "planted_id_fkey"},
	{"references", "ALTER TABLE planted ADD FOREIGN KEY (id, org_id) REFERENCES customers (org_id, id)", "planted_id_org_id_fkey"},
	{"references", "ALTER TABLE planted ADD FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id) ON UPDATE CASCADE", "ON UPDATE CASCADE"},
	{"references", "ALTER TABLE planted ADD FOREIGN KEY (org_id, customer_id) REFERENCES customers (org_id, id) ON DELETE SET NULL", "ON DELETE SET NULL"},
	{"references", "ALTER TABLE held_keys ADD o uuid, ADD c uuid, ADD FOREIGN KEY (o, c) REFERENCES customers (org_id, id)", "held_keys_o_c_fkey"},
	{"organisation kept", "DROP TRIGGER keep_org_id ON planted", "planted lets a row change its organisation"},
	{"organisation kept", "ALTER TABLE planted DISABLE TRIGGER keep_org_id", "planted lets a row change its organisation"},
	{"organisation kept", "ALTER TABLE planted ENABLE TRIGGER keep_org_id", "planted lets a row change its organisation"},
	{"organisation kept", "ALTER TABLE events_other DISABLE TRIGGER keep_org_id", "events_other lets a row change its organisation"},
	{"grants", "GRANT UPDATE ON planted TO waybill_worker", "planted: waybill_worker may UPDATE"},
	{"grants", "GRANT UPDATE (org_id) ON planted TO waybill_worker", "planted: waybill_worker may UPDATE of org_id"},
	{"grants", "GRANT TRUNCATE ON planted TO waybill_worker", "planted: waybill_worker may TRUNCATE"},
	{"grants", "GRANT REFERENCES ON tenant_map TO waybill_router", "tenant_map: waybill_router may REFERENCES"},
	{"grants", "GRANT TRIGGER ON planted TO waybill_worker", "planted: waybill_worker may TRIGGER"},
	{"grants", "GRANT SELECT ON tenant_map TO PUBLIC", "tenant_map: PUBLIC may SELECT"},
	{"grants", "GRANT SELECT ON tenant_map TO pg_monitor", "tenant_map: pg_monitor may SELECT"},
	{"grants", "GRANT SELECT ON planted TO waybill_worker WITH GRANT OPTION", "planted: waybill_worker may SELECT and pass it on"},
	{"grants", "GRANT INSERT ON planted TO waybill_operator", "planted: waybill_operator may INSERT"},
	{"default grants", "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO waybill_readonly", "waybill_readonly=r"},
	{"roles", "ALTER ROLE waybill_worker SUPERUSER", "waybill_worker has a power of the server"},
	{"roles", "ALTER ROLE waybill_operator BYPASSRLS", "waybill_operator has a power of the server"},
	{"roles", "ALTER ROLE waybill_router CREATEROLE", "waybill_router has a power of the server"},
	{"roles", "GRANT pg_read_all_data TO waybill_readonly", "waybill_readonly has the rights of pg_read_all_data"},
	{"roles", "GRANT waybill_worker TO waybill_router", "waybill_router has the rights of waybill_worker"},
	{"roles", "ALTER TABLE config_version OWNER TO waybill_router; REVOKE ALL ON config_version FROM waybill_router", "waybill_router owns table config_version"},
	{"roles", "GRANT CREATE ON SCHEMA public TO waybill_worker", "waybill_worker may create in schema public"},
	{"roles", "DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$", "waybill_worker may TEMPORARY in the database"},
	{"functions of the owner", "CREATE FUNCTION lax() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'; REVOKE ALL ON FUNCTION lax() FROM PUBLIC", "lax() looks names up"},
	{"functions of the owner", "CREATE FUNCTION open() RETURNS int " + careful, "open() may be called by anybody"},
	{"views", "CREATE VIEW seen AS SELECT * FROM planted", "seen reads as its owner"},
	{"views", "CREATE MATERIALIZED VIEW copied AS SELECT * FROM planted", "copied is no table and no view"},
}

func TestTheRulesFindWhatBreaksThem(t *testing.T) {
	t.Parallel()
	owner := fresh(t)
	require.Empty(t, findings(t, owner, sound+"CREATE VIEW seen WITH (security_invoker = true) AS SELECT * FROM planted;"+
		"CREATE FUNCTION careful() RETURNS int "+careful+"; REVOKE ALL ON FUNCTION careful() FROM PUBLIC;"), "a sound table breaks no rule")
	proven := map[string]bool{}
	for _, p := range planted {
		proven[p.rule] = true
		t.Run(p.rule+"/"+p.finding, func(t *testing.T) {
			found := findings(t, owner, sound+p.wrong)
			require.Contains(t, found, p.rule, p.wrong)
			require.Contains(t, strings.Join(found[p.rule], "\n"), p.finding)
			delete(found, p.rule)
			delete(found, alsoBroken[p.rule])
			require.Empty(t, found, "%s breaks other rules too", p.wrong)
		})
	}
	for _, r := range rules {
		require.True(t, proven[r.name], "nothing shows that the rule %q can fail", r.name)
	}
}

// alsoBroken is what some rules cannot be broken without.
var alsoBroken = map[string]string{
	"organisation": "keys",
	"exceptions":   "organisation",
	"policy form":  "policy for each role",
	"grants":       "policy for each role",
}
