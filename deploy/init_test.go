package deploy_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"waybill/internal/config"
	"waybill/internal/embedded"
	"waybill/internal/postgres"
	"waybill/migrations"
)

const initFile = "deploy/postgres/init.sql"

// The database's container is played: a new server with an empty database, the
// init file as its superuser, then the migrations and each role, with the
// addresses that docker-compose.yml gives.
func TestTheInitFileAndTheMigrationsMakeEveryRole(t *testing.T) {
	t.Parallel()
	for name, initialise := range map[string]func(*testing.T, string, config.Source){
		"psql":     psql, // what the container has
		"stand-in": standIn,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := project(t)
			container := environ(service(t, p, "postgres"))
			server := startServer(t)
			database := container["POSTGRES_DB"]
			require.NoError(t, server.CreateDatabase(t.Context(), database))
			initialise(t, server.SuperuserURL(database), container)

			// What a service is given, at the address of this server.
			at := func(name string) string {
				u, err := url.Parse(environ(service(t, p, name))["WAYBILL_DATABASE_URL"])
				require.NoError(t, err)
				password, _ := u.User.Password()
				return server.URL(u.User.Username(), password, strings.TrimPrefix(u.Path, "/"))
			}
			steps, err := migrations.Up(t.Context(), at("migrate"))
			require.NoError(t, err)
			require.EqualValues(t, migrations.Version, steps[len(steps)-1].Version)
			for _, name := range []string{"router", "workers", "waybill"} {
				require.NoError(t, check(t, at(name)), name)
			}
			require.NoError(t, check(t, server.URL("waybill_readonly", container["DB_READONLY_PASSWORD"], database)))
			for role := range passwordVariable {
				require.Error(t, check(t, server.URL(role, container["POSTGRES_PASSWORD"], database)), "%s: any password will do", role)
			}
			requireNoPowers(t, server.SuperuserURL(database))
			require.Equal(t, []string{"default_statistics_target=10"}, settings(t, server.SuperuserURL(database)))
		})
	}
}

func startServer(t *testing.T) *embedded.Postgres {
	t.Helper()
	dir, err := embedded.MkdirTemp("waybill-deploy-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	server, err := embedded.StartPostgres(t.Context(), embedded.PostgresOptions{Dir: dir, Fast: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) }) // the test's context is over by then
	return server
}

// check connects as a service does at its start.
func check(t *testing.T, address string) error {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: config.Secret(address), MaxConns: 2})
	require.NoError(t, err)
	defer db.Close()
	return db.Check(t.Context())
}

// requireNoPowers wants that no role could lift a limit set to it or another.
func requireNoPowers(t *testing.T, superuser string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), superuser)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `
		SELECT rolname FROM pg_roles
		WHERE rolname LIKE 'waybill%' AND rolcanlogin AND NOT (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication)
		ORDER BY rolname`)
	require.NoError(t, err)
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{"waybill_operator", "waybill_owner", "waybill_readonly", "waybill_router", "waybill_worker"}, roles)
}

// settings are what the database has of its own, whatever the server has.
func settings(t *testing.T, superuser string) (all []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), superuser)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	require.NoError(t, conn.QueryRow(t.Context(), `
		SELECT coalesce(array_agg(s ORDER BY s), '{}') FROM pg_db_role_setting r JOIN pg_database d ON d.oid = r.setdatabase, unnest(r.setconfig) AS s
		WHERE d.datname = current_database() AND r.setrole = 0`).Scan(&all))
	return all
}

// psql runs the init file with the options of the image's entrypoint.
func psql(t *testing.T, database string, env config.Source) {
	t.Helper()
	program, err := exec.LookPath("psql")
	if err != nil {
		t.Skip("there is no psql here; its stand-in runs the file")
	}
	cmd := exec.CommandContext(t.Context(), program, "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "--no-password", "--dbname", database, "-f", "../"+initFile)
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}

var (
	getenv  = regexp.MustCompile(`(?m)^\\getenv (\w+) (\w+)\n`)
	literal = regexp.MustCompile(`:'(\w+)'`)
)

// standIn knows of psql what the init file uses.
func standIn(t *testing.T, database string, env config.Source) {
	t.Helper()
	text := string(read(t, initFile))
	values := map[string]string{}
	for _, m := range getenv.FindAllStringSubmatch(text, -1) {
		require.Contains(t, env, m[2], "the container has no such variable")
		values[m[1]] = env[m[2]]
	}
	text = literal.ReplaceAllStringFunc(getenv.ReplaceAllString(text, ""), func(s string) string {
		name := literal.FindStringSubmatch(s)[1]
		require.Contains(t, values, name)
		return "'" + strings.ReplaceAll(values[name], "'", "''") + "'"
	})
	require.NotContains(t, text, `\`, "psql has a command that this test does not know")
	conn, err := pgx.Connect(t.Context(), database)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), text)
	require.NoError(t, err)
}
