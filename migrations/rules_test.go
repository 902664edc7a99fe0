package migrations_test

// rule is something that holds for every table, role or function. Its query
// returns what breaks it, a line each; do says what to do about one.
type rule struct {
	name, do, query string
}

var rules = []rule{
	{
		"organisation", "give it org_id uuid NOT NULL, or name it in global (house_test.go) with a reason",
		`SELECT name || CASE WHEN org IS NULL THEN ' has no org_id' WHEN org_required THEN ' has an org_id that is no uuid' ELSE ' has an org_id that may be NULL' END
		FROM tables, house WHERE root <> ALL (global) AND NOT coalesce(org_required AND org_type = 'uuid'::regtype, false)`,
	},
	{
		"exceptions", "take it out of house_test.go: an exception for nothing would cover the next table of that name",
		`SELECT g || ' is not there' FROM house, unnest(global) g WHERE g NOT IN (SELECT name FROM tables)
		UNION ALL
		SELECT s || ' is not there' FROM house, unnest(special) s
		WHERE s NOT IN (SELECT polrelid::regclass || '.' || polname FROM pg_policy)`,
	},
	{
		"row security", "ALTER TABLE ... ENABLE ROW LEVEL SECURITY, and FORCE ROW LEVEL SECURITY",
		`SELECT name || CASE WHEN secured THEN ' does not hold its owner to row-level security' ELSE ' has no row-level security' END
		FROM owned WHERE NOT (secured AND forced)`,
	},
	{
		"policy form", "write it like one_org (with USING and WITH CHECK) or, for the readers, like all_orgs, as in 0005_create_platform.sql",
		`SELECT t.name || ': policy ' || p.polname
		FROM owned t JOIN pg_policy p ON p.polrelid = t.oid CROSS JOIN house h
		CROSS JOIN LATERAL (SELECT array_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END) AS roles FROM unnest(p.polroles) r) r
		CROSS JOIN (VALUES ($$(org_id = ( SELECT (NULLIF(current_setting('waybill.org'::text, true), ''::text))::uuid AS "nullif"))$$)) one_org (form)
		WHERE NOT coalesce(
			-- one organisation, named by the transaction; none when it names none
			p.polcmd = '*' AND p.polpermissive AND (r.roles <@ h.services AND NOT r.roles && h.readers OR p.polroles = ARRAY[t.owner])
				AND pg_get_expr(p.polqual, p.polrelid) = form AND pg_get_expr(p.polwithcheck, p.polrelid) = form
			OR p.polcmd = 'r' AND p.polpermissive AND r.roles <@ h.readers AND pg_get_expr(p.polqual, p.polrelid) = 'true'
			OR p.polroles = ARRAY[t.owner] AND t.name || '.' || p.polname = ANY (h.special), false)`,
	},
	{
		"policy for each role", "add a policy for the role, or take the grant away",
		`SELECT DISTINCT g.name || ': ' || g.role || ' may ' || g.privilege || ', no policy says which rows'
		FROM grants g JOIN owned t USING (oid)
		JOIN (VALUES ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd')) c (privilege, cmd) USING (privilege)
		WHERE NOT t.part AND NOT EXISTS (
			SELECT FROM pg_policy p WHERE p.polrelid = g.oid AND g.grantee = ANY (p.polroles) AND p.polcmd IN (c.cmd::"char", '*'))`,
	},
	{
		"partitions", "grant on the parent and put policies there: a partition is reached through it alone",
		`SELECT DISTINCT g.name || ': ' || g.role || ' may ' || g.privilege FROM grants g JOIN owned t USING (oid) WHERE t.part
		UNION ALL
		SELECT t.name || ' has policy ' || p.polname FROM owned t JOIN pg_policy p ON p.polrelid = t.oid CROSS JOIN house h
		WHERE t.part AND NOT (t.name || '.' || p.polname = ANY (h.special) AND p.polroles = ARRAY[t.owner])`,
	},
	{
		"keys", "begin the primary key, every unique index and every exclusion with org_id: a key across organisations tells one what another has",
		`SELECT t.name || ': ' || i.indexrelid::regclass FROM owned t JOIN pg_index i ON i.indrelid = t.oid
		WHERE (i.indisunique OR i.indisexclusion) AND i.indkey[0] IS DISTINCT FROM t.org
		UNION ALL
		SELECT t.name || ' has no primary key' FROM owned t WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary)`,
	},
	{
		"references", "reference (org_id, id), which makes another organisation's parent impossible, and leave org_id alone: ON DELETE SET NULL (column), no ON UPDATE",
		`SELECT c.conrelid::regclass || ': ' || c.conname || ' ' || pg_get_constraintdef(c.oid)
		FROM pg_constraint c JOIN tables f ON f.oid = c.conrelid JOIN tables t ON t.oid = c.confrelid
		WHERE c.contype = 'f' AND (f.oid IN (SELECT oid FROM owned) OR t.oid IN (SELECT oid FROM owned)) AND NOT coalesce(
			EXISTS (SELECT FROM unnest(c.conkey, c.confkey) k (a, b) WHERE k.a = f.org
				AND (k.b = t.org OR t.name = 'organizations' AND k.b = (SELECT attnum FROM pg_attribute WHERE attrelid = t.oid AND attname = 'id')))
			AND c.confupdtype IN ('a', 'r')
			AND (c.confdeltype NOT IN ('n', 'd') OR c.confdelsetcols IS NOT NULL AND f.org <> ALL (c.confdelsetcols)), false)`,
	},
	{
		"organisation kept", "SELECT keep_org_id('table') in the migration that makes it",
		`SELECT t.name || ' lets a row change its organisation' FROM owned t LEFT JOIN pg_trigger g ON g.tgrelid = t.oid AND g.tgname = 'keep_org_id'
		WHERE NOT coalesce(g.tgenabled = 'A' AND pg_get_triggerdef(g.oid) = format(
			'CREATE TRIGGER keep_org_id BEFORE UPDATE ON %s FOR EACH ROW WHEN (((old.org_id IS NOT NULL) AND (old.org_id IS DISTINCT FROM new.org_id))) EXECUTE FUNCTION refuse_other_org()',
			(SELECT relnamespace::regnamespace || '.' || relname FROM pg_class WHERE oid = t.oid)), false)`,
	},
	{
		"grants", "grant the services SELECT, INSERT, DELETE, and UPDATE of the columns that merging changes",
		`SELECT DISTINCT g.name || ': ' || g.role || ' may ' || g.privilege || CASE WHEN g.grantable THEN ' and pass it on' ELSE '' END
			|| coalesce(' of ' || c.attname, '')
		FROM grants g LEFT JOIN owned t USING (oid) LEFT JOIN pg_attribute c ON c.attrelid = g.oid AND c.attnum = g.col CROSS JOIN house h
		WHERE g.role <> ALL (h.services) OR g.grantable
			OR g.privilege NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
			OR t.oid IS NOT NULL AND (g.privilege = 'UPDATE' AND (g.col IS NULL OR g.col = t.org) OR g.role = ANY (h.readers) AND g.privilege <> 'SELECT')`,
	},
	{
		"default grants", "grant each table by name: a default grant is on the next table before anybody has thought of it",
		`SELECT 'by default, objects of kind ' || d.defaclobjtype::text || ' made by ' || d.defaclrole::regrole || ' are granted ' || d.defaclacl::text FROM pg_default_acl d`,
	},
	{
		"roles", "a service's role logs in and has what is granted to it by name, nothing else",
		`SELECT s || ' is not there' FROM house, unnest(services) s WHERE s NOT IN (SELECT rolname FROM pg_roles)
		UNION ALL
		SELECT r.rolname || ' has a power of the server' FROM pg_roles r, house h WHERE r.rolname = ANY (h.services)
			AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication)
		UNION ALL
		SELECT m.member::regrole || ' has the rights of ' || m.roleid::regrole FROM pg_auth_members m, house h
			WHERE m.member::regrole::text = ANY (h.services) OR m.roleid::regrole::text = ANY (h.services)
		UNION ALL
		SELECT r.rolname || ' owns ' || pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid, house h
			WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o' AND r.rolname = ANY (h.services)
				AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
		UNION ALL
		SELECT s || ' may create in schema ' || n.nspname FROM house, unnest(services) s, pg_namespace n
			WHERE n.nspname NOT LIKE 'pg\_temp%' AND n.nspname NOT LIKE 'pg\_toast%' AND has_schema_privilege(s, n.oid, 'CREATE')
		UNION ALL
		SELECT s || ' may ' || p || ' in the database' FROM house, unnest(services) s, unnest('{CREATE,TEMPORARY}'::text[]) p
			WHERE has_database_privilege(s, current_database(), p)`,
	},
	{
		"functions of the owner", "SET search_path = public, pg_temp, and REVOKE ALL ON FUNCTION ... FROM PUBLIC",
		`SELECT p.oid::regprocedure || CASE WHEN 'search_path=public, pg_temp' = ANY (p.proconfig) THEN ' may be called by anybody' ELSE ' looks names up where its caller says' END
		FROM pg_proc p WHERE p.prosecdef AND p.pronamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema') AND NOT coalesce(
			'search_path=public, pg_temp' = ANY (p.proconfig)
			AND NOT EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0), false)`,
	},
	{
		"views", "WITH (security_invoker = true); nothing that keeps rows of its own",
		`SELECT c.oid::regclass || CASE c.relkind WHEN 'v' THEN ' reads as its owner' ELSE ' is no table and no view' END FROM pg_class c
		WHERE c.relkind IN ('v', 'm', 'f') AND c.relnamespace::regnamespace::text NOT LIKE 'pg\_%' AND c.relnamespace::regnamespace::text <> 'information_schema'
			AND NOT (c.relkind = 'v' AND coalesce(c.reloptions && '{security_invoker=true,security_invoker=on}', false))`,
	},
}
