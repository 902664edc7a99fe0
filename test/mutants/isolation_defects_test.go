package mutants_test

// isolation: another organisation's rows are read, written or counted. There are
// three walls: the organisation in every WHERE, row-level security, and keys that
// begin with it. Each hides the loss of another, so each is tested alone.
var isolation = []defect{
	{
		name: "a message is locked without its organisation",
		harm: "a message takes over the status of another organisation's message with the same id",
		file: "internal/postgres/sms_messages.go",
		text: "FROM sms_messages WHERE org_id = $1 AND", wrong: "FROM sms_messages WHERE $1::uuid IS NOT NULL AND",
		tests: by("internal/postgres", "TestEachWallHoldsAlone/the_organisation_in_every_WHERE"),
	},
	{
		name: "recipients are read without their organisation",
		harm: "an e-mail lists the addresses of another organisation's recipients as its own",
		file: "internal/postgres/email_messages.go",
		text: "FROM email_recipients WHERE org_id = $1 AND", wrong: "FROM email_recipients WHERE $1::uuid IS NOT NULL AND",
		tests: by("internal/postgres", "TestEachWallHoldsAlone/the_organisation_in_every_WHERE"),
	},
	{
		name: "a call is locked without its organisation",
		harm: "a call takes over the status of another organisation's call with the same id",
		file: "internal/postgres/call_rows.go",
		text: "FROM calls WHERE org_id = $1 AND", wrong: "FROM calls WHERE $1::uuid IS NOT NULL AND",
		tests: by("internal/postgres", "TestEachWallHoldsAlone/the_organisation_in_every_WHERE"),
	},
	{
		name: "status events are rebuilt from any organisation's rows",
		harm: "after a crash an organisation's subscribers are told the ids of another's message",
		file: "internal/postgres/timeline.go",
		text: "WHERE org_id = $1 AND id = e.row_id", wrong: "WHERE id = e.row_id",
		tests: by("internal/postgres", "TestEachWallHoldsAlone/the_organisation_in_every_WHERE"),
	},
	{
		name: "a snapshot counts every organisation's messages",
		harm: "a campaign shows the numbers of another organisation's campaign with the same id",
		file: "internal/postgres/snapshots.go",
		text: "reached, version FROM campaign_counters\n\t\tWHERE org_id = $1 AND", wrong: "reached, version FROM campaign_counters\n\t\tWHERE $1::uuid IS NOT NULL AND",
		tests: by("internal/postgres", "TestEachWallHoldsAlone/the_organisation_in_every_WHERE"),
	},
	{
		name: "a campaign is completed without its organisation",
		harm: "an organisation's campaign is shown as completed because another's with the same id is",
		file: "internal/postgres/snapshots.go",
		text: "UPDATE sms_campaigns SET completed_at = $3 WHERE org_id = $1 AND", wrong: "UPDATE sms_campaigns SET completed_at = $3 WHERE $1::uuid IS NOT NULL AND",
		tests: by("internal/postgres", "TestEachWallHoldsAlone/the_organisation_in_every_WHERE"),
	},
	{
		name: "a policy shows every row",
		harm: "the next statement that forgets its WHERE reads and changes every organisation's rows",
		file: "migrations/0005_create_platform.sql",
		text: "USING (org_id = (SELECT nullif(current_setting('waybill.org', true), '')::uuid))", wrong: "USING (true)",
		tests: by("internal/postgres", "TestEachWallHoldsAlone/row-level_security"),
	},
	{
		name: "a policy takes every row",
		harm: "the next statement that mixes two organisations up writes rows for the wrong one",
		file: "migrations/0005_create_platform.sql",
		text: "WITH CHECK (org_id = (SELECT nullif(current_setting('waybill.org', true), '')::uuid))", wrong: "WITH CHECK (true)",
		tests: by("internal/postgres", "TestEachWallHoldsAlone/row-level_security"),
	},
	{
		name: "new tables without row-level security",
		harm: "the second wall is missing for e-mails and calls, and nothing shows it until the first one breaks",
		file: "migrations/0007_create_email_and_calls.sql",
		text: "EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);", wrong: "",
		tests: by("internal/postgres", "TestEachWallHoldsAlone/row-level_security"),
	},
	{
		name: "a batch is limited to no organisation but its first",
		harm: "of a batch of two organisations only the first one's messages change",
		file: "internal/postgres/orgs.go",
		text: "\t\tb.Queue(setOrg, org)\n", wrong: "\t\tb.Queue(setOrg, orgs[0])\n",
		tests: by("internal/postgres", "TestTheSameIdsOfTwoOrganisationsNeverMeet"),
	},
	{
		name: "a provider's id is unique over all organisations",
		harm: "whoever names an id first keeps every other organisation's message with that id from being written",
		file: "migrations/0005_create_platform.sql",
		text: "provider_id  text,", wrong: "provider_id  text UNIQUE,",
		tests: by("internal/postgres", "TestTheSameIdsOfTwoOrganisationsNeverMeet"),
	},
	{
		name: "a message may name another organisation's campaign",
		harm: "a message is attached to a campaign that its organisation does not have",
		file: "migrations/0005_create_platform.sql",
		text: "UNIQUE (org_id, provider, provider_id),\n  FOREIGN KEY (org_id, campaign_id) REFERENCES sms_campaigns (org_id, id),", wrong: "UNIQUE (org_id, provider, provider_id),",
		tests: by("internal/postgres", "TestEachWallHoldsAlone/keys_that_begin_with_the_organisation"),
	},
}
