package arch_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"waybill/internal/arch"
)

func TestArrows(t *testing.T) {
	t.Parallel()
	pkgs, err := arch.Load(os.DirFS("../.."))
	require.NoError(t, err)
	require.Greater(t, len(pkgs), 5, "the source tree was not found")
	if broken := arch.Check(pkgs); len(broken) > 0 {
		t.Errorf("%d rules of the house are broken:\n  %s", len(broken), strings.Join(broken, "\n  "))
	}
}

// Each case is a small house with one thing wrong; the test of the real one
// means something only as long as all of these are found.
func TestCheckFindsViolations(t *testing.T) {
	t.Parallel()
	const doc = "// Package p is for a test.\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // "" = nothing is wrong
	}{
		{
			name: "a sound house",
			files: map[string]string{
				"internal/fault/a.go":              doc + "package p",
				"internal/postgres/a.go":           doc + "package p\nimport (\n_ \"house/internal/fault\"\n_ \"github.com/jackc/pgx/v5\"\n)",
				"internal/postgres/a_test.go":      "package p_test\nimport (\n_ \"house/internal/testkit\"\n_ \"house/internal/embedded\"\n_ \"testing\"\n)",
				"internal/embedded/a.go":           doc + "package p",
				"internal/testkit/a.go":            doc + "package p\nimport (\n_ \"house/internal/postgres\"\n_ \"os\"\n_ \"testing\"\n)",
				"internal/app/a.go":                doc + "package p\nimport _ \"house/internal/postgres\"",
				"cmd/waybill/main.go":              "// Command waybill runs.\npackage main\nimport (\n_ \"house/internal/app\"\n\"os\"\n)\nvar x = os.Getenv(\"X\")",
				"internal/postgres/testdata/a.go":  "package broken",
				"tools/go.mod":                     "module tools",
				"tools/a.go":                       "package tools",
				"test/crash/crash_test.go":         "// Package crash_test kills.\npackage crash_test",
				"internal/provider/twilio/a.go":    doc + "package p\nimport _ \"house/internal/provider\"",
				"internal/provider/a.go":           doc + "package p\nimport _ \"net/http\"",
				"internal/config/config.go":        doc + "package p\nimport _ \"github.com/caarlos0/env/v11\"",
				"internal/bus/kafkabus/publish.go": doc + "package p\nimport _ \"github.com/segmentio/kafka-go\"",
			},
		},
		{
			name: "a public room that hides what it stands on",
			files: map[string]string{
				"internal/bus/kafkabus/a.go": doc + "package p",
				"status/kafka/a.go": "// Package kafka is for a test.\npackage kafka\nimport bus \"house/internal/bus/kafkabus\"\n" +
					"type S struct{ client *bus.Client }\nfunc (s *S) close() *bus.Client { return s.client }\nvar _ = bus.X\nfunc New() *S { return &S{bus.New()} }",
			},
		},
		{
			name: "a public room with an internal type in a field",
			files: map[string]string{
				"internal/bus/kafkabus/a.go": doc + "package p",
				"status/kafka/a.go": "// Package kafka is for a test.\npackage kafka\nimport \"house/internal/bus/kafkabus\"\n" +
					"type S struct{\nname string\nClients []*kafkabus.Client\n}",
			},
			want: "status/kafka: exports a.go:6 kafkabus.Client of internal/bus/kafkabus",
		},
		{
			name: "a public room with an internal type embedded",
			files: map[string]string{
				"internal/bus/kafkabus/a.go": doc + "package p",
				"status/kafka/a.go": "// Package kafka is for a test.\npackage kafka\nimport \"house/internal/bus/kafkabus\"\n" +
					"type S struct{ *kafkabus.Client }",
			},
			want: "programs outside cannot name it",
		},
		{
			name: "a public room with an internal type as an argument",
			files: map[string]string{
				"internal/events/a.go": doc + "package p",
				"status/a.go":          "// Package status is for a test.\npackage status\nimport \"house/internal/events\"\nfunc Of(id events.OrgID) {}",
			},
			want: "status: exports a.go:4 events.OrgID of internal/events",
		},
		{
			name:  "an unknown room",
			files: map[string]string{"internal/util/a.go": doc + "package p"},
			want:  "internal/util: is a room without a floor",
		},
		{
			name: "an import upwards",
			files: map[string]string{
				"internal/events/a.go":   doc + "package p\nimport _ \"house/internal/postgres\"",
				"internal/postgres/a.go": doc + "package p",
			},
			want: "internal/events: a.go imports internal/postgres: floor 1 does not know floor 4",
		},
		{
			name: "two rooms of one floor",
			files: map[string]string{
				"internal/router/a.go": doc + "package p\nimport _ \"house/internal/worker\"",
				"internal/worker/a.go": doc + "package p",
			},
			want: "internal/router: a.go imports internal/worker: rooms on floor 4 do not know each other",
		},
		{
			name: "two domains",
			files: map[string]string{
				"internal/messaging/a.go": doc + "package p\nimport _ \"house/internal/campaign\"",
				"internal/campaign/a.go":  doc + "package p",
			},
			want: "rooms on floor 2 do not know each other",
		},
		{
			name: "a provider that takes another's ground",
			files: map[string]string{
				"internal/provider/twilio/a.go": doc + "package p\nimport _ \"house/internal/provider/sns\"",
				"internal/provider/sns/a.go":    doc + "package p",
			},
			want: "internal/provider/twilio: a.go imports internal/provider/sns: providers do not know each other",
		},
		{
			name: "app below the commands",
			files: map[string]string{
				"internal/simulate/a.go": doc + "package p\nimport _ \"house/internal/app\"",
				"internal/app/a.go":      doc + "package p",
			},
			want: "floor 4 does not know floor 5",
		},
		{
			name: "product code that uses the test kit",
			files: map[string]string{
				"internal/app/a.go":     doc + "package p\nimport _ \"house/internal/testkit\"",
				"internal/testkit/a.go": doc + "package p",
			},
			want: "internal/app: a.go imports internal/testkit: it is for tests only",
		},
		{
			name:  "product code that uses a test library",
			files: map[string]string{"internal/fault/a.go": doc + "package p\nimport _ \"testing\""},
			want:  "test libraries do not belong",
		},
		{
			name:  "a domain room with a database",
			files: map[string]string{"internal/billing/a.go": doc + "package p\nimport _ \"github.com/jackc/pgx/v5/pgtype\""},
			want:  "internal/billing: a.go imports github.com/jackc/pgx/v5/pgtype: a domain room is pure",
		},
		{
			name:  "a domain room with HTTP",
			files: map[string]string{"internal/tenantmap/a.go": doc + "package p\nimport _ \"net/http\""},
			want:  "a domain room is pure",
		},
		{
			name:  "ingest with a database",
			files: map[string]string{"internal/ingest/a.go": doc + "package p\nimport _ \"github.com/jackc/pgx/v5\""},
			want:  "ingest has no database",
		},
		{
			name:  "a database behind the store's back",
			files: map[string]string{"internal/operate/a.go": doc + "package p\nimport _ \"github.com/jackc/pgx/v5\""},
			want:  "only internal/postgres talks to the database",
		},
		{
			name: "generated types outside their adapter, in a test",
			files: map[string]string{
				"internal/operate/a.go":      doc + "package p",
				"internal/operate/a_test.go": "package p_test\nimport _ \"house/internal/postgres/dbq\"",
				"internal/postgres/dbq/a.go": doc + "package p",
			},
			want: "internal/operate: a_test.go imports internal/postgres/dbq: generated query types",
		},
		{
			name:  "the broker's client outside its adapter",
			files: map[string]string{"internal/router/a.go": doc + "package p\nimport _ \"github.com/segmentio/kafka-go\""},
			want:  "internal/router: a.go imports github.com/segmentio/kafka-go",
		},
		{
			name:  "the environment under another name",
			files: map[string]string{"internal/obs/a.go": doc + "package p\nimport sys \"os\"\nfunc f() string { return sys.Getenv(\"X\") }"},
			want:  "internal/obs: a.go:4 os.Getenv: only cmd/* and internal/config",
		},
		{
			name:  "what no product has",
			files: map[string]string{"internal/failpoint/on.go": "//go:build failpoint\n\n" + doc + "package p\nimport \"os\"\nvar x = os.Getenv(\"X\")"},
		},
		{
			name:  "the same in every product",
			files: map[string]string{"internal/failpoint/on.go": "//go:build !failpoint\n\n" + doc + "package p\nimport \"os\"\n\n//go:build failpoint\nvar x = os.Getenv(\"X\")"},
			want:  "internal/failpoint: on.go:8 os.Getenv: only cmd/* and internal/config",
		},
		{
			name:  "the same in another file",
			files: map[string]string{"internal/failpoint/off.go": "//go:build failpoint\n\n" + doc + "package p\nimport \"os\"\nvar x = os.Getenv(\"X\")"},
			want:  "internal/failpoint: off.go:6 os.Getenv: only cmd/* and internal/config",
		},
		{
			name:  "a secret that would print",
			files: map[string]string{"internal/obs/a.go": doc + "package p\ntype C struct { P string `env:\"X_PASSWORD,required\" doc:\"x\"` }"},
			want:  "internal/obs: a.go:3 X_PASSWORD is not a config.Secret",
		},
		{
			name:  "a variable without a description",
			files: map[string]string{"internal/obs/a.go": doc + "package p\ntype C struct { P string `env:\"X_PORT\"` }"},
			want:  "internal/obs: a.go:3 X_PORT has no doc",
		},
		{
			name:  "no package comment",
			files: map[string]string{"internal/fault/a.go": "// Something else.\npackage p"},
			want:  "internal/fault: has no package comment",
		},
		{
			name: "a package comment in a test file",
			files: map[string]string{
				"internal/fault/a.go":      "package p",
				"internal/fault/a_test.go": "// Package p is for a test.\npackage p_test",
			},
			want: "internal/fault: has no package comment",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tree := fstest.MapFS{"go.mod": {Data: []byte("module house\n")}}
			for name, src := range c.files {
				tree[name] = &fstest.MapFile{Data: []byte(src)}
			}
			pkgs, err := arch.Load(tree)
			require.NoError(t, err)
			broken := arch.Check(pkgs)
			if c.want == "" {
				require.Empty(t, broken)
				return
			}
			require.Len(t, broken, 1)
			require.Contains(t, broken[0], c.want)
		})
	}
}

// A room that is named in the table twice would have two floors.
func TestEveryRoomHasOneFloor(t *testing.T) {
	t.Parallel()
	require.Empty(t, arch.Repeated())
}
