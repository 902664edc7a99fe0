package migrations_test

import (
	"fmt"
	"strings"
)

// What the rules know of the house. A table that is not named here belongs to
// organisations and keeps all of the rules.

// global are the tables that belong to no organisation, and why. Partitions go
// with their parents.
var global = map[string]string{
	"organizations":     "is the list of organisations",
	"accounts":          "who may sign, several organisations may share one; account_orgs says for whom",
	"account_tokens":    "secrets of accounts, sealed",
	"account_orgs":      "which organisations an account signs for: read to find out whose an event is",
	"senders":           "which organisation a sender belongs to: read to find out whose an event is",
	"config_version":    "one row that every change of accounts and senders bumps",
	"tenant_map":        "which organisation an id belongs to: read to find out whose an event is",
	"conversations":     "which organisations write to a person from a shared sender: read to find out whose an answer is",
	"sender_requests":   "what a person last asked of a shared sender, before it is known whom it concerns",
	"held_events":       "nobody knows yet whose they are",
	"held_keys":         "the keys that could free held events",
	"held_acts":         "what operators did to held events, by event id and without people; the organisation is whom they named",
	"held_assignments":  "whose held events are, by an operator's word: read to find out whose an event is",
	"held_wakes":        "keys under which very many events wait, while they are released in chunks",
	"applied_offsets":   "positions in Kafka, where organisations share partitions",
	"event_ids":         "outcomes of all events, without personal data; whose an event was is a fact about it",
	"event_duplicates":  "receipts of repeats, without personal data",
	"subscriptions":     "Stripe knows no organisations",
	"billing_objects":   "Stripe knows no organisations",
	"billing_events":    "Stripe knows no organisations",
	"erasures":          "the audit of erasures: who asked for what, without whom it was about",
	"erasure_addresses": "the worklist of an erasure that runs; no role reads it",
	"erasure_keys":      "keys of pseudonyms; no role reads it",
	"personal_tables":   "where people's data lies, by table",
	"retention_turns":   "when each table was last read for what is too old",
	"goose_db_version":  "the schema's own version",
}

// services are the roles that log in and own nothing.
var services = []string{"waybill_router", "waybill_worker", "waybill_operator", "waybill_readonly"}

// readers may see all organisations and change nothing of theirs.
var readers = []string{"waybill_operator", "waybill_readonly"}

// special are policies that fit neither of the two forms, as table.policy, and
// why. They are for the tables' owner and for reading: a function of the owner
// sees through them and is granted apart.
var special = map[string]string{
	"campaign_counters.dirty_only": "dirty_campaigns() finds campaigns to publish and returns nothing but ids",
	"campaign_counters.publisher":  "unpublished_campaigns() does the same",
	"campaign_snapshots.publisher": "unpublished_campaigns() compares with what was published",
	"campaign_changes.publisher":   "changed_campaigns() does the same",
	"events_other.seen_by_owner":   "retention looks for rows that no day's partition took",
	"events_other.expiring":        "retention deletes them, once they are older than a week",
	"campaign_open.publisher":      "late_campaigns() does the same",
}

// prelude makes the views that the rules read: every table there is, with its
// column org_id, and among them those that belong to organisations.
func prelude() string {
	return fmt.Sprintf(`
CREATE TEMP VIEW tables AS
  SELECT c.oid, c.oid::regclass::text AS name, coalesce(pg_partition_root(c.oid), c.oid)::regclass::text AS root,
    c.relispartition AS part, c.relkind AS kind, c.relowner AS owner, c.relrowsecurity AS secured, c.relforcerowsecurity AS forced, c.relacl AS acl,
    a.attnum AS org, a.atttypid AS org_type, a.attnotnull AS org_required
  FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped
  WHERE c.relkind IN ('r', 'p') AND c.relnamespace::regnamespace::text NOT LIKE 'pg\_%%' AND c.relnamespace::regnamespace::text <> 'information_schema';
CREATE TEMP VIEW owned AS SELECT * FROM tables WHERE root <> ALL (%[1]s) AND org IS NOT NULL;
CREATE TEMP VIEW grants AS -- to anybody but the owner, on tables and on their columns
  SELECT t.oid, t.name, a.grantee, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS role, a.privilege_type AS privilege,
    a.is_grantable AS grantable, NULL::int2 AS col
  FROM tables t, aclexplode(t.acl) a WHERE a.grantee <> t.owner
  UNION ALL
  SELECT t.oid, t.name, a.grantee, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, a.privilege_type, a.is_grantable, c.attnum
  FROM tables t JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0, aclexplode(c.attacl) a WHERE a.grantee <> t.owner;
CREATE TEMP VIEW house AS SELECT %[1]s AS global, %[2]s AS services, %[3]s AS readers, %[4]s AS special;
`, array(keys(global)), array(services), array(readers), array(keys(special)))
}

func keys(m map[string]string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	return names
}

// array writes names as an SQL array.
func array(names []string) string {
	return "'{" + strings.Join(names, ",") + "}'::text[]"
}
