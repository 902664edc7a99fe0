package deploy_test

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"waybill/internal/app"
	"waybill/internal/bus/kafkabus"
	"waybill/internal/config"
	"waybill/internal/postgres"
	"waybill/internal/seal"
)

// ours are the services that run this repository's programs, with what each
// reads and the database role that docs/config.md gives it.
var ours = map[string]struct {
	cfg  func() any
	role string
}{
	"ingest":  {func() any { return &app.IngestConfig{} }, ""},
	"router":  {func() any { return &app.RouterConfig{} }, "waybill_router"},
	"workers": {func() any { return &app.WorkersConfig{} }, "waybill_worker"},
	"migrate": {func() any { return &struct{ Postgres postgres.Config }{} }, "waybill_owner"},
	"topics":  {func() any { return &struct{ Kafka kafkabus.Config }{} }, ""},
	"waybill": {func() any {
		return &struct {
			SecretKey config.Secret `env:"WAYBILL_SECRET_KEY"`
			Kafka     kafkabus.Config
			Postgres  postgres.Config
		}{}
	}, "waybill_operator"},
}

func TestEveryProcessFindsTheEnvironmentThatItReads(t *testing.T) {
	t.Parallel()
	p := project(t)
	for name, s := range p.Services {
		want, isOurs := ours[name]
		require.Equal(t, s.Build != nil, isOurs, "%s: is built here, or is not: the table in this test is another", name)
		if !isOurs {
			continue
		}
		env := environ(s)
		cfg := want.cfg()
		require.NoError(t, config.Load(cfg, env), name)
		known := map[string]bool{}
		for _, f := range config.Fields(cfg) {
			known[f.Name] = true
		}
		for variable := range env {
			require.True(t, known[variable], "%s does not read %s", name, variable)
		}
		if known["WAYBILL_KAFKA_BROKERS"] {
			requireKafka(t, p, s, env["WAYBILL_KAFKA_BROKERS"])
		}
		if known["WAYBILL_DATABASE_URL"] {
			requireDatabase(t, p, s, env["WAYBILL_DATABASE_URL"], want.role)
		}
	}
	key := environ(service(t, p, "ingest"))["WAYBILL_SECRET_KEY"]
	require.Equal(t, key, environ(service(t, p, "waybill"))["WAYBILL_SECRET_KEY"], "ingest opens what `waybill account add` sealed")
	_, err := seal.ParseKey(key)
	require.NoError(t, err)
}

// requireKafka wants the address that the broker tells its clients: with any
// other they would find it once and then be sent elsewhere.
func requireKafka(t *testing.T, p *types.Project, s types.ServiceConfig, brokers string) {
	t.Helper()
	host, _, _ := strings.Cut(brokers, ":")
	broker := service(t, p, host)
	require.True(t, meet(s, broker), "%s and %s are on no common network", s.Name, host)
	require.Equal(t, "PLAINTEXT://"+brokers, environ(broker)["KAFKA_ADVERTISED_LISTENERS"], s.Name)
	require.Contains(t, strings.Split(environ(broker)["KAFKA_LISTENERS"], ","), "PLAINTEXT://:"+strings.TrimPrefix(brokers, host+":"))
}

func requireDatabase(t *testing.T, p *types.Project, s types.ServiceConfig, address, role string) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	db := service(t, p, u.Hostname())
	require.True(t, meet(s, db), "%s and %s are on no common network", s.Name, u.Hostname())
	require.Equal(t, "5432", u.Port(), s.Name)
	require.Equal(t, "/"+environ(db)["POSTGRES_DB"], u.Path, s.Name)
	require.Equal(t, role, u.User.Username(), s.Name)
	password, _ := u.User.Password()
	require.Equal(t, environ(db)[passwordVariable[role]], password, s.Name)
}

// passwordVariable names the variable of the database's container that holds
// the password of a role.
var passwordVariable = map[string]string{
	"waybill_owner":    "DB_OWNER_PASSWORD",
	"waybill_router":   "DB_ROUTER_PASSWORD",
	"waybill_worker":   "DB_WORKER_PASSWORD",
	"waybill_operator": "DB_OPERATOR_PASSWORD",
	"waybill_readonly": "DB_READONLY_PASSWORD",
}

// meet tells whether two services share a network.
func meet(a, b types.ServiceConfig) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(a.Networks)), func(name string) bool {
		_, ok := b.Networks[name]
		return ok
	})
}

// raw is docker-compose.yml before variables are filled in.
func raw(t *testing.T) map[string]any {
	t.Helper()
	model, err := loader.LoadModelWithContext(t.Context(), details(t, nil), func(o *loader.Options) {
		o.Profiles = []string{"*"}
		o.SkipInterpolation, o.SkipNormalization, o.SkipConsistencyCheck, o.SkipResolveEnvironment = true, true, true, true
	})
	require.NoError(t, err)
	return model
}

func TestTheExampleHoldsEveryVariableAndNoSecret(t *testing.T) {
	t.Parallel()
	example := exampleEnv(t)
	text := string(read(t, ".env.example"))
	variables := template.ExtractVariables(raw(t), nil)
	for name, v := range variables {
		value, listed := example[name]
		if v.Required {
			require.True(t, listed, "%s is required, and not in .env.example", name)
			require.Empty(t, value, "%s: an example that works would be used", name)
			continue
		}
		require.Contains(t, text, "\n#"+name+"="+v.DefaultValue+"\n", "the default of %s", name)
	}
	for name := range example {
		require.Contains(t, variables, name, "docker-compose.yml does not use it")
	}
}

// A missing value is one sentence before anything is started, not a service
// with an empty password.
func TestAMissingValueIsSaidInOneSentence(t *testing.T) {
	t.Parallel()
	_, err := load(t, exampleEnv(t))
	require.ErrorContains(t, err, ".env.example", "the example was taken as it is")
	for name := range exampleEnv(t) {
		for what, change := range map[string]func(types.Mapping){
			"missing": func(env types.Mapping) { delete(env, name) },
			"empty":   func(env types.Mapping) { env[name] = "" },
		} {
			env := filledEnv(t)
			change(env)
			_, err := load(t, env)
			require.Error(t, err, "%s is %s", name, what)
			for line := range strings.SplitSeq(err.Error(), "\n") { // one for each place
				require.Contains(t, line, "required variable "+name+" is missing a value: see .env.example")
			}
		}
	}
}

var (
	secretName  = regexp.MustCompile(`(PASSWORD|SECRET|KEY|TOKEN|DATABASE_URL)$`)
	onlyFromEnv = regexp.MustCompile(`^(postgres://\w+:)?\$\{[A-Z_]+:\?[^}]+\}(@[a-z0-9:/?=]+)?$`)
)

func TestNoSecretIsWrittenDown(t *testing.T) {
	t.Parallel()
	found := 0
	for name, s := range raw(t)["services"].(map[string]any) {
		env, _ := s.(map[string]any)["environment"].(map[string]any)
		for variable, value := range env {
			if secretName.MatchString(variable) {
				found++
				require.Regexp(t, onlyFromEnv, value, "%s: %s", name, variable)
			}
		}
	}
	require.Greater(t, found, 8, "the secrets were not found")
	require.Contains(t, strings.Split(string(read(t, ".gitignore")), "\n"), "/.env")
}
