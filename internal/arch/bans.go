package arch

import "slices"

// ban forbids imports beyond what the floors forbid.
type ban struct {
	imports []string // import paths; rooms of this module without its name
	from    []string // the rooms that must not; empty = every product room
	except  []string // rooms that may
	tests   bool     // holds for test files and suites too
	why     string
}

var bans = []ban{
	{
		imports: []string{
			"net/http", "net/http/*", "database/sql", "database/sql/*", "github.com/jackc/pgx/*",
			"github.com/segmentio/kafka-go", "github.com/segmentio/kafka-go/*", "github.com/twmb/franz-go/*",
			"github.com/ThreeDotsLabs/watermill", "github.com/ThreeDotsLabs/watermill/*",
		},
		from: floors[2],
		why:  "a domain room is pure: no database, no broker, no HTTP",
	},
	{
		imports: []string{"internal/postgres", "internal/postgres/*", "database/sql", "github.com/jackc/pgx/*"},
		from:    []string{"internal/ingest"},
		why:     "ingest has no database: it reads Kafka alone",
	},
	{
		imports: []string{"database/sql", "database/sql/*", "github.com/jackc/pgx/*"},
		// ingest and the domains have bans of their own.
		except: slices.Concat([]string{"internal/postgres", "internal/postgres/dbq", "internal/embedded", "migrations", "internal/ingest"}, floors[2]),
		why:    "only internal/postgres talks to the database: there a statement names its organisation",
	},
	{
		imports: []string{"internal/postgres/dbq"},
		except:  []string{"internal/postgres"},
		tests:   true,
		why:     "generated query types stay inside internal/postgres",
	},
	{
		imports: []string{"internal/provider/sns"},
		from:    []string{"internal/provider/twilio", "internal/provider/stripe"},
		why:     "providers do not know each other; only ses and connect come through SNS",
	},
	{
		imports: []string{"github.com/segmentio/kafka-go", "github.com/segmentio/kafka-go/*"},
		except:  []string{"internal/bus/kafkabus"},
		why:     "the Kafka client can be changed in a week only while one room knows it",
	},
	{
		imports: []string{"github.com/caarlos0/env/*"},
		except:  []string{"internal/config"},
		why:     "only internal/config reads the environment",
	},
	{
		imports: []string{"net/http/pprof", "runtime/pprof", "runtime/trace", "expvar"},
		why:     "a profile shows memory, and secrets lie in memory",
	},
	{
		imports: []string{
			"testing", "testing/*", "github.com/stretchr/testify/*", "github.com/google/go-cmp/*",
			"pgregory.net/rapid", "go.uber.org/goleak",
		},
		why: "test libraries do not belong into product code",
	},
	{
		imports: []string{"github.com/stretchr/testify/assert", "github.com/pkg/errors"},
		tests:   true,
		why:     "require stops at the first failure; errors come from the standard library",
	},
}

// environmentReaders are the rooms whose product code may use [environment].
var environmentReaders = []string{"cmd/*", "internal/config"}

// trapped is the one product file elsewhere that may use [environment]: it
// arms what ends or stops a process in a test, is built only with this tag, and
// so is in no product. Nothing that a product reads hides from docs/config.md.
const (
	trapped    = "internal/failpoint/on.go"
	trappedTag = "failpoint"
)

// environment names the functions that read or change the process's environment.
var environment = map[string][]string{
	"os":      {"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv", "Clearenv"},
	"syscall": {"Getenv", "Environ", "Setenv", "Unsetenv", "Clearenv"},
}
