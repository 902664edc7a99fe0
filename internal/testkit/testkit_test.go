package testkit_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"waybill/internal/events"
	"waybill/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m, testkit.NoLeaks()) }

func TestDatabasesAreMigratedAndApart(t *testing.T) {
	t.Parallel()
	for i := range 20 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			db := testkit.Database(t)
			pool := db.Pool(t, testkit.Owner)
			const id = "0190f3a0-0000-7000-8000-000000000001"
			_, err := pool.Exec(t.Context(), "insert into organizations (id, name) values ($1, 'a')", id)
			require.NoError(t, err, "another test's row must not be here")
		})
	}
}

func TestRolesCanLogIn(t *testing.T) {
	t.Parallel()
	db := testkit.Database(t)
	for _, role := range []string{testkit.Owner, testkit.Router, testkit.Worker, testkit.Operator, testkit.ReadOnly} {
		var got string
		require.NoError(t, db.Pool(t, role).QueryRow(t.Context(), "select current_user").Scan(&got))
		require.Equal(t, role, got)
	}
}

func TestDatabaseIsDropped(t *testing.T) {
	t.Parallel()
	var gone testkit.DB
	t.Run("holder", func(t *testing.T) { gone = testkit.Database(t) })
	var there bool
	pool := testkit.Database(t).Pool(t, testkit.Owner)
	require.NoError(t, pool.QueryRow(t.Context(), "select exists (select from pg_database where datname = $1)", gone.Name).Scan(&there))
	require.False(t, there)
}

func TestKafkaHoldsTheTopics(t *testing.T) {
	t.Parallel()
	k := testkit.EmbeddedKafka(t, events.TopicSpec{Name: "some.v1", Partitions: 2})
	require.Len(t, k.Cluster().PartitionInfos("some.v1"), 2)
	require.NotEmpty(t, testkit.Kafka(t))
}

func TestGoldenSeesADifference(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.Mkdir("testdata", 0o755))
	require.NoError(t, os.WriteFile("testdata/a.txt", []byte("as it was"), 0o644))
	var rec recorder
	testkit.Golden(&rec, "a.txt", []byte("as it was"))
	require.False(t, rec.failed)
	testkit.Golden(&rec, "a.txt", []byte("otherwise"))
	require.True(t, rec.failed)
}

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }
