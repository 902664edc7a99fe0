package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"waybill/internal/postgres"
	"waybill/internal/testkit"
)

func TestASnapshotCarriesTheNumbersAndIsPublishedOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	campaigns := postgres.NewCampaigns(d.open(t, testkit.Worker))
	d.apply(t, d.sent(d.orgA, 1), d.sent(d.orgA, 2), d.status(d.orgA, 1, "delivered", "", 1))
	first, err := campaigns.Snapshots(t.Context(), 10, noon)
	require.NoError(t, err)
	require.Len(t, first, 1)
	require.Equal(t, map[string]int64{"accepted": 1, "delivered": 1}, first[0].Counters)
	require.EqualValues(t, 2, first[0].Messages)
	require.NoError(t, campaigns.Published(t.Context(), &first[0]))
	none, err := campaigns.Snapshots(t.Context(), 10, noon)
	require.NoError(t, err)
	require.Empty(t, none)
}

// What changed between reading a snapshot and noting it as published was taken
// for published, and a campaign's last numbers never came out.
func TestRegressionAChangeBehindASnapshotStaysToBePublished(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	campaigns := postgres.NewCampaigns(d.open(t, testkit.Worker))
	d.apply(t, d.sent(d.orgA, 1))
	first, err := campaigns.Snapshots(t.Context(), 10, noon)
	require.NoError(t, err)
	d.apply(t, d.status(d.orgA, 1, "delivered", "", 1))
	require.NoError(t, campaigns.Published(t.Context(), &first[0]))
	second, err := campaigns.Snapshots(t.Context(), 10, noon)
	require.NoError(t, err)
	require.Len(t, second, 1)
	require.Equal(t, map[string]int64{"delivered": 1}, second[0].Counters)
	require.Greater(t, second[0].Version, first[0].Version)
}

// A function of the owner looks names up in schemas that nobody else can write
// to, and in the temporary one last: else its caller decides what it runs.
func TestRegressionOwnersFunctionsCannotBeLedAstray(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	rows, err := d.owner.Query(t.Context(), `SELECT p.proname, coalesce(array_to_string(p.proconfig, ','), '')
		FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE p.prosecdef AND n.nspname = 'public'`)
	require.NoError(t, err)
	found := 0
	for rows.Next() {
		var name, config string
		require.NoError(t, rows.Scan(&name, &config))
		require.Equal(t, "search_path=public, pg_temp", config, name)
		found++
	}
	require.NoError(t, rows.Err())
	require.GreaterOrEqual(t, found, 3)
	d.apply(t, d.sent(d.orgA, 1))
	conn, err := d.db.Pool(t, testkit.Worker).Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), "CREATE TEMP TABLE campaign_counters (org_id uuid, campaign_id uuid, version bigint, published_version bigint)")
	require.NoError(t, err)
	var dirty int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM dirty_campaigns('00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000', 10)").Scan(&dirty))
	require.Equal(t, 1, dirty, "it reads the real table")
}

// Looking for what was applied went through the whole timeline for as long as
// there were no statistics; after a crash a batch then ran into its time limit.
func TestRegressionReplayDoesNotDependOnStatistics(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	plan := func(sql string, args ...any) string {
		rows, err := d.owner.Query(t.Context(), "EXPLAIN "+sql, args...)
		require.NoError(t, err)
		out := ""
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			out += line + "\n"
		}
		require.NoError(t, rows.Err())
		return out
	}
	for n := range 20 {
		d.apply(t, d.sent(d.orgA, n), d.status(d.orgA, n, "sent", "", 1))
	}
	p := plan(postgres.SelectTransitions, d.orgA, []string{"x"}, []time.Time{noon})
	require.NotContains(t, p, "Seq Scan on sms_messages", p)
	require.NotContains(t, p, "Hash Join", p)
}

// With more changed campaigns than fit one round, the first ones came up again
// and again and the rest never.
func TestRegressionEveryCampaignHasItsTurn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	campaigns := postgres.NewCampaigns(d.open(t, testkit.Worker))
	want := map[string]bool{}
	for n := range 5 {
		e := d.sent(d.orgA, n)
		e.CampaignID = uuid.NewString()
		want[e.CampaignID] = true
		d.apply(t, e)
	}
	seen := map[string]bool{}
	for range 3 { // nothing is noted as published: all stay changed
		list, err := campaigns.Snapshots(t.Context(), 2, noon)
		require.NoError(t, err)
		for i := range list {
			seen[list[i].CampaignID] = true
		}
	}
	require.Equal(t, want, seen)
}
